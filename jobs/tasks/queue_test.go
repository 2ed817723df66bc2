package tasks

import (
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"go.uber.org/goleak"
)

// TestMain runs many tests in parallel on every machine, because they mostly
// wait. It also checks for leaked goroutines.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// call is one call of a recorder.
type call struct {
	kind  string
	batch string
	at    time.Time
}

// recorder is a Handler that sends each call to a channel and then calls do.
type recorder struct {
	calls chan call
	do    func(ctx context.Context, batch string) error
}

func newRecorder() *recorder {
	return &recorder{calls: make(chan call, 100), do: func(context.Context, string) error { return nil }}
}

func (r *recorder) SubmitBatch(ctx context.Context, batch string) error {
	r.calls <- call{kind: TypeSubmit, batch: batch, at: time.Now()}
	return r.do(ctx, batch)
}

func (r *recorder) CheckDeadlines(ctx context.Context) error {
	r.calls <- call{kind: TypeDeadlines, at: time.Now()}
	return r.do(ctx, "")
}

func (r *recorder) SummarizeBatch(ctx context.Context, batch string) error {
	r.calls <- call{kind: TypeSummary, batch: batch, at: time.Now()}
	return r.do(ctx, batch)
}

func (r *recorder) next(t *testing.T) call {
	t.Helper()
	select {
	case c := <-r.calls:
		return c
	case <-time.After(15 * time.Second):
		t.Fatal("no task arrived")
		return call{}
	}
}

func discard() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// open opens a queue that is stopped when the test ends.
func open(t *testing.T, url string, h Handler) *Queue {
	t.Helper()
	q, err := Open(t.Context(), Options{RedisURL: url, Logger: discard()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := q.Stop(ctx); err != nil {
			t.Error(err)
		}
	})
	if h != nil {
		if err := q.Start(h); err != nil {
			t.Fatal(err)
		}
	}
	return q
}

