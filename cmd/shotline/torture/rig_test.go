package torture

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
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

// rig is everything that runs, and everything the test writes down about it.
type rig struct {
	t        *testing.T
	seed     int64
	folder   string // kept when the run fails
	binary   string
	db       string
	env      []string
	launcher launcher
	vendor   *vendor
	redis    *redisServer
	gate     *gate
	ear      *ear
	slots    [2]*slot // where serves run; the first is always filled again
	book     book
	commands atomic.Int64
	sampled  chan struct{}
	stopping chan struct{}
	stop     sync.Once
	made     atomic.Bool // the tables of the database were there once

	living    context.Context // as long as there is any use in faults
	endLiving context.CancelFunc
	broken    atomic.Bool // the test itself cannot go on

	faultsEnded time.Time

	mu         sync.Mutex
	processes  []*process // serves, oldest first
	violations []violation
	figures    figures
}

// figures are what a run prints about itself.
type figures struct {
	kills, starts, redisKills, redisFlushes, redisPauses, looks int

	ends            map[string]int // jobs by state and provenance
	chaos, settling time.Duration
	maxFiles        int
	maxMemory       int64 // bytes
}

func newRig(t *testing.T, seed int64) *rig {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Skip("needs redis-server: it is not on this machine")
	}
	folder, err := os.MkdirTemp("", "torture") // t.TempDir is removed, and too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{
		t: t, seed: seed, folder: folder, db: filepath.Join(folder, "shotline.db"),
		launcher: newLauncher(t), sampled: make(chan struct{}), stopping: make(chan struct{}),
	}
	r.living, r.endLiving = context.WithCancel(t.Context())
	t.Cleanup(r.endLiving)
	r.build()
	r.gate = newGate(t)
	r.vendor = newVendor(t, r.gate.url, seed)
	r.ear = newEar(t, seed)
	r.redis = newRedis(r)
	r.env = append(os.Environ(),
		"SHOTLINE_DB="+r.db, "SCREENSHOTCENTER_API_KEY="+apiKey, "SCREENSHOTCENTER_BASE_URL="+r.vendor.url+"/api/v1",
		"SCREENSHOTCENTER_APP_ID=12", "WEBHOOK_SECRET="+secret, "SHOTLINE_CONFIG=",
		"SHOTLINE_CALLBACK_SECRET="+callbackSecret, "SHOTLINE_SINK=ear="+r.ear.url+sinkPath, "SHOTLINE_ALLOW_PRIVATE=127.0.0.0/8",
		"SHOTLINE_JOB_TIMEOUT="+jobTimeout.String(), "SHOTLINE_DEADLINE_GRACE="+deadlineGrace.String(),
		"SHOTLINE_SETTLE="+settleTime.String(), "SHOTLINE_REQUEST_TIMEOUT="+requestTimeout.String(),
		"GORACE=atexit_sleep_ms=0")
	for i := range r.slots {
		r.slots[i] = &slot{number: i + 1, address: freeAddress(t), api: freeAddress(t)}
		r.gate.doors = append(r.gate.doors, r.slots[i].address)
	}
	go r.sample()
	t.Cleanup(r.endSampling)
	return r
}

// build makes the binary; with the race detector when the test has it.
func (r *rig) build() {
	r.t.Helper()
	r.binary = filepath.Join(r.folder, "shotline")
	args := []string{"build", "-o", r.binary}
	if raceDetector {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, "shotline/cmd/shotline")...).CombinedOutput(); err != nil {
		r.t.Fatalf("go build: %v\n%s", err, out)
	}
}

// freeAddress finds a loopback port that nobody uses now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// count changes the figures.
func (r *rig) count(change func(*figures)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.figures)
}

// subject is what a violation is about: a job, or a whole batch when row is 0.
type subject struct {
	batch string
	row   int64
}

func (s subject) String() string {
	switch {
	case s.batch == "":
		return "the whole run"
	case s.row == 0:
		return "batch " + s.batch
	}
	return fmt.Sprintf("job %s-%d", s.batch, s.row)
}

// violation is a promise that was not kept.
type violation struct {
	promise string
	subject subject
	text    string
}

// breaks notes that the test itself has failed, and ends the run: it may be called
// by any goroutine.
func (r *rig) breaks(format string, args ...any) {
	r.violates("rig", subject{}, format, args...)
	r.broken.Store(true)
	r.endLiving()
}

// violates notes a violation; the report at the end tells of it.
func (r *rig) violates(promise string, s subject, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.violations = append(r.violations, violation{promise, s, fmt.Sprintf(format, args...)})
}
