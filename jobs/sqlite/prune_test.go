package sqlite

import (
	"path/filepath"
	"testing"
	"time"

	"shotline/jobs"
)

// TestPruningTakesLargeBodiesAFewAtATime: what one transaction removes is
// bounded in bytes, so that no webhook waits for it.
func TestPruningTakesLargeBodiesAFewAtATime(t *testing.T) {
	t.Parallel()
	s := openAt(t, filepath.Join(t.TempDir(), "a.db"))
	const n, size = 5, pruneBytes / 2
	for range n {
		_, err := s.AppendDelivery(t.Context(), jobs.Delivery{ReceivedAt: time.UnixMilli(1000), Event: "upload", Body: make([]byte, size)})
		must(t, err)
	}
	_, err := s.ApplyInbox(t.Context(), time.UnixMilli(2000), n)
	must(t, err)
	noted := pruning{pageUnapplied, removeUnapplied, []any{string(jobs.DispositionNoted), 0, 2000}}
	last, removable, old, err := s.prunePage(t.Context(), noted, 0)
	must(t, err)
	if last != 2 || !removable || !old {
		t.Errorf("the first page ends at %d, has to go: %t, is old: %t; want two deliveries that do", last, removable, old)
	}
	removed, err := s.prune(t.Context(), noted)
	must(t, err)
	if removed != n-1 {
		t.Errorf("%d deliveries were removed, want all but the newest of %d", removed, n)
	}
}
