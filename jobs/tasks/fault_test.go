package tasks

import (
	"context"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

// fault is a problem of a Redis server, and how it ends.
type fault struct {
	name   string
	begin  func(t *testing.T, r *redisServer, p *proxy)
	end    func(t *testing.T, r *redisServer, p *proxy)
	reason string // text in the error of Ping during the fault; empty if Ping might succeed
}

func sends(args ...any) func(*testing.T, *redisServer, *proxy) {
	return func(t *testing.T, r *redisServer, _ *proxy) { r.send(args...) }
}

func nothing(*testing.T, *redisServer, *proxy) {}

var faults = []fault{
	{"killed", func(_ *testing.T, r *redisServer, _ *proxy) { r.kill() },
		func(_ *testing.T, r *redisServer, _ *proxy) { r.start() }, "EOF"},
	{"restarted empty", func(_ *testing.T, r *redisServer, _ *proxy) { r.kill(); r.start() }, nothing, ""},
	{"paused", func(_ *testing.T, r *redisServer, _ *proxy) { r.signal(syscall.SIGSTOP) },
		func(_ *testing.T, r *redisServer, _ *proxy) { r.signal(syscall.SIGCONT) }, "exceeded"},
	{"flushed", sends("FLUSHALL"), nothing, ""},
	{"refusing connections", func(_ *testing.T, _ *redisServer, p *proxy) { p.refuse(true) },
		func(_ *testing.T, _ *redisServer, p *proxy) { p.refuse(false) }, "EOF"},
	{"full", func(_ *testing.T, r *redisServer, _ *proxy) {
		r.send("SET", "filler", strings.Repeat("x", 2<<20))
		r.send("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "1mb")
	}, sends("CONFIG", "SET", "maxmemory", "0"), "OOM"},
	{"read-only", sends("REPLICAOF", "127.0.0.1", "1"), sends("REPLICAOF", "NO", "ONE"), "READONLY"},
	{"another password", func(_ *testing.T, r *redisServer, _ *proxy) {
		r.send("CONFIG", "SET", "requirepass", "other")
		r.send("CLIENT", "KILL", "TYPE", "normal")
		r.send("CLIENT", "KILL", "TYPE", "pubsub")
	}, sends("CONFIG", "SET", "requirepass", ""), "NOAUTH"},
	{"forbidding scripts", sends("ACL", "SETUSER", "default", "-eval", "-evalsha"),
		sends("ACL", "SETUSER", "default", "+@all"), "NOPERM"},
	{"slow", func(_ *testing.T, _ *redisServer, p *proxy) { p.delay.Store(int64(2 * time.Second)) },
		func(_ *testing.T, _ *redisServer, p *proxy) { p.delay.Store(0) }, "exceeded"},
	{"loading", func(_ *testing.T, r *redisServer, _ *proxy) {
		r.send("DEBUG", "POPULATE", 2500, "key", 200)
		r.send("SAVE")
		r.kill()
		r.launch("--key-load-delay", "2000", "--loading-process-events-interval-bytes", "1024")
	}, func(t *testing.T, r *redisServer, _ *proxy) {
		eventually(t, "it has loaded", func() bool { return r.admin.Ping(t.Context()).Err() == nil })
	}, "LOADING"},
	{"with a key of a wrong type", func(_ *testing.T, r *redisServer, _ *proxy) {
		_, err := r.admin.TxPipelined(context.Background(), func(pipe redis.Pipeliner) error {
			pipe.Del(context.Background(), "asynq:{shotline}:pending")
			pipe.Set(context.Background(), "asynq:{shotline}:pending", "nonsense", 0)
			return nil
		})
		if err != nil {
			r.t.Error(err)
		}
	}, sends("DEL", "asynq:{shotline}:pending"), `key "asynq:{shotline}:pending" has the type string, want list`},
}

// Each fault lasts for a while, during which tasks are enqueued. The queue must
// not use a busy loop, Ping must return the reason, and tasks must run again
// after the fault.
func TestFaults(t *testing.T) {
	t.Parallel()
	for _, fault := range faults {
		t.Run(fault.name, func(t *testing.T) {
			t.Parallel()
			r := newRedis(t).start()
			p := newProxy(t, r)
			log := new(logBuffer)
			q, err := Open(t.Context(), Options{RedisURL: p.url(), Logger: slog.New(slog.NewTextHandler(log, nil))})
			must(t, err)
			h := newRecorder()
			must(t, q.Start(h))
			t.Cleanup(func() {
				ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
				defer cancel()
				if err := q.Stop(ctx); err != nil {
					t.Error(err)
				}
			})
			waitUntilWorking(t, q, h, "before")
			stop := enqueueSteadily(q)
			defer stop()

			fault.begin(t, r, p)
			dials, requests := p.dials.Load(), p.requests.Load()
			if fault.reason != "" {
				eventually(t, "the error of Ping contains "+fault.reason, func() bool {
					err := q.Ping(t.Context())
					return err != nil && strings.Contains(err.Error(), fault.reason)
				})
			}
			timer := time.NewTimer(faultTime)
			<-timer.C
			dials, requests = p.dials.Load()-dials, p.requests.Load()-requests
			fault.end(t, r, p)

			stop()
			waitUntilWorking(t, q, h, "after")
			if n := strings.Count(log.String(), "\n"); n > 8 {
				t.Errorf("%d log lines, want at most 8:\n%s", n, log)
			}
			if dials > 100 || requests > 400 {
				t.Errorf("%d dials and %d requests in %v, want at most 100 and 400", dials, requests, faultTime)
			}
			must(t, q.Ping(t.Context()))
		})
	}
}

// faultTime is how long a fault lasts. A queue in a busy loop would send tens of
// thousands of requests in that time.
const faultTime = 3 * time.Second

// enqueueSteadily enqueues a task ten times a second until stop is called. It
// ignores errors.
func enqueueSteadily(q *Queue) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		ticker := time.NewTicker(100 * time.Millisecond)
		defer ticker.Stop()
		for i := int64(1); ; i++ {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				_ = q.EnqueueSubmit(ctx, "flow", i, time.Time{})
			}
		}
	})
	return func() { cancel(); done.Wait() }
}

// The test counts goroutines, so it does not run in parallel.
func TestOutagesLeakNoGoroutines(t *testing.T) {
	q := open(t, newRedis(t).start().url(), nil)
	v := &supervisor{Queue: q, handler: newDispatcher(q, newRecorder()), backoff: firstBackoff}
	step := func(condition string, holds func() bool) {
		t.Helper()
		eventually(t, condition, func() bool { v.step(t.Context()); return holds() })
	}
	runs := func() bool { s := q.current(); return s != nil && s.runs() }
	running := func() int { q.abandoned.Wait(); return runtime.NumGoroutine() }
	step("a server is running", runs)
	before := running()
	for range 20 {
		q.current().conns.closeAll()
		step("the session is abandoned", func() bool { return q.current() == nil })
		step("a server is running", runs)
	}
	const tolerance = 15 // tolerance for pooled connections; a session has more than ten goroutines
	eventually(t, "goroutines have ended", func() bool { return running() <= before+tolerance })
}
