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

// trouble is one thing that may happen to a Redis, and how it ends.
type trouble struct {
	name   string
	begin  func(t *testing.T, r *redisServer, p *proxy)
	end    func(t *testing.T, r *redisServer, p *proxy)
	reason string // what Ping must tell meanwhile; empty: it may find all well
}

func sends(args ...any) func(*testing.T, *redisServer, *proxy) {
	return func(t *testing.T, r *redisServer, _ *proxy) { r.send(args...) }
}

func nothing(*testing.T, *redisServer, *proxy) {}

var troubles = []trouble{
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
	{"holding nonsense", func(_ *testing.T, r *redisServer, _ *proxy) {
		_, err := r.admin.TxPipelined(context.Background(), func(pipe redis.Pipeliner) error {
			pipe.Del(context.Background(), "asynq:{shotline}:pending")
			pipe.Set(context.Background(), "asynq:{shotline}:pending", "nonsense", 0)
			return nil
		})
		if err != nil {
			r.t.Error(err)
		}
	}, sends("DEL", "asynq:{shotline}:pending"), `key "asynq:{shotline}:pending" holds a string, want a list`},
}

// TestTroublesArePassedQuietly lets every trouble last for a while, as tasks
// flow: nothing spins meanwhile, Ping tells, and tasks run again after it.
func TestTroublesArePassedQuietly(t *testing.T) {
	t.Parallel()
	for _, trouble := range troubles {
		t.Run(trouble.name, func(t *testing.T) {
			t.Parallel()
			r := newRedis(t).start()
			p := newProxy(t, r)
			log := new(lines)
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
			comesBack(t, q, h, "before")
			stop := flow(q)
			defer stop()

			trouble.begin(t, r, p)
			dials, requests := p.dials.Load(), p.requests.Load()
			if trouble.reason != "" {
				eventually(t, "Ping tells of "+trouble.reason, func() bool {
					err := q.Ping(t.Context())
					return err != nil && strings.Contains(err.Error(), trouble.reason)
				})
			}
			lasting := time.NewTimer(outage)
			<-lasting.C
			dials, requests = p.dials.Load()-dials, p.requests.Load()-requests
			trouble.end(t, r, p)

			stop()
			comesBack(t, q, h, "after")
			if n := strings.Count(log.String(), "\n"); n > 8 {
				t.Errorf("%d log lines:\n%s", n, log)
			}
			if dials > 100 || requests > 400 {
				t.Errorf("%d dials and %d requests in %v", dials, requests, outage)
			}
			must(t, q.Ping(t.Context()))
		})
	}
}

// outage is how long a trouble lasts; a queue that spins asks tens of thousands
// of times in it.
const outage = 3 * time.Second

// flow enqueues a task ten times a second, until stop; what fails is lost.
func flow(q *Queue) (stop func()) {
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

// TestManyOutagesLeaveNothingBehind counts goroutines, so it runs alone.
func TestManyOutagesLeaveNothingBehind(t *testing.T) {
	q := open(t, newRedis(t).start().url(), nil)
	v := &supervisor{Queue: q, handler: newDispatcher(q, newRecorder()), backoff: firstBackoff}
	step := func(what string, holds func() bool) {
		t.Helper()
		eventually(t, what, func() bool { v.step(t.Context()); return holds() })
	}
	runs := func() bool { s := q.current(); return s != nil && s.runs() }
	running := func() int { q.abandoned.Wait(); return runtime.NumGoroutine() }
	step("a server runs", runs)
	before := running()
	for range 20 {
		q.current().line.cut()
		step("the server is given up", func() bool { return q.current() == nil })
		step("a server runs", runs)
	}
	const slack = 15 // connections come and go; a session has more than ten
	eventually(t, "goroutines have ended", func() bool { return running() <= before+slack })
}
