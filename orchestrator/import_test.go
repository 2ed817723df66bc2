package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"shotline/jobs"
)

// brokenRows is an input that tears after some rows.
type brokenRows struct{ rows int }

func (b *brokenRows) Next() (jobs.Request, error) {
	if b.rows == 0 {
		return jobs.Request{}, errors.New("torn")
	}
	b.rows--
	return jobs.Request{Line: 1, URL: fmt.Sprintf("https://a.test/%d", b.rows)}, nil
}

func TestFailedImportLeavesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, err := Import(r.ctx(), r.store, jobs.BatchSpec{ID: rigBatch}, &brokenRows{rows: 2500}, r.clock, nil)
	if err == nil || !strings.Contains(err.Error(), "torn") {
		t.Fatalf("import returned %v, want the reader's error", err)
	}
	if _, err := r.store.Batch(r.ctx(), rigBatch); err == nil {
		t.Error("half a batch stayed")
	}
}

// slowRows is an input whose second row takes a while.
type slowRows struct {
	rows int
	wait func()
}

func (s *slowRows) Next() (jobs.Request, error) {
	s.rows++
	switch s.rows {
	case 1:
		return jobs.Request{Line: 1, URL: "https://a.test/1"}, nil
	case 2:
		s.wait()
		return jobs.Request{Line: 2, URL: "https://a.test/2"}, nil
	default:
		return jobs.Request{}, io.EOF
	}
}

// touched tells of appends without a row.
type touched struct {
	jobs.Imports
	done chan error
}

func (s *touched) AppendRequests(ctx context.Context, batch string, rows []jobs.Request, at time.Time) error {
	err := s.Imports.AppendRequests(ctx, batch, rows, at)
	if len(rows) == 0 {
		s.done <- err
	}
	return err
}

func TestAnImportThatWaitsForItsInputIsNotLeftHalfWay(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	beat, store := make(chan time.Time), &touched{r.store, make(chan error)}
	rows := &slowRows{wait: func() {
		for range 3 {
			r.clock.advance(staleImport - time.Second)
			beat <- time.Time{}
			r.must(<-store.done)
			r.sweep()
		}
	}}
	b, err := importAlive(r.ctx(), store, jobs.BatchSpec{ID: rigBatch}, rows, r.clock, nil, beat)
	r.must(err)
	if b.Counts.Rows != 2 {
		t.Errorf("%d rows, want 2", b.Counts.Rows)
	}
	if _, err := r.store.Batch(r.ctx(), rigBatch); err != nil {
		t.Error(err)
	}
}
