package sqlite

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/mattn/go-sqlite3"

	"shotline/jobs"
)

// poison makes applying fail if one of the places is in the range.
func poison(s *Store, places ...int64) {
	s.failApply = func(first, last int64) error {
		for _, place := range places {
			if first <= place && place <= last {
				return fmt.Errorf("delivery %d is poison", place)
			}
		}
		return nil
	}
}

// deliverAll appends a delivery with the outcome done for each row of a batch.
func deliverAll(t *testing.T, s *Store, batch string, n int) {
	t.Helper()
	for row := range n {
		_, err := s.AppendDelivery(t.Context(), delivery(fmt.Sprintf("%s-%d", batch, row+1), jobs.OutcomeDone))
		must(t, err)
	}
}

func asideSeqs(t *testing.T, s *Store) (seqs []int64) {
	t.Helper()
	page, _, err := s.Deliveries(t.Context(), 0, 1000)
	must(t, err)
	for _, d := range page {
		if d.Disposition == jobs.DispositionAside {
			if want := fmt.Sprintf("delivery %d is poison", d.Seq); d.AsideError != want {
				t.Errorf("error of a delivery put aside: got %q, want %q", d.AsideError, want)
			}
			seqs = append(seqs, d.Seq)
		}
	}
	return seqs
}

func TestPoisonIsPutAside(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		places []int64
	}{
		{"first", []int64{1}},
		{"last", []int64{20}},
		{"in the middle", []int64{11}},
		{"several", []int64{3, 4, 17}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := openAt(t, filepath.Join(t.TempDir(), "a.db"))
			fill(t, s, "b1", 20)
			submit(t, s, "b1", 20)
			deliverAll(t, s, "b1", 20)
			poison(s, tt.places...)
			applied, err := s.ApplyInbox(t.Context(), noon.Add(time.Minute), 100)
			must(t, err)
			bad := len(tt.places)
			if applied.Read != 20 || applied.Aside != bad || len(applied.Closed) != 20-bad || applied.More {
				t.Errorf("read %d, aside %d, closed %d, more %t", applied.Read, applied.Aside, len(applied.Closed), applied.More)
			}
			if got := asideSeqs(t, s); fmt.Sprint(got) != fmt.Sprint(tt.places) {
				t.Errorf("put aside: got %v, want %v", got, tt.places)
			}
		})
	}
}

// TestOnePoisonIsPutAsideOnce lets two processes find the same poisoned delivery.
// The slower one must not put aside the delivery after it.
func TestOnePoisonIsPutAsideOnce(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	slow, quick := openAt(t, path), openAt(t, path)
	fill(t, slow, "b1", 2)
	submit(t, slow, "b1", 2)
	deliverAll(t, slow, "b1", 2)
	poison(slow, 1)
	poison(quick, 1)
	err := slow.writeAlone(t.Context(), func(tx *tx) error {
		_, err := slow.applyNext(tx, noon, 1)
		return err
	})
	var failed *applyError
	if !errors.As(err, &failed) {
		t.Fatalf("got %v", err)
	}
	_, err = quick.ApplyInbox(t.Context(), noon, 1)
	must(t, err)
	_, err = slow.putAside(t.Context(), failed)
	must(t, err)
	_, err = slow.ApplyInbox(t.Context(), noon, 100)
	must(t, err)
	if got := asideSeqs(t, slow); fmt.Sprint(got) != "[1]" {
		t.Errorf("put aside: got %v, want [1]", got)
	}
}

func TestPoisonDoesNotStopACloser(t *testing.T) {
	t.Parallel()
	s := openAt(t, filepath.Join(t.TempDir(), "a.db"))
	fill(t, s, "b1", 3)
	submit(t, s, "b1", 3)
	deliverAll(t, s, "b1", 2)
	poison(s, 1)
	effects, err := s.CloseJobs(t.Context(), []jobs.Closing{{
		Job: jobs.ID{Batch: "b1", Row: 3}, From: []jobs.State{jobs.Pending}, To: jobs.TimedOut, By: jobs.ByDeadline,
	}}, noon.Add(time.Hour))
	must(t, err)
	if len(effects.Closed) != 2 || fmt.Sprint(asideSeqs(t, s)) != "[1]" {
		t.Errorf("closed %v, aside %v", effects.Closed, asideSeqs(t, s))
	}
}

func TestNothingIsPutAsideForADiskFault(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]error{
		"unavailable":            fmt.Errorf("%w: disk full", jobs.ErrUnavailable),
		"false report of damage": sqlite3.Error{Code: sqlite3.ErrCorrupt},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openAt(t, filepath.Join(t.TempDir(), "a.db"))
			fill(t, s, "b1", 4)
			submit(t, s, "b1", 4)
			deliverAll(t, s, "b1", 4)
			s.failApply = func(int64, int64) error { return fault }
			if _, err := s.ApplyInbox(t.Context(), noon, 100); !errors.Is(err, jobs.ErrUnavailable) || errors.Is(err, jobs.ErrCorrupt) {
				t.Errorf("got %v", err)
			}
			s.failApply = nil
			var applied jobs.Applied
			must(t, untilChecked(t, func() (err error) {
				applied, err = s.ApplyInbox(t.Context(), noon.Add(time.Minute), 100)
				return err
			}))
			if len(applied.Closed) != 4 {
				t.Errorf("closed %d jobs after the fault, want 4", len(applied.Closed))
			}
		})
	}
}

func TestNewestDeliveryCannotBeDeleted(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	s := openAt(t, path)
	for range 3 {
		_, err := s.AppendDelivery(t.Context(), delivery("1", jobs.OutcomeDone))
		must(t, err)
	}
	db := raw(t, path)
	if _, err := db.Exec(`DELETE FROM inbox`); err == nil {
		t.Error("the newest delivery was deleted, so its place could be reused")
	}
	execute(t, db, `DELETE FROM inbox WHERE seq < 3`)
	seq, err := s.AppendDelivery(t.Context(), delivery("1", jobs.OutcomeDone))
	if err != nil || seq != 4 {
		t.Errorf("got place %d, %v, want 4", seq, err)
	}
}
