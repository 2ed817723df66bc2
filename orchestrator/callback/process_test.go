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

// idle is the Handler of a process that only sends callbacks.
type idle struct{}

func (idle) SubmitBatch(context.Context, string) error    { return nil }
func (idle) CheckDeadlines(context.Context) error         { return nil }
func (idle) SummarizeBatch(context.Context, string) error { return nil }

// process runs a deliverer with its loops, a queue and the real clock, as serve
// does.
type process struct {
	deliverer *Deliverer
	queue     *taskqueue.Queue
}

func (r *rig) process(worker, redisURL string, change ...func(*Config)) *process {
	r.t.Helper()
	return r.processWith(worker, redisURL, func(*Parts) {}, change...)
}

// processWith is like process, with changed parts.
func (r *rig) processWith(worker, redisURL string, parts func(*Parts), change ...func(*Config)) *process {
	r.t.Helper()
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	queue, err := taskqueue.Open(r.t.Context(), taskqueue.Options{RedisURL: redisURL, Logger: log})
	r.must(err)
	cfg := Config{Worker: worker, Guard: loopback(), Secrets: []string{secretA}, Slots: taskqueue.CallbackSlots}
	for _, f := range change {
		f(&cfg)
	}
	with := Parts{Store: openStore(r.t, r.path), Queue: queue, Now: wallClock, Logger: log, Observer: r.attempts}
	parts(&with)
	d, err := New(cfg, with)
	r.must(err)
	d.claimFor = r.claimFor
	r.must(d.Open(r.t.Context()))
	queue.HandleCallbacks(d)
	r.must(queue.Start(idle{}))
	d.Start()
	p := &process{d, queue}
	r.t.Cleanup(func() { p.stop(r.t, 5*time.Second) })
	return p
}

func wallClock() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// stop stops the process as serve does, and gives attempts under way the grace.
func (p *process) stop(t *testing.T, grace time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	p.deliverer.Drain()
	if err := p.queue.Stop(ctx); err != nil {
		t.Error(err)
	}
	p.deliverer.Stop()
}

// newLiveRig returns a rig whose clock shows the present.
func newLiveRig(t *testing.T) *rig {
	r := newRig(t)
	r.clock.now = wallClock()
	return r
}

// redisServer starts a real Redis on a unix socket.
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

// eventually polls a condition for which there is no event.
func eventually(t *testing.T, condition string, holds func() bool) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(60 * time.Second)
	for !holds() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("timed out: %s", condition)
		}
	}
}

// distinct counts the receipts of each id.
func distinct(receipts []receipt) (ids map[string]int) {
	ids = map[string]int{}
	for _, r := range receipts {
		ids[r.id()]++
	}
	return ids
}

// The slow targets respond only after the healthy one has received everything.
func TestHealthyTargetsDoNotWaitForOthers(t *testing.T) {
	t.Parallel()
	r := newLiveRig(t)
	const each, slowTargets = 40, 6 // the lanes of slow targets allow fewer attempts than there are slots
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
		t.Errorf("got %d callbacks, want %d", n, each)
	}
	close(release)
	for _, to := range slow {
		eventually(t, "slow targets receive their callbacks", func() bool { return len(distinct(to.got())) == each })
	}
	if n := r.attempts.count("callback_url delivered"); n < each {
		t.Errorf("observer got %d deliveries", n)
	}
}

func TestTwoProcessesDeliverEachCallbackOnce(t *testing.T) {
	t.Parallel()
	r := newLiveRig(t)
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
			t.Errorf("got %d calls for %d callbacks, want %d", len(target.got()), len(ids), n)
		}
	}
	eventually(t, "all callbacks are delivered", func() bool {
		undelivered, err := r.store.Callbacks(t.Context(), jobs.CallbackFilter{States: []jobs.CallbackState{jobs.CallbackOwed}})
		r.must(err)
		return len(undelivered) == 0
	})
}

func TestFlushedRedisLosesNoCallback(t *testing.T) {
	t.Parallel()
	r := newLiveRig(t)
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
	eventually(t, "all callbacks arrive", func() bool { return len(distinct(to.got())) == n })
}

func TestFailedCallbackIsRetried(t *testing.T) {
	t.Parallel()
	r := newLiveRig(t)
	to := newTarget(t, status(503))
	r.process("w1", "")
	r.cancel(r.job(to.URL))
	first := to.next(t)
	to.setAnswer(status(200))
	second := to.next(t)
	if first.id() != second.id() || string(first.body) != string(second.body) {
		t.Errorf("got id %s, then %s, or another body", first.id(), second.id())
	}
	eventually(t, "callback is delivered", func() bool { return r.only().State == jobs.CallbackDelivered })
	if c := r.only(); c.Attempts != 2 || c.Generation != 1 {
		t.Errorf("got %+v, want a second attempt of the same task", c)
	}
}

// The process stops before the target responds. Another process repeats the
// callback.
func TestCallbackUnderWayAtStopIsRepeated(t *testing.T) {
	t.Parallel()
	r := newLiveRig(t)
	server := redisServer(t)
	to := newTarget(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	p := r.process("w1", "redis-socket://"+server.Options().Addr)
	r.cancel(r.job(to.URL))
	first := to.next(t)
	p.stop(t, 50*time.Millisecond)
	if c := r.only(); c.State != jobs.CallbackOwed || c.Attempts != 1 || c.Error != "" || c.Generation != 1 {
		t.Errorf("got %+v, want it due at once", c)
	}
	to.setAnswer(status(200))
	r.process("w2", "redis-socket://"+server.Options().Addr)
	second := to.next(t)
	if first.id() != second.id() || string(first.body) != string(second.body) {
		t.Errorf("got id %s, then %s, or another body", first.id(), second.id())
	}
	eventually(t, "callback is delivered", func() bool { return r.only().State == jobs.CallbackDelivered })
}
