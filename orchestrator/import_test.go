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

// brokenRows is an input that fails after some rows.
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
	_, err := Import(r.ctx(), r.store, jobs.BatchSpec{ID: rigBatch}, &brokenRows{rows: 2500}, r.clock, ImportOptions{})
	if err == nil || !strings.Contains(err.Error(), "torn") {
		t.Fatalf("import returned %v, want the reader's error", err)
	}
	if _, err := r.store.Batch(r.ctx(), rigBatch); err == nil {
		t.Error("a part of the batch remains")
	}
}

// slowRows is an input of two rows. It calls wait before the second one.
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

// heartbeatStore sends the results of appends without a row to done.
type heartbeatStore struct {
	ImportStore
	done chan error
}

func (s *heartbeatStore) AppendRequests(ctx context.Context, batch string, rows []jobs.Request, at time.Time) error {
	err := s.ImportStore.AppendRequests(ctx, batch, rows, at)
	if len(rows) == 0 {
		s.done <- err
	}
	return err
}

func TestWaitingImportDoesNotBecomeStale(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	beat, store := make(chan time.Time), &heartbeatStore{r.store, make(chan error)}
	rows := &slowRows{wait: func() {
		for range 3 {
			r.clock.advance(staleImport - time.Second)
			beat <- time.Time{}
			r.must(<-store.done)
			r.sweep()
		}
	}}
	b, err := importAlive(r.ctx(), store, jobs.BatchSpec{ID: rigBatch}, rows, r.clock, ImportOptions{}, beat)
	r.must(err)
	if b.Counts.Rows != 2 {
		t.Errorf("%d rows, want 2", b.Counts.Rows)
	}
	if _, err := r.store.Batch(r.ctx(), rigBatch); err != nil {
		t.Error(err)
	}
}

// keyed returns a request for a batch. All its requests have the same key and
// hash.
func keyed(batch string) jobs.BatchSpec {
	return jobs.BatchSpec{ID: batch, Key: jobs.Key{Scope: "us", Name: "once", Hash: [32]byte{1}}}
}

// importKeyed imports two rows with the key of keyed.
func (r *rig) importKeyed(store ImportStore, batch string) (jobs.Batch, error) {
	return Import(r.ctx(), store, keyed(batch), &slowRows{wait: func() {}}, r.clock, ImportOptions{})
}

// abandonKeyed begins an import with the key of keyed, as a process that is
// killed.
func (r *rig) abandonKeyed(batch string) {
	r.t.Helper()
	r.must(r.store.CreateBatch(r.ctx(), keyed(batch), r.clock.Now()))
	r.must(r.store.AppendRequests(r.ctx(), batch, []jobs.Request{{Line: 1, URL: "https://a.test/1"}}, r.clock.Now()))
}

// wantOnlyBatch checks that the only batch is this one, with two rows.
func (r *rig) wantOnlyBatch(batch string) {
	r.t.Helper()
	all, err := r.full.Batches(r.ctx(), "", 10)
	r.must(err)
	if len(all) != 1 || all[0].ID != batch || all[0].State != jobs.BatchOpen || all[0].Counts.Rows != 2 {
		r.t.Errorf("got batches %+v, want only %s, open with two rows", all, batch)
	}
}

// wantKeyTaken checks that the error says that the key belongs to the batch.
func (r *rig) wantKeyTaken(err error, batch string) {
	r.t.Helper()
	var taken *jobs.KeyTakenError
	if !errors.As(err, &taken) || taken.Batch != batch {
		r.t.Errorf("got error %v, want a KeyTakenError of %s", err, batch)
	}
}

func TestKeyOutlivesAnAbandonedImport(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.abandonKeyed("killed")
	r.clock.advance(14 * time.Second)
	_, err := r.importKeyed(r.store, "second")
	r.wantKeyTaken(err, "killed") // it might be alive
	r.clock.advance(2 * time.Second)

	foreign := keyed("foreign")
	foreign.Key.Hash = [32]byte{2}
	_, err = Import(r.ctx(), r.store, foreign, &slowRows{wait: func() {}}, r.clock, ImportOptions{})
	r.wantKeyTaken(err, "killed")
	_, err = r.importKeyed(r.store, "killed") // the same id: if the first process is alive, it would append to this batch
	r.wantKeyTaken(err, "killed")

	_, err = r.importKeyed(r.store, "third")
	r.must(err)
	r.wantOnlyBatch("third")
	r.clock.advance(time.Hour)
	_, err = r.importKeyed(r.store, "fourth")
	r.wantKeyTaken(err, "third")
	r.wantOnlyBatch("third")
}

