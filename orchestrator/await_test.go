package orchestrator

import (
	"context"
	"errors"
	"testing"
	"time"

	"shotline/jobs"
)

// reached ends a wait that should have ended long before.
const reached = 20 * time.Second

// waits runs a wait beside the test, which goes on when the feed has the waiter.
// The result comes with finish.
func (r *rig) waits(feed *Feed, wait func(ctx context.Context) error) (finish func() error) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.ctx(), reached)
	r.t.Cleanup(cancel)
	before := feed.waiters()
	done := make(chan error, 1)
	go func() { done <- wait(ctx) }()
	for feed.waiters() == before {
		select {
		case err := <-done:
			r.t.Fatalf("the wait ended before it began: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	return func() error { return <-done }
}

func (f *Feed) waiters() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, waiters := range f.waiting {
		n += len(waiters)
	}
	return n
}

func TestAttendSeesTheSummary(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(1)
	var told []jobs.BatchState
	var b jobs.Batch
	r.feed.summary = reached
	finish := r.waits(r.feed, func(ctx context.Context) (err error) {
		b, err = r.feed.Attend(ctx, rigBatch, func(b jobs.Batch) { told = append(told, b.State) })
		return err
	})
	r.submitAll()
	r.webhook(r.vendor.shots[0].ID, jobs.OutcomeDone)
	r.must(r.SummarizeBatch(r.ctx(), rigBatch))
	r.must(finish())
	if b.Summarized != 1 || b.State != jobs.BatchFinished {
		t.Errorf("returned with the batch %s and summary %d", b.State, b.Summarized)
	}
	if len(told) < 3 || told[0] != jobs.BatchOpen || told[len(told)-1] != jobs.BatchFinished {
		t.Errorf("progress was told %v", told)
	}
}

func TestAttendDoesWithoutASummaryThatNobodyMakes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(1)
	r.submitAll()
	r.webhook(r.vendor.shots[0].ID, jobs.OutcomeDone)
	r.feed.summary = 10 * time.Millisecond
	b, err := r.feed.Attend(r.ctx(), rigBatch, nil)
	r.must(err)
	if b.State != jobs.BatchFinished || b.Summarized != 0 {
		t.Errorf("batch is %s with summary %d", b.State, b.Summarized)
	}
}

func TestAttendGoesOnWhenTheBatchIsRetried(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(1)
	r.submitAll()
	r.webhook(r.vendor.shots[0].ID, jobs.OutcomeFailed)
	r.feed.summary = reached
	var b jobs.Batch
	finish := r.waits(r.feed, func(ctx context.Context) (err error) {
		b, err = r.feed.Attend(ctx, rigBatch, nil)
		return err
	})
	_, err := RetryBatch(r.ctx(), r.store, r.Orchestrator, rigBatch, []jobs.State{jobs.Failed}, r.clock)
	r.must(err)
	r.submitAll()
	r.webhook(r.vendor.shots[1].ID, jobs.OutcomeDone)
	r.must(r.SummarizeBatch(r.ctx(), rigBatch))
	r.must(finish())
	if b.State != jobs.BatchFinished || b.Counts.Of(jobs.Done) != 1 {
		t.Errorf("returned with a batch that is %s, %d done", b.State, b.Counts.Of(jobs.Done))
	}
}

func TestAwaitEndsWithTheJobAndTheBatch(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(2)
	r.submitAll()
	elsewhere := NewFeed(r.ctx(), r.another("worker2").store)
	first, second := jobs.ID{Batch: rigBatch, Row: 1}, jobs.ID{Batch: rigBatch, Row: 2}
	var j, far jobs.Job
	var b jobs.Batch
	jobEnds := r.waits(r.feed, func(ctx context.Context) (err error) { j, err = r.AwaitJob(ctx, first); return err })
	batchEnds := r.waits(r.feed, func(ctx context.Context) (err error) { b, err = r.AwaitBatch(ctx, rigBatch); return err })
	farEnds := r.waits(elsewhere, func(ctx context.Context) (err error) { far, err = elsewhere.AwaitJob(ctx, second); return err })

	r.webhook(r.job(1).ScreenshotID, jobs.OutcomeFailed)
	r.must(jobEnds())
	if j.State != jobs.Failed {
		t.Errorf("the job is %s, want failed", j.State)
	}
	r.webhook(r.job(2).ScreenshotID, jobs.OutcomeDone)
	r.must(batchEnds())
	if b.State != jobs.BatchFinished {
		t.Errorf("the batch is %s", b.State)
	}
	r.must(farEnds())
	if far.State != jobs.Done {
		t.Errorf("another process was told that the job is %s", far.State)
	}
	// What has ended is answered without waiting.
	over, cancel := context.WithCancel(r.ctx())
	cancel()
	if j, err := r.AwaitJob(over, first); err != nil || j.State != jobs.Failed {
		t.Errorf("an ended job: %s, %v", j.State, err)
	}
	if b, err := r.AwaitBatch(over, rigBatch); err != nil || b.State != jobs.BatchFinished {
		t.Errorf("a finished batch: %s, %v", b.State, err)
	}
}

func TestAwaitTellsOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(1)
	if _, err := r.AwaitJob(r.ctx(), jobs.ID{Batch: rigBatch, Row: 9}); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("a job that is not there: %v", err)
	}
	if _, err := r.AwaitBatch(r.ctx(), "nobody"); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("a batch that is not there: %v", err)
	}
}

func TestAWaitThatIsOverReturnsTheJobAsItIsThen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(1)
	over, giveUp := context.WithCancel(r.ctx())
	var first, second jobs.Job
	gaveUp := r.waits(r.feed, func(context.Context) (err error) {
		first, err = r.AwaitJob(over, jobs.ID{Batch: rigBatch, Row: 1})
		return err
	})
	r.submitAll() // no event tells of it
	giveUp()
	if err := gaveUp(); !errors.Is(err, context.Canceled) || first.State != jobs.Pending {
		t.Errorf("given up: %s, %v", first.State, err)
	}
	stopped := r.waits(r.feed, func(ctx context.Context) (err error) {
		second, err = r.AwaitJob(ctx, jobs.ID{Batch: rigBatch, Row: 1})
		return err
	})
	r.Drain()
	if err := stopped(); !errors.Is(err, context.Canceled) || second.State != jobs.Pending {
		t.Errorf("stopped: %s, %v", second.State, err)
	}
}
