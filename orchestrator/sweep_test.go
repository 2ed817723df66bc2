package orchestrator

import (
	"slices"
	"strings"
	"testing"
	"time"

	"shotline/jobs"
)

func TestLostTasksAreEnqueuedUnderANewGeneration(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(1)
	r.sweep()
	first := r.queue.take() // and lost
	r.sweep()
	if again := r.queue.take(); len(again) != 0 {
		t.Errorf("enqueued %q again at once", again)
	}
	r.clock.advance(claimAgain)
	r.sweep()
	if second := r.queue.take(); len(second) != 1 || slices.Equal(first, second) {
		t.Errorf("first %q, after the loss %q; want the next generation", first, second)
	}
}

func TestTasksThatWaitAreNotEnqueuedAgainAndAgain(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ lag, want time.Duration }{
		{0, claimAgain}, {8 * time.Second, claimAgain + 16*time.Second}, {time.Hour, claimMost},
	} {
		r := newRig(t)
		r.load(1)
		r.queue.lag = test.lag
		r.sweep()
		r.queue.take()
		r.clock.advance(test.want - time.Millisecond)
		r.sweep()
		if got := r.queue.take(); len(got) != 0 {
			t.Errorf("lag %s: enqueued %q again before %s", test.lag, got, test.want)
		}
		r.clock.advance(r.cfg.SweepEvery)
		r.sweep()
		if got := r.queue.take(); len(got) != 1 {
			t.Errorf("lag %s: enqueued %q after %s, want the submission", test.lag, got, test.want)
		}
	}
}

func TestWorkIsOwedWhileTheQueueIsAway(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(1)
	r.queue.away = true
	if err := r.SweepOnce(r.ctx()); err == nil {
		t.Error("nobody was told that the queue is away")
	}
	r.queue.away = false
	r.clock.advance(claimAgain)
	r.sweep()
	if got := r.queue.take(); len(got) != 1 {
		t.Errorf("enqueued %q, want the submission", got)
	}
}

func TestWorkGoesOnSoonAfterTheQueueIsBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(1)
	r.queue.away = true
	for range 2 {
		if err := r.SweepOnce(r.ctx()); err == nil {
			t.Error("nobody was told that the queue is away")
		}
		r.clock.advance(claimAgain)
	}
	_ = r.SweepOnce(r.ctx()) // fails like those before
	r.queue.away = false
	r.clock.advance(r.cfg.SweepEvery)
	r.sweep()
	if got := r.queue.take(); len(got) != 1 {
		t.Errorf("a sweep after the queue came back %q was enqueued, want the submission", got)
	}
	r.clock.advance(r.cfg.SweepEvery)
	r.sweep()
	if got := r.queue.take(); len(got) != 1 {
		t.Errorf("enqueued %q, want the submission once more, claimed for as short a time", got)
	}
	r.clock.advance(r.cfg.SweepEvery)
	r.sweep()
	if got := r.queue.take(); len(got) != 0 {
		t.Errorf("enqueued %q although it is claimed", got)
	}
}

func TestRestOfABatchGoesOnSoonAfterTheQueueIsBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, one)
	r.load(3)
	r.vendor.script(rateLimited(2 * sliceTime))
	r.queue.away = true
	r.submitAll() // the vendor's pause begins, and the rest cannot be enqueued
	r.queue.away = false
	r.clock.advance(2*sliceTime + r.cfg.SweepEvery)
	r.sweep()
	if got := r.queue.take(); len(got) != 1 || !strings.HasPrefix(got[0], "submit") {
		t.Errorf("enqueued %q, want the submission", got)
	}
}

func TestOneSweepAmongWorkers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(1)
	other := r.another("worker2")
	r.sweep()
	r.must(other.SweepOnce(r.ctx()))
	if got := r.queue.take(); len(got) != 1 {
		t.Errorf("two workers enqueued %q, want one submission", got)
	}
}

func TestOverdueDeadlinesWithoutATaskAreEnqueued(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(1)
	r.submitAll()
	r.queue.take() // the deadline's task is lost
	r.clock.advance(2 * time.Minute)
	r.sweep()
	if got := r.queue.take(); !slices.ContainsFunc(got, func(id string) bool { return strings.HasPrefix(id, "deadlines") }) {
		t.Errorf("enqueued %q, want deadlines", got)
	}
}

func TestDeadlinesShareABucket(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(50)
	r.submitAll()
	deadlines := 0
	for _, id := range r.queue.take() {
		if strings.HasPrefix(id, "deadlines") {
			deadlines++
		}
	}
	if deadlines != 1 {
		t.Errorf("%d deadline tasks for 50 jobs of one moment, want 1", deadlines)
	}
}

func TestStaleImportsAreRemoved(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.must(r.store.CreateBatch(r.ctx(), jobs.BatchSpec{ID: "half"}, r.clock.Now()))
	r.must(r.store.AppendRequests(r.ctx(), "half", []jobs.Request{{Line: 1, URL: "https://a.test/"}}, r.clock.Now()))
	r.sweep()
	if _, err := r.store.Batch(r.ctx(), "half"); err != nil {
		t.Fatalf("a fresh import is gone: %v", err)
	}
	r.clock.advance(staleImport + time.Minute)
	r.sweep()
	if _, err := r.store.Batch(r.ctx(), "half"); err == nil {
		t.Error("an import left half-way is still there")
	}
}

// TestALongPauseDoesNotOutliveTheProcess: what the vendor asked of a process
// that is no more is looked into by the next.
func TestALongPauseDoesNotOutliveTheProcess(t *testing.T) {
	t.Parallel()
	r := newRig(t, one)
	r.load(3)
	r.vendor.script(rateLimited(24 * time.Hour))
	r.submitAll()
	r.queue.take() // the queue is gone as well
	r.clock.advance(time.Minute + claimAgain)
	r.must(r.another("worker2").SweepOnce(r.ctx()))
	if got := r.queue.take(); len(got) != 1 || !strings.HasPrefix(got[0], "submit") {
		t.Errorf("enqueued %q, want the submission", got)
	}
}
