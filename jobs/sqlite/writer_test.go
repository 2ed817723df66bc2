package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"shotline/jobs"
)

// block holds the writer inside a transaction until the returned function is
// called.
func block(t *testing.T, s *Store) (release func()) {
	t.Helper()
	entered, leave, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- s.writeAlone(context.Background(), func(*tx) error {
			close(entered)
			<-leave
			return nil
		})
	}()
	<-entered
	var once sync.Once
	release = func() {
		once.Do(func() {
			close(leave)
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(release)
	return release
}

// waitFor waits until n operations are waiting for the writer.
func waitFor(t *testing.T, s *Store, n int) {
	t.Helper()
	for s.Stats().Waiting < n {
		if t.Context().Err() != nil {
			t.Fatal("context ended while waiting for operations")
		}
		must(t, pause(t.Context(), time.Millisecond))
	}
}

func TestAppendsShareCommits(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "a.db"))
	const callers = 300
	release := block(t, s)
	before := s.Stats()
	var wg sync.WaitGroup
	var mu sync.Mutex
	seqs := make(map[int64]bool)
	for range callers {
		wg.Go(func() {
			seq, err := s.AppendDelivery(t.Context(), delivery("1", jobs.OutcomeDone))
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			seqs[seq] = true
			mu.Unlock()
		})
	}
	waitFor(t, s, callers)
	release()
	wg.Wait()
	if len(seqs) != callers {
		t.Errorf("%d deliveries got %d places", callers, len(seqs))
	}
	after := s.Stats()
	if commits := after.Commits - before.Commits; commits != 2 { // that of the blocker and that of all appends
		t.Errorf("%d commits, want 2", commits)
	}
	for size, n := range after.Groups {
		want := int64(0)
		if size == 1 || size == 512 {
			want = 1
		}
		if got := n - before.Groups[size]; got != want {
			t.Errorf("%d commits of up to %d, want %d", got, size, want)
		}
	}
}

func TestGroupClass(t *testing.T) {
	for size, want := range map[int]int{0: 0, 1: 0, 2: 1, 3: 2, 4: 2, 5: 3, 256: 8, 257: 9, groupLimit: groupClasses - 1} {
		if got := groupClass(size); got != want {
			t.Errorf("%d operations are in class %d, want %d", size, got, want)
		}
	}
}

// TestRefusedCreatesShareCommits closes many jobs at the same time, one per call,
// while a delivery has to be applied first.
func TestRefusedCreatesShareCommits(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "a.db"))
	const n = 100
	fill(t, s, "b1", n+1)
	submit(t, s, "b1", 1)
	leases, err := s.Lease(t.Context(), "b1", "w", n, noon, noon.Add(30*time.Second))
	must(t, err)
	deliverAll(t, s, "b1", 1)
	release := block(t, s)
	before := s.Stats().Commits
	var closed atomic.Int64
	var wg sync.WaitGroup
	for _, lease := range leases {
		wg.Go(func() {
			effects, err := s.CloseJobs(t.Context(), []jobs.Closing{{
				Job: lease.Job.ID, Attempt: 1, From: []jobs.State{jobs.Submitting}, To: jobs.Failed, By: jobs.BySubmit, Error: "no",
			}}, noon)
			if err != nil {
				t.Error(err)
			}
			closed.Add(int64(len(effects.Closed)))
		})
	}
	waitFor(t, s, n)
	release()
	wg.Wait()
	if commits := s.Stats().Commits - before; commits != 2 {
		t.Errorf("%d commits, want 2: the blocker and one shared", commits)
	}
	if got := closed.Load(); got != n+1 {
		t.Errorf("closed %d jobs, want %d", got, n+1)
	}
}

func TestFullDiskFailsTheStepAlone(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "a.db"))
	limit := func(pages int) {
		t.Helper()
		var now int
		must(t, s.write(t.Context(), func(x *tx) error { return x.get([]any{&now}, fmt.Sprintf(`PRAGMA max_page_count = %d`, pages)) }))
	}
	limit(1) // the current number of pages
	big := delivery("1", jobs.OutcomeDone)
	big.Body = make([]byte, 100_000)
	if _, err := s.AppendDelivery(t.Context(), big); !errors.Is(err, jobs.ErrUnavailable) {
		t.Errorf("with a full disk: %v", err)
	}
	limit(1_000_000)
	if seq, err := s.AppendDelivery(t.Context(), big); err != nil || seq != 1 {
		t.Errorf("after space is free: got place %d, %v, want 1", seq, err)
	}
}