// servers runs a test with each type of queue server.
func servers(t *testing.T, test func(t *testing.T, url string)) {
	t.Parallel()
	t.Run("embedded", func(t *testing.T) { t.Parallel(); test(t, "") })
	t.Run("redis", func(t *testing.T) { t.Parallel(); test(t, newRedis(t).start().url()) })
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestTasksArrive(t *testing.T) {
	servers(t, func(t *testing.T, url string) {
		h := newRecorder()
		q := open(t, url, h)
		must(t, q.EnqueueSubmit(t.Context(), "b1", 1, time.Time{}))
		if c := h.next(t); c.kind != TypeSubmit || c.batch != "b1" {
			t.Errorf("got %+v", c)
		}
		must(t, q.EnqueueSummary(t.Context(), "b2", 7, 1))
		if c := h.next(t); c.kind != TypeSummary || c.batch != "b2" {
			t.Errorf("got %+v", c)
		}
		must(t, q.EnqueueDeadlines(t.Context(), time.Now().Add(-time.Minute), 1))
		if c := h.next(t); c.kind != TypeDeadlines {
			t.Errorf("got %+v", c)
		}
	})
}

func TestBatchesThatShareATaskAreSubmittedTogether(t *testing.T) {
	servers(t, func(t *testing.T, url string) {
		h := newRecorder()
		var together sync.WaitGroup
		together.Add(3)
		h.do = func(context.Context, string) error { together.Done(); together.Wait(); return nil }
		q := open(t, url, h)
		must(t, q.EnqueueSubmits(t.Context(), nil, 1))
		must(t, q.EnqueueSubmits(t.Context(), []string{"a", "b", "c"}, 1))
		var got []string
		for range 3 {
			got = append(got, h.next(t).batch)
		}
		if slices.Sort(got); !slices.Equal(got, []string{"a", "b", "c"}) {
			t.Errorf("got %q", got)
		}
	})
}

func TestBatchesThatShareATaskAreSummarizedInTurn(t *testing.T) {
	servers(t, func(t *testing.T, url string) {
		h := newRecorder()
		q := open(t, url, h)
		must(t, q.EnqueueSummaries(t.Context(), nil, 1))
		must(t, q.EnqueueSummaries(t.Context(), []string{"a", "b", "c"}, 1))
		for _, want := range []string{"a", "b", "c"} {
			if c := h.next(t); c.kind != TypeSummary || c.batch != want {
				t.Errorf("got %+v, want the summary of %s", c, want)
			}
		}
	})
}

func TestTaskIsRetriedIfOneOfItsBatchesFails(t *testing.T) {
	t.Parallel()
	h := newRecorder()
	h.do = func(_ context.Context, batch string) error {
		if batch == "b" {
			return errors.New("locked")
		}
		return nil
	}
	q := open(t, "", h)
	must(t, q.EnqueueSubmits(t.Context(), []string{"a", "b"}, 1))
	for range 2 * (1 + maxRetry) {
		h.next(t)
	}
}

func TestSameGenerationIsOneTask(t *testing.T) {
	servers(t, func(t *testing.T, url string) {
		h := newRecorder()
		hold := make(chan struct{})
		h.do = func(context.Context, string) error { <-hold; return nil }
		q := open(t, url, h)
		must(t, q.EnqueueSubmit(t.Context(), "b", 1, time.Time{}))
		h.next(t)
		// The id is in use while the task runs, but the next generation can run.
		must(t, q.EnqueueSubmit(t.Context(), "b", 1, time.Time{}))
		must(t, q.EnqueueSubmit(t.Context(), "b", 2, time.Time{}))
		h.next(t)
		close(hold)
		// Tasks run in order, so a repeated task would run before this one.
		must(t, q.EnqueueSubmit(t.Context(), "last", 1, time.Time{}))
		if c := h.next(t); c.batch != "last" {
			t.Errorf("an id in use was queued again: got %+v", c)
		}
	})
}

func TestIDCanBeReusedAfterItsTask(t *testing.T) {
	servers(t, func(t *testing.T, url string) {
		h := newRecorder()
		q := open(t, url, h)
		for range 2 {
			eventually(t, "the id can be used again", func() bool {
				must(t, q.EnqueueSubmit(t.Context(), "b", 1, time.Time{}))
				select {
				case <-h.calls:
					return true
				case <-time.After(300 * time.Millisecond):
					return false
				}
			})
		}
	})
}

func TestScheduledTasksAreNeverEarly(t *testing.T) {
	servers(t, func(t *testing.T, url string) {
		h := newRecorder()
		q := open(t, url, h)
		bucket := time.Now().Add(1100 * time.Millisecond)
		must(t, q.EnqueueDeadlines(t.Context(), bucket, 1))
		if c := h.next(t); c.at.Before(bucket) || c.at.Sub(bucket) > 5*time.Second {
			t.Errorf("ran %v after the scheduled time", c.at.Sub(bucket))
		}
	})
}

func TestFailedTaskIsRetriedAndThenDropped(t *testing.T) {
	servers(t, func(t *testing.T, url string) {
		h := newRecorder()
		h.do = func(context.Context, string) error { return errors.New("locked") }
		q := open(t, url, h)
		must(t, q.EnqueueSummary(t.Context(), "b", 1, 1))
		for range 1 + maxRetry {
			h.next(t)
		}
		inspector := asynq.NewInspectorFromRedisClient(q.current().redis)
		eventually(t, "the task is deleted, also from the archive", func() bool {
			info, err := inspector.GetQueueInfo(q.name)
			must(t, err)
			return info.Size == 0 && info.Archived == 0
		})
	})
}

func TestUnknownTaskIsDropped(t *testing.T) {
	t.Parallel()
	h := newRecorder()
	q := open(t, "", h)
	for i, task := range []*asynq.Task{
		asynq.NewTask("batch:frobnicate", []byte(`{}`), asynq.Queue(q.name)),
		asynq.NewTask(TypeSubmit, []byte(`not json`), asynq.Queue(q.name)),
	} {
		if _, err := q.current().client.Enqueue(task); err != nil {
			t.Fatal(i, err)
		}
	}
	inspector := asynq.NewInspectorFromRedisClient(q.current().redis)
	eventually(t, "both are deleted", func() bool {
		info, err := inspector.GetQueueInfo(q.name)
		must(t, err)
		return info.Size == 0
	})
	if len(h.calls) != 0 {
		t.Errorf("handler was called: %+v", <-h.calls)
	}
}

func TestStopWaitsForHandlers(t *testing.T) {
	servers(t, func(t *testing.T, url string) {
		h := newRecorder()
		release, finished := make(chan struct{}), make(chan struct{})
		h.do = func(ctx context.Context, _ string) error {
			<-release
			if ctx.Err() != nil {
				t.Error("the handler was canceled too early")
			}
			close(finished)
			return nil
		}
		q := open(t, url, h)
		must(t, q.EnqueueSubmit(t.Context(), "b", 1, time.Time{}))
		h.next(t)
		stopped := make(chan error)
		go func() { stopped <- q.Stop(context.Background()) }()
		eventually(t, "enqueueing fails", func() bool {
			return errors.Is(q.EnqueueSubmit(t.Context(), "b", 2, time.Time{}), ErrUnavailable)
		})
		select {
		case <-stopped:
			t.Fatal("Stop did not wait")
		default:
		}
		close(release)
		must(t, <-stopped)
		select {
		case <-finished:
		default:
			t.Error("Stop returned before the handler")
		}
	})
}

func TestStopReturnsUnfinishedTasks(t *testing.T) {
	t.Parallel()
	url := newRedis(t).start().url()
	h := newRecorder()
	h.do = func(ctx context.Context, _ string) error { <-ctx.Done(); return ctx.Err() }
	q := open(t, url, h)
	must(t, q.EnqueueSubmit(t.Context(), "b", 1, time.Time{}))
	h.next(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	must(t, q.Stop(ctx))

	second := newRecorder()
	open(t, url, second)
	if c := second.next(t); c.batch != "b" {
		t.Errorf("got %+v", c)
	}
}

func TestStopReportsHandlersThatDoNotReturn(t *testing.T) {
	t.Parallel()
	h := newRecorder()
	release := make(chan struct{})
	h.do = func(context.Context, string) error { <-release; return nil }
	q, err := Open(t.Context(), Options{Logger: discard()})
	must(t, err)
	must(t, q.Start(h))
	must(t, q.EnqueueSubmit(t.Context(), "b", 1, time.Time{}))
	h.next(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := q.Stop(ctx); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "did not return") {
		t.Errorf("got %v", err)
	}
	close(release)
	q.running.Wait()
}

func TestLifecycle(t *testing.T) {
	t.Parallel()
	q := open(t, "", newRecorder())
	if q.Describe() != "embedded queue" {
		t.Errorf("Describe: got %q", q.Describe())
	}
	must(t, q.Ping(t.Context()))
	if q.Start(newRecorder()) == nil {
		t.Error("Start succeeded twice")
	}
	must(t, q.Stop(t.Context()))
	must(t, q.Stop(t.Context()))
	if q.Start(newRecorder()) == nil {
		t.Error("Start succeeded after Stop")
	}
	if err := q.Ping(t.Context()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Ping after Stop: got %v", err)
	}
	idle, err := Open(t.Context(), Options{Logger: discard()})
	must(t, err)
	must(t, idle.Stop(t.Context()))
}
