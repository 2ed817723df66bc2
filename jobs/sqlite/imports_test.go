package sqlite

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"shotline/jobs"
)

// TestCancellationDuringOpenBatch cancels the context in the transaction that
// opens the batch. If OpenBatch returned an error although the batch is open, the
// caller would treat the import as failed.
func TestCancellationDuringOpenBatch(t *testing.T) {
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
	go func() { // runs in the transaction that opens the batch
		canceled <- s.write(t.Context(), func(*tx) error { cancel(); return nil })
	}()
	waitFor(t, s, 2)
	release()
	must(t, <-canceled)
	err := <-opened
	b, readErr := s.Batch(t.Context(), "b1")
	must(t, readErr)
	if err != nil || b.State != jobs.BatchOpen {
		t.Errorf("OpenBatch returned %v, the batch is %s", err, b.State)
	}
}

// TestHalfRemovedImportIsNotOpened continues an import while its rows are being
// removed because it seemed stale.
func TestHalfRemovedImportIsNotOpened(t *testing.T) {
	t.Parallel()
	s := openAt(t, filepath.Join(t.TempDir(), "a.db"))
	must(t, s.CreateBatch(t.Context(), jobs.BatchSpec{ID: "b1"}, noon))
	must(t, s.AppendRequests(t.Context(), "b1", requests(1, importChunk+1), noon))
	must(t, s.writeAlone(t.Context(), func(tx *tx) error {
		if all, err := tx.removeRows("b1"); all || err != nil {
			t.Errorf("first step: all rows removed: %t, %v", all, err)
		}
		return nil
	}))
	if _, err := s.OpenBatch(t.Context(), "b1", noon); !errors.Is(err, jobs.ErrState) {
		t.Errorf("open during the removal: %v", err)
	}
	if err := s.AppendRequests(t.Context(), "b1", requests(1, 1), noon); !errors.Is(err, jobs.ErrState) {
		t.Errorf("append during the removal: %v", err)
	}
	must(t, s.RemoveImport(t.Context(), "b1"))
	if _, err := s.Batch(t.Context(), "b1"); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// TestRemovedImportDoesNotMarkOtherRows removes an import while it marks
// duplicates. The next batch gets its place, and rows of that batch must not be
// marked.
func TestRemovedImportDoesNotMarkOtherRows(t *testing.T) {
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
	afterCommit = func() { // after the first chunk of duplicates
		must(t, other.RemoveImport(t.Context(), "slow"))
		fill(t, other, "next", rows)
	}
	if _, err := s.OpenBatch(t.Context(), "slow", noon); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("open after the removal: %v", err)
	}
	if afterCommit != nil {
		t.Fatal("no duplicates were marked")
	}
	b, err := other.Batch(t.Context(), "next")
	must(t, err)
	if b.Counts.Of(jobs.Duplicate) != 0 || b.Counts.Of(jobs.Queued) != rows {
		t.Errorf("the next batch has %d duplicates and %d queued rows, want 0 and %d", b.Counts.Of(jobs.Duplicate), b.Counts.Of(jobs.Queued), rows)
	}
}
