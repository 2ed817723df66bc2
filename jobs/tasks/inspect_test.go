package tasks

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hibiken/asynq"
)

// wantStuck waits until Ping tells all of these, or finds all well without any.
func wantStuck(t *testing.T, q *Queue, parts ...string) {
	t.Helper()
	eventually(t, "ping tells "+strings.Join(parts, ", "), func() bool {
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

func TestAPausedQueueIsTold(t *testing.T) {
	servers(t, func(t *testing.T, url string) {
		h := newRecorder()
		q := open(t, url, h)
		comesBack(t, q, h, "before")
		inspector := asynq.NewInspectorFromRedisClient(q.current().redis)
		for _, name := range q.queues() {
			must(t, inspector.PauseQueue(name))
			wantStuck(t, q, "queue "+name+" is paused", `run "asynq queue unpause `+name+`"`, `delete the key "asynq:{`+name+`}:paused"`)
			must(t, q.EnqueueSubmit(t.Context(), "taken all the same "+name, 1, time.Time{}))
			must(t, inspector.UnpauseQueue(name))
			wantStuck(t, q)
			if c := h.next(t); c.batch != "taken all the same "+name {
				t.Errorf("got %+v", c)
			}
		}
	})
}

func TestArchivedTasksAreTold(t *testing.T) {
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
		wantStuck(t, q, "1 tasks of queue shotline are archived", "1 tasks of queue shotline-callbacks are archived",
			`run "asynq task deleteall --queue=shotline --state=archived"`)
		for _, name := range q.queues() {
			_, err := inspector.DeleteAllArchivedTasks(name)
			must(t, err)
		}
		wantStuck(t, q)
	})
}

// A key that something else has written to is named, whichever it is, and the queue
// works again once it is gone.
func TestKeysOfAWrongTypeAreTold(t *testing.T) {
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
			r.send("SET", key, "nonsense") // whatever it held
		}
		wantStuck(t, q, `key "`+key+`" holds a `+kind, "delete the key")
		r.send("DEL", key)
	}
	wantStuck(t, q)
	comesBack(t, q, h, "after")
	if n, err := r.admin.SCard(context.Background(), queuesKey).Result(); err != nil || n != 2 {
		t.Errorf("%d queues are registered: %v", n, err)
	}
}
