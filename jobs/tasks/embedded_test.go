package tasks

import (
	"testing"
	"time"
)

func TestEmbeddedServerIsReplaced(t *testing.T) {
	t.Parallel()
	h := newRecorder()
	q := open(t, "", h)
	waitUntilWorking(t, q, h, "before")
	e := q.embedded
	e.mu.Lock()
	old := e.server
	e.left = 1
	e.mu.Unlock()
	must(t, q.EnqueueSubmit(t.Context(), "the last, or lost", 1, time.Time{}))
	eventually(t, "the server was replaced", func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.server != old
	})
	waitUntilWorking(t, q, h, "after")
}