func TestFailedOperationIsUndoneAlone(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "a.db"))
	must(t, s.CreateBatch(t.Context(), jobs.BatchSpec{ID: "taken"}, noon))
	release := block(t, s)
	var wg sync.WaitGroup
	wg.Go(func() {
		err := s.write(t.Context(), func(tx *tx) error {
			if _, err := tx.exec(`UPDATE batches SET source = 'half done' WHERE id = 'taken'`); err != nil {
				return err
			}
			return jobs.ErrLeaseLost
		})
		if !errors.Is(err, jobs.ErrLeaseLost) {
			t.Errorf("got %v", err)
		}
	})
	for _, id := range []string{"b1", "b2"} {
		wg.Go(func() {
			if err := s.CreateBatch(t.Context(), jobs.BatchSpec{ID: id}, noon); err != nil {
				t.Error(err)
			}
		})
	}
	waitFor(t, s, 3)
	before := s.Stats().Commits
	release()
	wg.Wait()
	if commits := s.Stats().Commits - before; commits != 2 {
		t.Errorf("%d commits, want 2: the blocker and one shared", commits)
	}
	list, err := s.Batches(t.Context(), "", 10)
	must(t, err)
	if len(list) != 3 {
		t.Errorf("%d batches, want 3", len(list))
	}
	if b, _ := s.Batch(t.Context(), "taken"); b.Source != "" {
		t.Errorf("the failed operation left %q", b.Source)
	}
}

func TestBrokenTransactionFailsAllOperations(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "a.db"))
	release := block(t, s)
	var wg sync.WaitGroup
	for _, run := range []func() error{
		func() error { return s.CreateBatch(t.Context(), jobs.BatchSpec{ID: "b1"}, noon) },
		func() error { return s.write(t.Context(), func(*tx) error { return jobs.ErrUnavailable }) },
		func() error { return s.CreateBatch(t.Context(), jobs.BatchSpec{ID: "b2"}, noon) },
	} {
		wg.Go(func() {
			if err := run(); !errors.Is(err, jobs.ErrUnavailable) {
				t.Errorf("got %v", err)
			}
		})
	}
	waitFor(t, s, 3)
	release()
	wg.Wait()
	if list, err := s.Batches(t.Context(), "", 10); err != nil || len(list) != 0 {
		t.Errorf("%d batches, %v", len(list), err)
	}
}

func TestCanceledOperationDoesNotRun(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "a.db"))
	release := block(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.CreateBatch(ctx, jobs.BatchSpec{ID: "b1"}, noon) }()
	waitFor(t, s, 1)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	release()
	must(t, s.CreateBatch(t.Context(), jobs.BatchSpec{ID: "b1"}, noon)) // would return ErrExists if the canceled call had run
}

// TestLockedByAnotherProcess checks that an operation that waits for a lock fails
// when its context ends or when the busy timeout has passed.
func TestLockedByAnotherProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	longWait := openAt(t, path, WithBusyTimeout(time.Minute))
	shortWait := openAt(t, path, WithBusyTimeout(50*time.Millisecond))
	other := raw(t, path)
	execute(t, other, `BEGIN IMMEDIATE`)

	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := longWait.AppendDelivery(ctx, delivery("1", jobs.OutcomeDone)); !errors.Is(err, jobs.ErrUnavailable) {
		t.Errorf("with a deadline: %v", err)
	}
	if _, err := shortWait.AppendDelivery(t.Context(), delivery("1", jobs.OutcomeDone)); !errors.Is(err, jobs.ErrUnavailable) {
		t.Errorf("with a short busy timeout: %v", err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("took %s", took)
	}
	if _, err := longWait.Batches(t.Context(), "", 1); err != nil {
		t.Errorf("a reader waited for the lock: %v", err)
	}
	execute(t, other, `ROLLBACK`)
	if _, err := shortWait.AppendDelivery(t.Context(), delivery("1", jobs.OutcomeDone)); err != nil {
		t.Errorf("after the lock was released: %v", err)
	}
}

func TestCloseFinishesWaitingOperations(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "a.db"))
	release := block(t, s)
	done := make(chan error, 1)
	go func() { done <- s.CreateBatch(t.Context(), jobs.BatchSpec{ID: "b1"}, noon) }()
	waitFor(t, s, 1)
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	release()
	must(t, <-done)
	must(t, <-closed)
	if err := s.CreateBatch(t.Context(), jobs.BatchSpec{ID: "b2"}, noon); !errors.Is(err, jobs.ErrUnavailable) {
		t.Errorf("after Close: %v", err)
	}
	if _, err := s.Batch(t.Context(), "b1"); err == nil {
		t.Error("a read succeeded after Close")
	}
	must(t, s.Close())
}
