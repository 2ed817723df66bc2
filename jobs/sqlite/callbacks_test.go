package sqlite

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"shotline/jobs"
)

// addCallbacks adds n callbacks to a sink.
func addCallbacks(t testing.TB, s *Store, sink string, n int) {
	t.Helper()
	place, err := s.OpenCursor(t.Context(), sink, noon)
	must(t, err)
	list := make([]jobs.Callback, n)
	for i := range list {
		list[i] = jobs.Callback{
			EventID: fmt.Sprint("evt_", i), Type: jobs.EventForeign, Event: int64(i + 1), Target: jobs.Target{Sink: sink}, Lane: sink,
			Body: []byte(webhookBody),
		}
	}
	moved, err := s.AddCallbacks(t.Context(), sink, place, place, list, noon)
	must(t, err)
	if !moved {
		t.Fatal("the cursor did not move")
	}
}

// TestDeliveredCallbacksKeepNoBody checks that only delivered callbacks lose
// their body. Dead ones keep it, since they can be replayed.
func TestDeliveredCallbacksKeepNoBody(t *testing.T) {
	t.Parallel()
	s := openAt(t, filepath.Join(t.TempDir(), "a.db"))
	addCallbacks(t, s, "a", 3)
	claimed, err := s.ClaimCallbacks(t.Context(), noon, noon.Add(time.Minute), 9, 9)
	must(t, err)
	for i, state := range jobs.CallbackStates {
		c, err := s.BeginCallback(t.Context(), claimed[i].Seq, claimed[i].Generation, noon, noon.Add(time.Minute))
		must(t, err)
		must(t, s.SettleCallback(t.Context(), c, jobs.CallbackEnd{State: state, DueAt: noon.Add(time.Hour)}, noon, noon))
	}
	must(t, s.read(t.Context(), func(row scanner) error {
		var state jobs.CallbackState
		var kept bool
		err := row.Scan(&state, &kept)
		if kept != (state != jobs.CallbackDelivered) {
			t.Errorf("state %s: body kept: %t", state, kept)
		}
		return err
	}, `SELECT state, body IS NOT NULL FROM callbacks`))
}

// TestEventScanIsLimited checks that a call of Events examines a limited number
// of events, even if none of them matches the filter.
func TestEventScanIsLimited(t *testing.T) {
	t.Parallel()
	s := openAt(t, filepath.Join(t.TempDir(), "a.db"))
	fill(t, s, "b1", 1)
	must(t, s.write(t.Context(), func(tx *tx) error {
		_, err := tx.exec(`INSERT INTO events (at, type, batch_seq, delivery) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?)
			SELECT 1, 'screenshot.foreign', 0, i FROM n`, 2*eventScan+10)
		return err
	}))
	for after, want := range map[int64]int64{0: eventScan, eventScan: 2 * eventScan, 2 * eventScan: 2*eventScan + 10, 2*eventScan + 10: 2*eventScan + 10} {
		page, upTo, err := s.Events(t.Context(), jobs.EventFilter{After: after, Batch: "b1"})
		must(t, err)
		if len(page) != 0 || upTo != want {
			t.Errorf("after %d: got %d events up to %d, want none up to %d", after, len(page), upTo, want)
		}
	}
}
