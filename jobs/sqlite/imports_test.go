package sqlite

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"shotline/jobs"
)

// TestOpenedAlthoughItsCallerGaveUp: an import that is told to have failed
// must not leave an open batch.
func TestOpenedAlthoughItsCallerGaveUp(t *testing.T) {
	t.Parallel()
	s := openAt(t, filepath.Join(t.TempDir(), "a.db"))
	must(t, s.CreateBatch(t.Context(), jobs.BatchSpec{ID: "b1"}, noon))
	must(t, s.AppendRequests(t.Context(), "b1", requests(1, 3), noon))
	release := block(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	opened := make(chan error, 1)
	go func() {
		_, err := s.OpenBatch(ctx, "b1", noon)
		opened <- err
	}()
	waitFor(t, s, 1)
	canceled := make(chan error, 1)
	go func() { // in the transaction of the opening
		canceled <- s.write(t.Context(), func(*tx) error { cancel(); return nil })
	}()
	waitFor(t, s, 2)
	release()
	must(t, <-canceled)
	err := <-opened
	b, readErr := s.Batch(t.Context(), "b1")
	must(t, readErr)
	if err != nil || b.State != jobs.BatchOpen {
		t.Errorf("opening returned %v, the batch is %s", err, b.State)
	}
}

// TestHalfRemovedImportIsNotOpened: an import that looked stale goes on while
// its rows are being removed.
func TestHalfRemovedImportIsNotOpened(t *testing.T) {
	t.Parallel()
	s := openAt(t, filepath.Join(t.TempDir(), "a.db"))
	must(t, s.CreateBatch(t.Context(), jobs.BatchSpec{ID: "b1"}, noon))
	must(t, s.AppendRequests(t.Context(), "b1", requests(1, importChunk+1), noon))
	must(t, s.writeAlone(t.Context(), func(tx *tx) error {
		if gone, err := tx.removeRows("b1"); gone || err != nil {
			t.Errorf("removed all at once: %t, %v", gone, err)
		}
		return nil
	}))
	if _, err := s.OpenBatch(t.Context(), "b1", noon); !errors.Is(err, jobs.ErrState) {
		t.Errorf("opened what is being removed: %v", err)
	}
	if err := s.AppendRequests(t.Context(), "b1", requests(1, 1), noon); !errors.Is(err, jobs.ErrState) {
		t.Errorf("appended to what is being removed: %v", err)
	}
	must(t, s.RemoveImport(t.Context(), "b1"))
	if _, err := s.Batch(t.Context(), "b1"); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// TestAnImportThatWasRemovedMarksNoStrangersRows: its place is the next batch's.
func TestAnImportThatWasRemovedMarksNoStrangersRows(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.db")
	const rows = 2*importChunk + 2
	other := openAt(t, path)
	var afterCommit func()
	s := openAt(t, path, WithCommitHook(func(committed bool) error {
		if do := afterCommit; committed && do != nil {
			afterCommit = nil
			do()
		}
		return nil
	}))
	must(t, s.CreateBatch(t.Context(), jobs.BatchSpec{ID: "slow"}, noon))
	same := requests(1, rows)
	for i := range same {
		same[i].URL = same[0].URL
	}
	must(t, s.AppendRequests(t.Context(), "slow", same, noon))
	afterCommit = func() { // that of the first chunk of duplicates
		must(t, other.RemoveImport(t.Context(), "slow"))
		fill(t, other, "stranger", rows)
	}
	if _, err := s.OpenBatch(t.Context(), "slow", noon); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("opened what was removed: %v", err)
	}
	if afterCommit != nil {
		t.Fatal("nothing was marked")
	}
	b, err := other.Batch(t.Context(), "stranger")
	must(t, err)
	if b.Counts.Of(jobs.Duplicate) != 0 || b.Counts.Of(jobs.Queued) != rows {
		t.Errorf("the next batch has %d duplicates and %d queued rows, want 0 and %d", b.Counts.Of(jobs.Duplicate), b.Counts.Of(jobs.Queued), rows)
	}
}
