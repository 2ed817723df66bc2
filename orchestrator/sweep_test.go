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
	first := r.queue.take() // lost tasks
	r.sweep()
	if again := r.queue.take(); len(again) != 0 {
		t.Errorf("enqueued %q again at once", again)
	}
	r.clock.advance(claimAgain)
	r.sweep()
	if second := r.queue.take(); len(second) != 1 || slices.Equal(first, second) {
		t.Errorf("got %q, then %q after the loss; want the next generation", first, second)
	}
}

func TestWaitingTasksAreNotEnqueuedAgain(t *testing.T) {
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

func TestWorkIsEnqueuedAfterTheQueueFailed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(1)
	r.queue.down = true
	if err := r.SweepOnce(r.ctx()); err == nil {
		t.Error("SweepOnce returned no error although the queue is down")
	}
	r.queue.down = false
	r.clock.advance(claimAgain)
	r.sweep()
	if got := r.queue.take(); len(got) != 1 {
		t.Errorf("enqueued %q, want the submission", got)
	}
}

func TestWorkContinuesSoonAfterTheQueueIsBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(1)
	r.queue.down = true
	for range 2 {
		if err := r.SweepOnce(r.ctx()); err == nil {
			t.Error("SweepOnce returned no error although the queue is down")
		}
		r.clock.advance(claimAgain)
	}
	_ = r.SweepOnce(r.ctx()) // fails like the sweeps before
	r.queue.down = false
	r.clock.advance(r.cfg.SweepEvery)
	r.sweep()
	if got := r.queue.take(); len(got) != 1 {
		t.Errorf("after the queue came back: enqueued %q, want the submission", got)
	}
	r.clock.advance(r.cfg.SweepEvery)
	r.sweep()
	if got := r.queue.take(); len(got) != 1 {
		t.Errorf("enqueued %q, want the submission again, since its claim was short", got)
	}
	r.clock.advance(r.cfg.SweepEvery)
	r.sweep()
	if got := r.queue.take(); len(got) != 0 {
		t.Errorf("enqueued %q although the work is claimed", got)
	}
}

func TestRestOfABatchContinuesSoonAfterTheQueueIsBack(t *testing.T) {
	t.Parallel()
	r := newRig(t, one)
	r.load(3)
	r.vendor.script(rateLimited(2 * sliceTime))
	r.queue.down = true
	r.submitAll() // the vendor's pause begins, and the rest cannot be enqueued
	r.queue.down = false
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
	other := r.newWorker("worker2")
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
	r.queue.take() // lose the deadline's task
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
		t.Fatalf("a new import was removed: %v", err)
	}
	r.clock.advance(staleImport + time.Minute)
	r.sweep()
	if _, err := r.store.Batch(r.ctx(), "half"); err == nil {
		t.Error("the stale import was not removed")
	}
}

// A pause that the vendor requested ends with the process. The next process tries
// earlier.
func TestLongPauseEndsWithItsProcess(t *testing.T) {
	t.Parallel()
	r := newRig(t, one)
	r.load(3)
	r.vendor.script(rateLimited(24 * time.Hour))
	r.submitAll()
	r.queue.take() // lose the queue as well
	r.clock.advance(time.Minute + claimAgain)
	r.must(r.newWorker("worker2").SweepOnce(r.ctx()))
	if got := r.queue.take(); len(got) != 1 || !strings.HasPrefix(got[0], "submit") {
		t.Errorf("enqueued %q, want the submission", got)
	}
}
