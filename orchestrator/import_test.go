package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
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
	ImportStore
	done chan error
}

func (s *touched) AppendRequests(ctx context.Context, batch string, rows []jobs.Request, at time.Time) error {
	err := s.ImportStore.AppendRequests(ctx, batch, rows, at)
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

// importKeyed imports two rows under the key of all.
func (r *rig) importKeyed(store ImportStore, batch string) (jobs.Batch, error) {
	return Import(r.ctx(), store, keyed(batch), &slowRows{wait: func() {}}, r.clock, nil)
}

// leaveKeyed is an import under the key of all whose process was killed.
func (r *rig) leaveKeyed(batch string) {
	r.t.Helper()
	r.must(r.store.CreateBatch(r.ctx(), keyed(batch), r.clock.Now()))
	r.must(r.store.AppendRequests(r.ctx(), batch, []jobs.Request{{Line: 1, URL: "https://a.test/1"}}, r.clock.Now()))
}

// wantOnly wants no batch but this, with two rows.
func (r *rig) wantOnly(batch string) {
	r.t.Helper()
	all, err := r.all.Batches(r.ctx(), "", 10)
	r.must(err)
	if len(all) != 1 || all[0].ID != batch || all[0].State != jobs.BatchOpen || all[0].Counts.Rows != 2 {
		r.t.Errorf("there is %+v, want %s with two rows, open", all, batch)
	}
}

// wantTaken wants the key to have made a batch.
func (r *rig) wantTaken(err error, batch string) {
	r.t.Helper()
	var taken *jobs.KeyTakenError
	if !errors.As(err, &taken) || taken.Batch != batch {
		r.t.Errorf("error %v, want that the key is that of %s", err, batch)
	}
}

func TestAKeyOutlivesTheProcessThatImports(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.leaveKeyed("killed")
	r.clock.advance(14 * time.Second)
	_, err := r.importKeyed(r.store, "second")
	r.wantTaken(err, "killed") // it may be alive
	r.clock.advance(2 * time.Second)

	foreign := keyed("foreign")
	foreign.Key.Hash = [32]byte{2}
	_, err = Import(r.ctx(), r.store, foreign, &slowRows{wait: func() {}}, r.clock, nil)
	r.wantTaken(err, "killed")
	_, err = r.importKeyed(r.store, "killed") // which, if alive, could not tell it from its own
	r.wantTaken(err, "killed")

	_, err = r.importKeyed(r.store, "third")
	r.must(err)
	r.wantOnly("third")
	r.clock.advance(time.Hour)
	_, err = r.importKeyed(r.store, "fourth")
	r.wantTaken(err, "third")
	r.wantOnly("third")
}

// raced has others do something right before a step.
type raced struct {
	ImportStore
	beforeList, beforeRemoval func()
}

func (s *raced) StaleImports(ctx context.Context, before time.Time) ([]string, error) {
	s.beforeList()
	return s.ImportStore.StaleImports(ctx, before)
}

func (s *raced) RemoveImport(ctx context.Context, batch string) error {
	s.beforeRemoval()
	return s.ImportStore.RemoveImport(ctx, batch)
}

func TestOfManyWhoAskAgainOneTakesThePlace(t *testing.T) {
	t.Parallel()
	for name, hook := range map[string]func(*raced, func()){
		"another before it looks":   func(s *raced, do func()) { s.beforeList = do },
		"another before it removes": func(s *raced, do func()) { s.beforeRemoval = do },
		"itself":                    func(*raced, func()) {},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.leaveKeyed("killed")
			r.clock.advance(16 * time.Second)
			store := &raced{r.store, func() {}, func() {}}
			want := "late"
			hook(store, func() {
				_, err := r.importKeyed(r.store, "first")
				r.must(err)
				want = "first"
			})
			_, err := r.importKeyed(store, "late")
			if want == "first" {
				r.wantTaken(err, want)
			} else {
				r.must(err)
			}
			r.wantOnly(want)
		})
	}
}

func TestAKeyThatIsFreedMeanwhileIsTaken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.leaveKeyed("fails")
	store := &raced{r.store, func() { r.must(r.store.RemoveImport(r.ctx(), "fails")) }, func() {}}
	_, err := r.importKeyed(store, "heir")
	r.must(err)
	r.wantOnly("heir")
}

func TestAnImportThatWasTakenForDeadLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{false, true} {
		r := newRig(t)
		rows := &slowRows{wait: func() {
			r.clock.advance(16 * time.Second)
			_, err := r.importKeyed(r.store, "heir")
			r.must(err)
		}}
		var source Requests = rows
		if fails {
			source = &tornRows{rows}
		}
		_, err := Import(r.ctx(), r.store, keyed("slow"), source, r.clock, nil)
		if errors.Is(err, jobs.ErrUnavailable) == fails || errors.Is(err, ErrInput) != fails || errors.Is(err, jobs.ErrNotFound) {
			t.Errorf("fails %t: error %v", fails, err)
		}
		r.wantOnly("heir")
	}
}

// tornRows end with an error.
type tornRows struct{ Requests }

func (t *tornRows) Next() (jobs.Request, error) {
	request, err := t.Requests.Next()
	if errors.Is(err, io.EOF) {
		err = errors.New("torn")
	}
	return request, err
}

// missingRows are in a place where there is nothing.
type missingRows struct{ rows int }

func (m *missingRows) Next() (jobs.Request, error) {
	if m.rows--; m.rows < 0 {
		return jobs.Request{}, fmt.Errorf("look there: %w", jobs.ErrNotFound)
	}
	return jobs.Request{Line: 1, URL: "https://a.test/1"}, nil
}

func TestWhatTheInputIsMissingIsNotTheImport(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, err := Import(r.ctx(), r.store, keyed("b"), &missingRows{importChunk + 1}, r.clock, nil)
	if !errors.Is(err, ErrInput) || errors.Is(err, jobs.ErrUnavailable) {
		t.Errorf("error %v, want the input's", err)
	}
	if _, err := r.store.Batch(r.ctx(), "b"); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("what stayed: error %v", err)
	}
}

// counted keeps nothing, and counts the appends without a row.
type counted struct {
	ImportStore
	empty atomic.Int32
}

func (*counted) CreateBatch(context.Context, jobs.BatchSpec, time.Time) error { return nil }
func (*counted) OpenBatch(context.Context, string, time.Time) (jobs.Batch, error) {
	return jobs.Batch{}, nil
}
func (s *counted) AppendRequests(_ context.Context, _ string, rows []jobs.Request, _ time.Time) error {
	if len(rows) == 0 {
		s.empty.Add(1)
	}
	return nil
}

func TestAnImportShowsInTimeThatItIsAlive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &counted{}
		rows := &slowRows{wait: func() {
			time.Sleep(14 * time.Second)
			if store.empty.Load() < 2 { // one may come late
				t.Errorf("it showed %d times that it is alive", store.empty.Load())
			}
		}}
		_, err := Import(t.Context(), store, jobs.BatchSpec{ID: "b"}, rows, SystemClock{}, nil)
		if err != nil {
			t.Error(err)
		}
	})
}
