package tasks

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hibiken/asynq"
)

// attempt is one call of a deliverer.
type attempt struct {
	seq, generation int64
	lane            string
	at              time.Time
}

// deliverer is a Deliverer that sends each call to a channel and then calls do.
type deliverer struct {
	attempts chan attempt
	do       func(ctx context.Context, seq int64) error
}

func newDeliverer() *deliverer {
	return &deliverer{make(chan attempt, 100), func(context.Context, int64) error { return nil }}
}

func (d *deliverer) Deliver(ctx context.Context, seq, generation int64, lane string) error {
	d.attempts <- attempt{seq, generation, lane, time.Now()}
	return d.do(ctx, seq)
}

func (d *deliverer) next(t *testing.T) attempt {
	t.Helper()
	select {
	case a := <-d.attempts:
		return a
	case <-time.After(15 * time.Second):
		t.Fatal("no callback arrived")
		return attempt{}
	}
}

// openWith is like open with a Deliverer.
func openWith(t *testing.T, url string, h Handler, d Deliverer) *Queue {
	t.Helper()
	q := open(t, url, nil)
	q.HandleCallbacks(d)
	must(t, q.Start(h))
	return q
}

// later is an error that requests another run.
type later time.Duration

func (later) Error() string            { return "not now" }
func (l later) RetryIn() time.Duration { return time.Duration(l) }

func TestCallbacksArrive(t *testing.T) {
	servers(t, func(t *testing.T, url string) {
		d := newDeliverer()
		q := openWith(t, url, newRecorder(), d)
		must(t, q.EnqueueCallback(t.Context(), 7, 3, "sink:a"))
		if a := d.next(t); a.seq != 7 || a.generation != 3 || a.lane != "sink:a" {
			t.Errorf("got %+v", a)
		}
	})
}

func TestCallbackIsRepeatedIfItsHandlerRequestsIt(t *testing.T) {
	servers(t, func(t *testing.T, url string) {
		d := newDeliverer()
		tries := 0
		d.do = func(context.Context, int64) error {
			if tries++; tries <= maxRetry+2 { // more often than a failing task is retried
				return later(10 * time.Millisecond)
			}
			return nil
		}
		q := openWith(t, url, newRecorder(), d)
		must(t, q.EnqueueCallback(t.Context(), 1, 1, "l"))
		for range maxRetry + 3 {
			if a := d.next(t); a.seq != 1 || a.generation != 1 {
				t.Errorf("got %+v", a)
			}
		}
	})
}

func TestFailingCallbackIsDropped(t *testing.T) {
	t.Parallel()
	d := newDeliverer()
	d.do = func(context.Context, int64) error { return errors.New("locked") }
	q := openWith(t, "", newRecorder(), d)
	must(t, q.EnqueueCallback(t.Context(), 1, 1, "l"))
	for range 1 + maxRetry {
		d.next(t)
	}
	inspector := asynq.NewInspectorFromRedisClient(q.current().redis)
	eventually(t, "the task is deleted, also from the archive", func() bool {
		info, err := inspector.GetQueueInfo(q.callbackQueue())
		must(t, err)
		return info.Size == 0 && info.Archived == 0
	})
}

func TestHangingCallbacksDoNotDelayOtherTasks(t *testing.T) {
	servers(t, func(t *testing.T, url string) {
		h, d := newRecorder(), newDeliverer()
		release := make(chan struct{})
		d.do = func(context.Context, int64) error { <-release; return nil }
		q := openWith(t, url, h, d)
		for seq := range int64(CallbackSlots) + 1 {
			must(t, q.EnqueueCallback(t.Context(), seq, 1, "l"))
		}
		for range CallbackSlots {
			d.next(t)
		}
		must(t, q.EnqueueSubmit(t.Context(), "b", 1, time.Time{}))
		if c := h.next(t); c.batch != "b" {
			t.Errorf("got %+v", c)
		}
		if len(d.attempts) > 0 {
			t.Error("more callbacks are running than there are slots")
		}
		close(release)
		d.next(t)
	})
}

func TestStopReturnsAnUnfinishedCallback(t *testing.T) {
	t.Parallel()
	url := newRedis(t).start().url()
	d := newDeliverer()
	d.do = func(ctx context.Context, _ int64) error { <-ctx.Done(); return ctx.Err() }
	q := openWith(t, url, newRecorder(), d)
	must(t, q.EnqueueCallback(t.Context(), 5, 2, "l"))
	d.next(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	must(t, q.Stop(ctx))

	second := newDeliverer()
	openWith(t, url, newRecorder(), second)
	if a := second.next(t); a.seq != 5 || a.generation != 2 {
		t.Errorf("got %+v", a)
	}
}

func TestCallbacksSurviveAFlush(t *testing.T) {
	t.Parallel()
	r := newRedis(t).start()
	d := newDeliverer()
	q := openWith(t, r.url(), newRecorder(), d)
	must(t, q.EnqueueCallback(t.Context(), 1, 1, "l"))
	d.next(t)
	r.send("FLUSHALL")
	generation := int64(1)
	eventually(t, "callbacks arrive again", func() bool {
		generation++
		_ = q.EnqueueCallback(t.Context(), 1, generation, "l")
		select {
		case <-d.attempts:
			return true
		case <-time.After(300 * time.Millisecond):
			return false
		}
	})
}
