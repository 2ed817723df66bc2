package callback

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"shotline/jobs"
	taskqueue "shotline/jobs/tasks"
)

// idle is the Handler of a process that only delivers callbacks.
type idle struct{}

func (idle) SubmitBatch(context.Context, string) error    { return nil }
func (idle) CheckDeadlines(context.Context) error         { return nil }
func (idle) SummarizeBatch(context.Context, string) error { return nil }

// process is a courier that works by itself, by the real clock, as in serve.
type process struct {
	courier *Deliverer
	queue   *taskqueue.Queue
}

func (r *rig) process(worker, redisURL string, change ...func(*Config)) *process {
	r.t.Helper()
	return r.processWith(worker, redisURL, func(*Parts) {}, change...)
}

// processWith is process with other parts.
func (r *rig) processWith(worker, redisURL string, parts func(*Parts), change ...func(*Config)) *process {
	r.t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	queue, err := taskqueue.Open(r.t.Context(), taskqueue.Options{RedisURL: redisURL, Logger: log})
	r.must(err)
	cfg := Config{Worker: worker, Guard: loopback(), Secrets: []string{secretA}, Slots: taskqueue.CallbackSlots}
	for _, f := range change {
		f(&cfg)
	}
	with := Parts{Store: openStore(r.t, r.path), Queue: queue, Now: wallClock, Logger: log, Observer: r.heard}
	parts(&with)
	c, err := New(cfg, with)
	r.must(err)
	c.claimFor = r.claimFor
	r.must(c.Open(r.t.Context()))
	queue.HandleCallbacks(c)
	r.must(queue.Start(idle{}))
	c.Start()
	p := &process{c, queue}
	r.t.Cleanup(func() { p.stop(r.t, 5*time.Second) })
	return p
}

func wallClock() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// stop ends it as serve does, with some time for what is under way.
func (p *process) stop(t *testing.T, grace time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	p.courier.Drain()
	if err := p.queue.Stop(ctx); err != nil {
		t.Error(err)
	}
	p.courier.Stop()
}

// newCrowd is a rig by the real clock.
func newCrowd(t *testing.T) *rig {
	r := newRig(t)
	r.clock.now = wallClock()
	return r
}

// redisServer is a real one, on a unix socket.
func redisServer(t *testing.T) *redis.Client {
	t.Helper()
	program, err := exec.LookPath("redis-server")
	if err != nil {
		t.Skip("needs redis-server: not found in PATH")
	}
	dir, err := os.MkdirTemp("", "redis") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "s")
	server := exec.Command(program, "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no", "--dir", dir, "--logfile", "/dev/null")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: socket})
	t.Cleanup(func() {
		_ = client.Close()
		_ = server.Process.Kill()
		_ = server.Wait()
		_ = os.RemoveAll(dir)
	})
	eventually(t, "redis-server answers", func() bool { return client.Ping(context.Background()).Err() == nil })
	return client
}

// eventually polls for what gives no event.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(60 * time.Second)
	for !holds() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("did not happen: %s", what)
		}
	}
}

// distinct counts callbacks by their ids.
func distinct(receipts []receipt) (ids map[string]int) {
	ids = map[string]int{}
	for _, r := range receipts {
		ids[r.id()]++
	}
	return ids
}

// The slow targets answer when the healthy one has got everything, and not before.
func TestHealthyTargetsWaitForNoOthers(t *testing.T) {
	t.Parallel()
	r := newCrowd(t)
	const each, slowTargets = 40, 6 // with fewer places than there are slots
	release := make(chan struct{})
	healthy := newTarget(t, nil)
	dead := newTarget(t, nil)
	dead.Close()
	var slow []*target
	for range slowTargets {
		slow = append(slow, newTarget(t, func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}))
	}
	r.process("w1", "")
	for range each {
		ids := []jobs.ID{r.job(dead.URL), r.job(healthy.URL)}
		r.cancel(ids...)
	}
	for _, to := range slow {
		for range each {
			r.cancel(r.job(to.URL))
		}
	}
	for range each {
		healthy.next(t)
	}
	if n := len(distinct(healthy.got())); n != each {
		t.Errorf("%d of %d arrived", n, each)
	}
	close(release)
	for _, to := range slow {
		eventually(t, "slow targets get theirs", func() bool { return len(distinct(to.got())) == each })
	}
	if n := r.heard.count("callback_url delivered"); n < each {
		t.Errorf("heard of %d", n)
	}
}

func TestTwoProcessesDeliverOneOutbox(t *testing.T) {
	t.Parallel()
	r := newCrowd(t)
	const n = 100
	to, ops := newTarget(t, nil), newTarget(t, nil)
	with := sink(t, "ops:job.canceled", ops.URL)
	r.process("w1", "", with)
	r.process("w2", "", with)
	for range n {
		r.cancel(r.job(to.URL))
	}
	for range n {
		to.next(t)
		ops.next(t)
	}
	for _, target := range []*target{to, ops} {
		if ids := distinct(target.got()); len(ids) != n || len(target.got()) != n {
			t.Errorf("%d calls of %d callbacks, want %d", len(target.got()), len(ids), n)
		}
	}
	eventually(t, "all are delivered", func() bool {
		owed, err := r.store.Callbacks(t.Context(), jobs.CallbackFilter{States: []jobs.CallbackState{jobs.CallbackOwed}})
		r.must(err)
		return len(owed) == 0
	})
}

func TestAFlushedRedisLosesNothing(t *testing.T) {
	t.Parallel()
	r := newCrowd(t)
	server := redisServer(t)
	const n = 60
	to := newTarget(t, nil)
	r.process("w1", "redis-socket://"+server.Options().Addr)
	for i := range n {
		r.cancel(r.job(to.URL))
		if i%20 == 10 {
			r.must(server.FlushAll(t.Context()).Err())
		}
	}
	eventually(t, "all arrive", func() bool { return len(distinct(to.got())) == n })
}

func TestAFailedCallbackIsTriedAgainByItself(t *testing.T) {
	t.Parallel()
	r := newCrowd(t)
	to := newTarget(t, status(503))
	r.process("w1", "")
	r.cancel(r.job(to.URL))
	first := to.next(t)
	to.answers(status(200))
	second := to.next(t)
	if first.id() != second.id() || string(first.body) != string(second.body) {
		t.Errorf("%s became %s", first.id(), second.id())
	}
	eventually(t, "it is delivered", func() bool { return r.only().State == jobs.CallbackDelivered })
	if c := r.only(); c.Attempts != 2 || c.Generation != 1 {
		t.Errorf("%+v, want the task itself to have come back", c)
	}
}

// The process is stopped while a target has not answered yet. Its heir takes the
// same callback up.
func TestACallbackUnderWayAtAStopIsDeliveredAgain(t *testing.T) {
	t.Parallel()
	r := newCrowd(t)
	server := redisServer(t)
	to := newTarget(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	p := r.process("w1", "redis-socket://"+server.Options().Addr)
	r.cancel(r.job(to.URL))
	first := to.next(t)
	p.stop(t, 50*time.Millisecond)
	if c := r.only(); c.State != jobs.CallbackOwed || c.Attempts != 1 || c.Error != "" || c.Generation != 1 {
		t.Errorf("put back as %+v, and claimed by nobody", c)
	}
	to.answers(status(200))
	r.process("w2", "redis-socket://"+server.Options().Addr)
	second := to.next(t)
	if first.id() != second.id() || string(first.body) != string(second.body) {
		t.Errorf("%s became %s", first.id(), second.id())
	}
	eventually(t, "it is delivered", func() bool { return r.only().State == jobs.CallbackDelivered })
}
