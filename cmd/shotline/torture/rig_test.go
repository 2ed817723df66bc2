package torture

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	apiKey = "torture-key"
	secret = "torture-secret"
	hooks  = "/webhooks/screenshotcenter"
)

// rig is everything that runs in the test, and everything the test records about
// it.
type rig struct {
	t        *testing.T
	seed     int64
	folder   string // kept if the run fails
	binary   string
	db       string
	env      []string
	launcher launcher
	vendor   *vendor
	redis    *redisServer
	proxy    *webhookProxy
	target   *callbackTarget
	slots    [2]*slot // the first one is always restarted
	inputs   inputs
	commands atomic.Int64
	sampled  chan struct{}
	stopping chan struct{}
	stop     sync.Once
	made     atomic.Bool // the tables of the database have been seen

	faultCtx     context.Context // canceled when faults are no longer useful
	cancelFaults context.CancelFunc
	failed       atomic.Bool // the test itself cannot continue

	faultsEnded time.Time

	mu         sync.Mutex
	processes  []*process // serves, oldest first
	violations []violation
	figures    figures
}

// figures are the statistics of a run.
type figures struct {
	kills, starts, redisKills, redisFlushes, redisPauses, queries int

	ends            map[string]int // jobs by state and provenance
	chaos, settling time.Duration
	maxFiles        int
	maxMemory       int64 // in bytes
}

func newRig(t *testing.T, seed int64) *rig {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("redis-server is not installed")
	}
	folder, err := os.MkdirTemp("", "torture") // t.TempDir is always removed, and its path is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{
		t: t, seed: seed, folder: folder, db: filepath.Join(folder, "shotline.db"),
		launcher: newLauncher(t), sampled: make(chan struct{}), stopping: make(chan struct{}),
	}
	r.faultCtx, r.cancelFaults = context.WithCancel(t.Context())
	t.Cleanup(r.cancelFaults)
	r.build()
	r.proxy = newWebhookProxy(t)
	r.vendor = newVendor(t, r.proxy.url, seed)
	r.target = newCallbackTarget(t, seed)
	r.redis = newRedis(r)
	r.env = append(os.Environ(),
		"SHOTLINE_DB="+r.db, "SCREENSHOTCENTER_API_KEY="+apiKey, "SCREENSHOTCENTER_BASE_URL="+r.vendor.url+"/api/v1",
		"SCREENSHOTCENTER_APP_ID=12", "WEBHOOK_SECRET="+secret, "SHOTLINE_CONFIG=",
		"SHOTLINE_CALLBACK_SECRET="+callbackSecret, "SHOTLINE_SINK=target="+r.target.url+sinkPath, "SHOTLINE_ALLOW_PRIVATE=127.0.0.0/8",
		"SHOTLINE_JOB_TIMEOUT="+jobTimeout.String(), "SHOTLINE_DEADLINE_GRACE="+deadlineGrace.String(),
		"SHOTLINE_SETTLE="+settleTime.String(), "SHOTLINE_REQUEST_TIMEOUT="+requestTimeout.String(),
		"GORACE=atexit_sleep_ms=0")
	for i := range r.slots {
		r.slots[i] = &slot{number: i + 1, address: freeAddress(t), api: freeAddress(t)}
		r.proxy.addresses = append(r.proxy.addresses, r.slots[i].address)
	}
	go r.sample()
	t.Cleanup(r.endSampling)
	return r
}

// build builds the binary, with the race detector if the test uses it, and then with
// the flags of the environment variable RACEFLAGS.
func (r *rig) build() {
	r.t.Helper()
	r.binary = filepath.Join(r.folder, "shotline")
	args := []string{"build", "-ldflags=-s -w", "-o", r.binary}
	if raceDetector {
		args = append(append(args, "-race"), strings.Fields(os.Getenv("RACEFLAGS"))...)
	}
	if out, err := exec.Command("go", append(args, "shotline/cmd/shotline")...).CombinedOutput(); err != nil {
		r.t.Fatalf("go build: %v\n%s", err, out)
	}
}

// freeAddress returns a loopback address with a port that is not in use.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// count changes the figures with the lock held.
func (r *rig) count(change func(*figures)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.figures)
}

// ref identifies what a violation is about: a job, a batch if row is 0, or
// the whole run if batch is empty.
type ref struct {
	batch string
	row   int64
}

func (s ref) String() string {
	switch {
	case s.batch == "":
		return "the whole run"
	case s.row == 0:
		return "batch " + s.batch
	}
	return fmt.Sprintf("job %s-%d", s.batch, s.row)
}

// violation is a broken promise.
type violation struct {
	promise string
	ref     ref
	text    string
}

// fail records that the test itself has failed and ends the run. It can be
// called from any goroutine.
func (r *rig) fail(format string, args ...any) {
	r.violated("rig", ref{}, format, args...)
	r.failed.Store(true)
	r.cancelFaults()
}

// violated records a violation for the report at the end.
func (r *rig) violated(promise string, s ref, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.violations = append(r.violations, violation{promise, s, fmt.Sprintf(format, args...)})
}
