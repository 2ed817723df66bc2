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

// keyed is one request for a batch, which makes it as batch.
func keyed(batch string) jobs.BatchSpec {
	return jobs.BatchSpec{ID: batch, Key: jobs.Key{Scope: "us", Name: "once", Hash: [32]byte{1}}}
}

func TestAKeyOutlivesTheProcessThatImports(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	again := func(batch string) (jobs.Batch, error) {
		return Import(r.ctx(), r.store, keyed(batch), &slowRows{wait: func() {}}, r.clock, nil)
	}
	r.must(r.store.CreateBatch(r.ctx(), keyed("killed"), r.clock.Now()))
	r.must(r.store.AppendRequests(r.ctx(), "killed", []jobs.Request{{Line: 1, URL: "https://a.test/1"}}, r.clock.Now()))
	r.clock.advance(leftImport - time.Second)
	var taken *jobs.KeyTakenError
	if _, err := again("second"); !errors.As(err, &taken) || taken.Batch != "killed" {
		t.Fatalf("error %v, want that the key is taken: the first may be alive", err)
	}
	r.clock.advance(2 * time.Second)
	b, err := again("third")
	r.must(err)
	if b.ID != "third" || b.Counts.Rows != 2 {
		t.Errorf("made %s with %d rows, want third with 2", b.ID, b.Counts.Rows)
	}
	if _, err := r.store.Batch(r.ctx(), "killed"); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("what was left half-way: error %v, want that it is gone", err)
	}
	r.clock.advance(time.Hour)
	if _, err := again("fourth"); !errors.As(err, &taken) || taken.Batch != "third" {
		t.Errorf("error %v, want that the key is that of the finished import", err)
	}
}

func TestAnImportThatWasTakenForDeadLeavesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	rows := &slowRows{wait: func() {
		r.clock.advance(leftImport + time.Second)
		_, err := Import(r.ctx(), r.store, keyed("heir"), &slowRows{wait: func() {}}, r.clock, nil)
		r.must(err)
	}}
	_, err := Import(r.ctx(), r.store, keyed("slow"), rows, r.clock, nil)
	if !errors.Is(err, jobs.ErrUnavailable) {
		t.Errorf("error %v, want one to try again after", err)
	}
	all, err := r.store.Batches(r.ctx(), "", 10)
	r.must(err)
	if len(all) != 1 || all[0].ID != "heir" || all[0].Counts.Rows != 2 {
		t.Errorf("there is %+v, want heir with two rows", all)
	}
}
