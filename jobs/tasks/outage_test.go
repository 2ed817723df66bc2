package tasks

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hibiken/asynq"
)

// enqueueFails checks that enqueueing fails with ErrUnavailable within the
// timeout.
func enqueueFails(t *testing.T, q *Queue) {
	t.Helper()
	began := time.Now()
	err := q.EnqueueSubmit(t.Context(), "lost", began.UnixNano(), time.Time{})
	if took := time.Since(began); took > 2*responseTimeout {
		t.Errorf("enqueue took %v", took)
	}
	if !errors.Is(err, ErrUnavailable) {
		t.Errorf("enqueue: got %v, want ErrUnavailable", err)
	}
}

// waitUntilWorking enqueues a task until that succeeds, and waits until the task
// runs.
func waitUntilWorking(t *testing.T, q *Queue, h *recorder, batch string) {
	t.Helper()
	eventually(t, "enqueueing works again", func() bool {
		return q.EnqueueSubmit(t.Context(), batch, 1, time.Time{}) == nil
	})
	for h.next(t).batch != batch {
	}
}

func TestRedisCrashesAndRestartsEmpty(t *testing.T) {
	t.Parallel()
	r := newRedis(t).start()
	h := newRecorder()
	q := open(t, r.url(), h)
	waitUntilWorking(t, q, h, "before")
	r.kill()
	enqueueFails(t, q)
	eventually(t, "the session is abandoned", func() bool { return q.current() == nil })
	enqueueFails(t, q)
	r.start()
	waitUntilWorking(t, q, h, "after")
}

func TestHandlerContinuesDuringAnOutage(t *testing.T) {
	t.Parallel()
	r := newRedis(t).start()
	h := newRecorder()
	release, ended := make(chan struct{}), make(chan error, 1)
	h.do = func(ctx context.Context, batch string) error {
		if batch == "long" {
			<-release
			ended <- ctx.Err()
		}
		return nil
	}
	q := open(t, r.url(), h)
	waitUntilWorking(t, q, h, "long")
	r.kill()
	eventually(t, "the session is abandoned", func() bool { return q.current() == nil })
	r.start()
	waitUntilWorking(t, q, h, "other")
	close(release)
	if err := <-ended; err != nil {
		t.Errorf("the context of the running handler ended: %v", err)
	}
}

func TestRedisHangs(t *testing.T) {
	t.Parallel()
	r := newRedis(t).start()
	h := newRecorder()
	q := open(t, r.url(), h)
	waitUntilWorking(t, q, h, "before")
	r.signal(syscall.SIGSTOP)
	enqueueFails(t, q)
	eventually(t, "the session is abandoned", func() bool { return q.current() == nil })
	enqueueFails(t, q)
	r.signal(syscall.SIGCONT)
	waitUntilWorking(t, q, h, "after")
}

func TestStopWhileRedisHangs(t *testing.T) {
	t.Parallel()
	r := newRedis(t).start()
	h := newRecorder()
	q := open(t, r.url(), h)
	waitUntilWorking(t, q, h, "before")
	r.signal(syscall.SIGSTOP)
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	must(t, q.Stop(ctx))
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("Stop took %v", took)
	}
}

// The handler returns only when its context ends, before and after the session
// was abandoned.
func TestStopDuringAHandlerWhileRedisHangs(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]bool{"at once": false, "after the session was abandoned": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRedis(t).start()
			h := newRecorder()
			h.do = func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
			q := open(t, r.url(), h)
			waitUntilWorking(t, q, h, "long")
			r.signal(syscall.SIGSTOP)
			if lost {
				eventually(t, "the session is abandoned", func() bool { return q.current() == nil })
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			began := time.Now()
			must(t, q.Stop(ctx))
			if took := time.Since(began); took > 6*time.Second {
				t.Errorf("Stop took %v", took)
			}
		})
	}
}

func TestRedisIsFlushed(t *testing.T) {
	t.Parallel()
	r := newRedis(t).start()
	h := newRecorder()
	q := open(t, r.url(), h)
	waitUntilWorking(t, q, h, "before")
	client := r.client()
	defer client.Close()
	must(t, client.FlushAll(t.Context()).Err())
	inspector := asynq.NewInspectorFromRedisClient(client)
	eventually(t, "the queue is registered again", func() bool {
		names, err := inspector.Queues()
		must(t, err)
		return slices.Contains(names, q.name)
	})
	waitUntilWorking(t, q, h, "after")
}

func TestRedisAppearsAfterStart(t *testing.T) {
	t.Parallel()
	r := newRedis(t)
	h := newRecorder()
	q := open(t, r.url(), h)
	enqueueFails(t, q)
	if err := q.Ping(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("ping: got %v", err)
	}
	r.start()
	waitUntilWorking(t, q, h, "first")
}

// logBuffer is a log that is safe for concurrent use.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func TestOutageIsLoggedInFewLines(t *testing.T) {
	t.Parallel()
	r := newRedis(t).start()
	log := new(logBuffer)
	h := newRecorder()
	q, err := Open(t.Context(), Options{RedisURL: r.url(), Logger: slog.New(slog.NewTextHandler(log, nil))})
	must(t, err)
	must(t, q.Start(h))
	defer q.Stop(context.Background())
	waitUntilWorking(t, q, h, "before")
	r.kill()
	eventually(t, "the session is abandoned", func() bool { return q.current() == nil })
	r.start()
	waitUntilWorking(t, q, h, "after")
	text := log.String()
	if n := strings.Count(text, "level=WARN"); n < 1 || n > 5 {
		t.Errorf("%d warnings for one outage, want 1 to 5:\n%s", n, text)
	}
	for _, want := range []string{"queue server does not accept tasks", "queue is running"} {
		if !strings.Contains(text, want) {
			t.Errorf("the log does not contain %q:\n%s", want, text)
		}
	}
}
