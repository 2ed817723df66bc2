package sqlite

import (
	"path/filepath"
	"testing"
	"time"

	"shotline/jobs"
)

// TestPruneLimitsBytes checks that one transaction removes a limited number of
// bytes, so that webhooks do not have to wait long.
func TestPruneLimitsBytes(t *testing.T) {
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
		t.Errorf("first page: last %d, removable %t, old %t, want 2, true, true", last, removable, old)
	}
	removed, err := s.prune(t.Context(), noted)
	must(t, err)
	if removed != n-1 {
		t.Errorf("removed %d deliveries, want all %d except the newest", removed, n)
	}
}
