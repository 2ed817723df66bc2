package feed

import (
	"context"
	"errors"
	"testing"

	"shotline/jobs"
)

func TestAwaitReturnsWhenTheJobAndTheBatchHaveEnded(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load("b1", 2)
	r.submit("b1")
	elsewhere := New(r.ctx(), r.open()) // as in another process, which nothing wakes
	var first, second jobs.Job
	var b jobs.Batch
	jobEnds := r.waits(r.Feed, func(ctx context.Context) (err error) { first, err = r.AwaitJob(ctx, row(1)); return err })
	batchEnds := r.waits(r.Feed, func(ctx context.Context) (err error) { b, err = r.AwaitBatch(ctx, "b1"); return err })
	elsewhereEnds := r.waits(elsewhere, func(ctx context.Context) (err error) { second, err = elsewhere.AwaitJob(ctx, row(2)); return err })

	r.end(jobs.OutcomeFailed, row(1))
	r.must(jobEnds())
	if first.State != jobs.Failed {
		t.Errorf("the job is %s, want failed", first.State)
	}
	r.end(jobs.OutcomeDone, row(2))
	r.must(batchEnds())
	if b.State != jobs.BatchFinished {
		t.Errorf("the batch is %s, want finished", b.State)
	}
	r.must(elsewhereEnds())
	if second.State != jobs.Done {
		t.Errorf("another process got the job %s, want done", second.State)
	}

	// Jobs and batches that have ended are returned without waiting.
	over, cancel := context.WithCancel(r.ctx())
	cancel()
	if j, err := r.AwaitJob(over, row(1)); err != nil || j.State != jobs.Failed {
		t.Errorf("an ended job is %s, %v", j.State, err)
	}
	if b, err := r.AwaitBatch(over, "b1"); err != nil || b.State != jobs.BatchFinished {
		t.Errorf("a finished batch is %s, %v", b.State, err)
	}
}

func TestAwaitOfAnUnknownJobOrBatch(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load("b1", 1)
	if _, err := r.AwaitJob(r.ctx(), row(9)); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("AwaitJob of an unknown job returned %v, want ErrNotFound", err)
	}
	if _, err := r.AwaitBatch(r.ctx(), "unknown"); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("AwaitBatch of an unknown batch returned %v, want ErrNotFound", err)
	}
}

func TestInterruptedAwaitReturnsTheJob(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load("b1", 1)
	ctx, cancel := context.WithCancel(r.ctx())
	var canceled, stopped jobs.Job
	finish := r.waits(r.Feed, func(context.Context) (err error) {
		canceled, err = r.AwaitJob(ctx, row(1))
		return err
	})
	r.submit("b1") // no event reports this state
	cancel()
	if err := finish(); !errors.Is(err, context.Canceled) || canceled.State != jobs.Pending {
		t.Errorf("after the end of its context AwaitJob returned a job that is %s, %v", canceled.State, err)
	}
	finish = r.waits(r.Feed, func(ctx context.Context) (err error) {
		stopped, err = r.AwaitJob(ctx, row(1))
		return err
	})
	r.stop()
	if err := finish(); !errors.Is(err, context.Canceled) || stopped.State != jobs.Pending {
		t.Errorf("after the end of the feed AwaitJob returned a job that is %s, %v", stopped.State, err)
	}
}