// racingStore calls functions right before a step, as another process that is
// faster.
type racingStore struct {
	ImportStore
	beforeList, beforeRemoval func()
}

func (s *racingStore) StaleImports(ctx context.Context, before time.Time) ([]string, error) {
	s.beforeList()
	return s.ImportStore.StaleImports(ctx, before)
}

func (s *racingStore) RemoveImport(ctx context.Context, batch string) error {
	s.beforeRemoval()
	return s.ImportStore.RemoveImport(ctx, batch)
}

func TestOneOfSeveralRequestsReplacesAnAbandonedImport(t *testing.T) {
	t.Parallel()
	for name, hook := range map[string]func(*racingStore, func()){
		"other before the list":    func(s *racingStore, do func()) { s.beforeList = do },
		"other before the removal": func(s *racingStore, do func()) { s.beforeRemoval = do },
		"no other":                 func(*racingStore, func()) {},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.abandonKeyed("killed")
			r.clock.advance(16 * time.Second)
			store := &racingStore{r.store, func() {}, func() {}}
			want := "late"
			hook(store, func() {
				_, err := r.importKeyed(r.store, "first")
				r.must(err)
				want = "first"
			})
			_, err := r.importKeyed(store, "late")
			if want == "first" {
				r.wantKeyTaken(err, want)
			} else {
				r.must(err)
			}
			r.wantOnlyBatch(want)
		})
	}
}

func TestFreedKeyIsUsed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.abandonKeyed("fails")
	store := &racingStore{r.store, func() { r.must(r.store.RemoveImport(r.ctx(), "fails")) }, func() {}}
	_, err := r.importKeyed(store, "successor")
	r.must(err)
	r.wantOnlyBatch("successor")
}

func TestReplacedImportLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{false, true} {
		r := newRig(t)
		rows := &slowRows{wait: func() {
			r.clock.advance(16 * time.Second)
			_, err := r.importKeyed(r.store, "successor")
			r.must(err)
		}}
		var source Requests = rows
		if fails {
			source = &tornRows{rows}
		}
		_, err := Import(r.ctx(), r.store, keyed("slow"), source, r.clock, ImportOptions{})
		if errors.Is(err, jobs.ErrUnavailable) == fails || errors.Is(err, ErrInput) != fails || errors.Is(err, jobs.ErrNotFound) {
			t.Errorf("failing input %t: got error %v", fails, err)
		}
		r.wantOnlyBatch("successor")
	}
}

// tornRows ends with an error.
type tornRows struct{ Requests }

func (t *tornRows) Next() (jobs.Request, error) {
	request, err := t.Requests.Next()
	if errors.Is(err, io.EOF) {
		err = errors.New("torn")
	}
	return request, err
}

// missingRows fails with the error of a missing file.
type missingRows struct{ rows int }

func (m *missingRows) Next() (jobs.Request, error) {
	if m.rows--; m.rows < 0 {
		return jobs.Request{}, fmt.Errorf("open file: %w", jobs.ErrNotFound)
	}
	return jobs.Request{Line: 1, URL: "https://a.test/1"}, nil
}

func TestNotFoundErrorOfTheInput(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, err := Import(r.ctx(), r.store, keyed("b"), &missingRows{importChunk + 1}, r.clock, ImportOptions{})
	if !errors.Is(err, ErrInput) || errors.Is(err, jobs.ErrUnavailable) {
		t.Errorf("got error %v, want that of the input", err)
	}
	if _, err := r.store.Batch(r.ctx(), "b"); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("got error %v, want ErrNotFound", err)
	}
}

// heartbeatCounter stores nothing, and counts the appends without a row.
type heartbeatCounter struct {
	ImportStore
	empty atomic.Int32
}

func (*heartbeatCounter) CreateBatch(context.Context, jobs.BatchSpec, time.Time) error { return nil }
func (*heartbeatCounter) OpenBatch(context.Context, string, time.Time) (jobs.Batch, error) {
	return jobs.Batch{}, nil
}
func (s *heartbeatCounter) AppendRequests(_ context.Context, _ string, rows []jobs.Request, _ time.Time) error {
	if len(rows) == 0 {
		s.empty.Add(1)
	}
	return nil
}

func TestImportSendsHeartbeats(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		store := &heartbeatCounter{}
		rows := &slowRows{wait: func() {
			time.Sleep(14 * time.Second)
			if store.empty.Load() < 2 { // one might be late
				t.Errorf("got %d heartbeats, want 2", store.empty.Load())
			}
		}}
		_, err := Import(t.Context(), store, jobs.BatchSpec{ID: "b"}, rows, SystemClock{}, ImportOptions{})
		if err != nil {
			t.Error(err)
		}
	})
}
