package orchestrator

import (
	"context"
	"errors"
	"testing"
	"time"

	"shotline/jobs"
)

// steppingClock does something each time somebody waits.
type steppingClock struct {
	*fakeClock
	steps []func()
}

func (c *steppingClock) Sleep(ctx context.Context, d time.Duration) error {
	if len(c.steps) > 0 {
		c.steps[0]()
		c.steps = c.steps[1:]
	}
	return c.fakeClock.Sleep(ctx, d)
}

func TestAwaitSeesTheSummary(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(1)
	var told []jobs.BatchState
	steps := &steppingClock{fakeClock: r.clock, steps: []func(){
		r.submitAll,
		func() { r.webhook(r.vendor.shots[0].ID, jobs.OutcomeDone) },
		func() { r.must(r.SummarizeBatch(r.ctx(), rigBatch)) },
	}}
	b, err := Await(r.ctx(), r.store, rigBatch, steps, func(b jobs.Batch) { told = append(told, b.State) })
	r.must(err)
	if b.Summarized != 1 || b.State != jobs.BatchFinished {
		t.Errorf("returned with the batch %s and summary %d", b.State, b.Summarized)
	}
	if len(told) < 3 {
		t.Errorf("progress was told %v", told)
	}
}

func TestAwaitDoesWithoutASummaryThatNobodyMakes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(1)
	r.submitAll()
	r.webhook(r.vendor.shots[0].ID, jobs.OutcomeDone)
	b, err := Await(r.ctx(), r.store, rigBatch, r.clock, nil)
	r.must(err)
	if b.State != jobs.BatchFinished || b.Summarized != 0 {
		t.Errorf("batch is %s with summary %d", b.State, b.Summarized)
	}
}

func TestAwaitJob(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(1)
	steps := &steppingClock{fakeClock: r.clock, steps: []func(){
		r.submitAll,
		func() { r.webhook(r.vendor.shots[0].ID, jobs.OutcomeFailed) },
	}}
	j, err := AwaitJob(r.ctx(), r.store, jobs.ID{Batch: rigBatch, Row: 1}, steps)
	r.must(err)
	if j.State != jobs.Failed {
		t.Errorf("job is %s, want failed", j.State)
	}
	if _, err := AwaitJob(r.ctx(), r.store, jobs.ID{Batch: rigBatch, Row: 9}, r.clock); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("waiting for a job that is not there returned %v", err)
	}
}
