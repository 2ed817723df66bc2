package tasks

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
)

// wantStuck waits until the error of Ping contains all parts. Without parts, it
// waits until Ping returns nil.
func wantStuck(t *testing.T, q *Queue, parts ...string) {
	t.Helper()
	eventually(t, "the error of Ping contains "+strings.Join(parts, ", "), func() bool {
		err := q.Ping(t.Context())
		if len(parts) == 0 {
			return err == nil
		}
		if !errors.Is(err, ErrUnavailable) || strings.Contains(err.Error(), "\n") {
			return false
		}
		for _, part := range parts {
			if !strings.Contains(err.Error(), part) {
				return false
			}
		}
		return true
	})
}

func TestPausedQueueIsReported(t *testing.T) {
	servers(t, func(t *testing.T, url string) {
		h := newRecorder()
		q := open(t, url, h)
		waitUntilWorking(t, q, h, "before")
		inspector := asynq.NewInspectorFromRedisClient(q.current().redis)
		for _, name := range q.queues() {
			must(t, inspector.PauseQueue(name))
			wantStuck(t, q, "queue "+name+" is paused", `run "asynq queue unpause `+name+`"`, `delete the key "asynq:{`+name+`}:paused"`)
			must(t, q.EnqueueSubmit(t.Context(), "enqueued while paused "+name, 1, time.Time{}))
			must(t, inspector.UnpauseQueue(name))
			wantStuck(t, q)
			if c := h.next(t); c.batch != "enqueued while paused "+name {
				t.Errorf("got %+v", c)
			}
		}
	})
}

func TestArchivedTasksAreReported(t *testing.T) {
	servers(t, func(t *testing.T, url string) {
		q := open(t, url, nil)
		must(t, q.EnqueueSubmit(t.Context(), "b", 1, time.Time{}))
		must(t, q.EnqueueCallback(t.Context(), 1, 1, "l"))
		inspector := asynq.NewInspectorFromRedisClient(q.current().redis)
		for _, name := range q.queues() {
			n, err := inspector.ArchiveAllPendingTasks(name)
			must(t, err)
			if n != 1 {
				t.Fatalf("archived %d", n)
			}
		}
		wantStuck(t, q, "queue shotline has 1 archived task;", "queue shotline-callbacks has 1 archived task;",
			`run "asynq task deleteall --queue=shotline --state=archived"`)
		for _, name := range q.queues() {
			_, err := inspector.DeleteAllArchivedTasks(name)
			must(t, err)
		}
		wantStuck(t, q)
	})
}

// If something else has written to one of the keys, Ping names the key. The queue
// works again after the key was deleted.
func TestKeysOfAWrongTypeAreReported(t *testing.T) {
	t.Parallel()
	r := newRedis(t).start()
	h := newRecorder()
	q := open(t, r.url(), h)
	keys := []string{queuesKey}
	for _, queue := range q.queues() {
		for _, key := range queueKeys {
			keys = append(keys, queueKey(queue, key.name))
		}
	}
	for _, key := range keys {
		kind := "string"
		if strings.HasSuffix(key, ":paused") {
			kind = "list"
			r.send("RPUSH", key, "nonsense")
		} else {
			r.send("SET", key, "nonsense") // replaces any previous value
		}
		wantStuck(t, q, `key "`+key+`" has the type `+kind, "delete the key")
		r.send("DEL", key)
	}
	wantStuck(t, q)
	waitUntilWorking(t, q, h, "after")
	if n, err := r.admin.SCard(context.Background(), queuesKey).Result(); err != nil || n != 2 {
		t.Errorf("%d queues are registered (%v), want 2", n, err)
	}
}
