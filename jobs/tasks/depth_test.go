package tasks

import (
	"context"
	"errors"
	"syscall"
	"testing"
	"time"

	"github.com/hibiken/asynq"
)

// depths returns the depths of the tasks and of the callbacks.
func depths(t *testing.T, q *Queue) (tasks, callbacks Depth) {
	t.Helper()
	found, err := q.Depths(t.Context())
	must(t, err)
	if len(found) != 2 || found[0].Queue != "tasks" || found[1].Queue != "callbacks" {
		t.Fatalf("got %+v", found)
	}
	return found[0], found[1]
}

// TestDepthsAgreeWithAsynq compares the depths with those of asynq's own
// inspector.
func TestDepthsAgreeWithAsynq(t *testing.T) {
	servers(t, func(t *testing.T, url string) {
		h := newRecorder()
		hold := make(chan struct{})
		h.do = func(context.Context, string) error { <-hold; return nil }
		d := newDeliverer()
		d.do = func(context.Context, int64) error { return later(time.Hour) }
		q, err := Open(t.Context(), Options{RedisURL: url, Logger: discard(), Concurrency: 1})
		must(t, err)
		q.HandleCallbacks(d)
		t.Cleanup(func() { close(hold); must(t, q.Stop(context.Background())) })
		tasks, callbacks := depths(t, q)
		if tasks.Tasks["pending"] != 0 || tasks.Oldest != 0 || callbacks.Oldest != 0 {
			t.Errorf("empty queue: got %+v, %+v", tasks, callbacks)
		}

		must(t, q.EnqueueSubmit(t.Context(), "active", 1, time.Time{}))
		must(t, q.Start(h))
		h.next(t)
		began := time.Now()
		for _, batch := range []string{"b1", "b2", "b3"} {
			must(t, q.EnqueueSubmit(t.Context(), batch, 1, time.Time{}))
		}
		for generation := range int64(2) {
			must(t, q.EnqueueDeadlines(t.Context(), time.Now().Add(time.Hour), generation))
		}
		must(t, q.EnqueueCallback(t.Context(), 1, 1, "lane"))
		d.next(t)
		eventually(t, "the callback waits to be tried again", func() bool {
			_, callbacks = depths(t, q)
			return callbacks.Tasks["retry"] == 1
		})

		tasks, callbacks = depths(t, q)
		if bound := time.Since(began); tasks.Oldest <= 0 || tasks.Oldest > bound || callbacks.Oldest != 0 {
			t.Errorf("oldest pending tasks: got %v and %v, want more than 0 and at most %v, and 0", tasks.Oldest, callbacks.Oldest, bound)
		}
		if tasks.Tasks["active"] != 1 || tasks.Tasks["pending"] != 3 || tasks.Tasks["scheduled"] != 2 {
			t.Errorf("got %+v", tasks)
		}
		inspector := asynq.NewInspectorFromRedisClient(q.current().redis)
		for name, got := range map[string]Depth{q.name: tasks, q.callbackQueue(): callbacks} {
			info, err := inspector.GetQueueInfo(name)
			must(t, err)
			for state, want := range map[string]int{
				"pending": info.Pending, "active": info.Active, "scheduled": info.Scheduled, "retry": info.Retry, "archived": info.Archived,
			} {
				if got.Tasks[state] != int64(want) {
					t.Errorf("%s: got %d %s tasks, asynq reports %d", name, got.Tasks[state], state, want)
				}
			}
		}
	})
}

func TestDepthsDuringAnOutage(t *testing.T) {
	t.Parallel()
	r := newRedis(t).start()
	q := open(t, r.url(), nil)
	depths(t, q)
	check := func(name string) {
		t.Helper()
		if found, err := q.Depths(t.Context()); !errors.Is(err, ErrUnavailable) {
			t.Errorf("%s: got %+v, %v, want ErrUnavailable", name, found, err)
		}
	}
	r.signal(syscall.SIGSTOP)
	check("hanging server")
	r.signal(syscall.SIGCONT)
	r.kill()
	check("killed server")
	must(t, q.Stop(t.Context()))
	check("stopped queue")
}
