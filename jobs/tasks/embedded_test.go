package tasks

import (
	"testing"
	"time"
)

func TestEmbeddedServerIsRenewedBeforeItGrows(t *testing.T) {
	t.Parallel()
	h := newRecorder()
	q := open(t, "", h)
	comesBack(t, q, h, "before")
	e := q.embedded
	e.mu.Lock()
	old := e.server
	e.left = 1
	e.mu.Unlock()
	must(t, q.EnqueueSubmit(t.Context(), "the last, or lost", 1, time.Time{}))
	eventually(t, "the server is another one", func() bool {
		e.mu.Lock()
		defer e.mu.Unlock()
		return e.server != old
	})
	comesBack(t, q, h, "after")
}
