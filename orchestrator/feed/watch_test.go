package feed

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"shotline/jobs"
)

func TestWatchBatchWaitsForTheSummary(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load("b1", 1)
	var states []jobs.BatchState
	var b jobs.Batch
	r.summaryTime = waitLimit
	finish := r.waits(r.Feed, func(ctx context.Context) (err error) {
		b, err = r.WatchBatch(ctx, "b1", func(b jobs.Batch) { states = append(states, b.State) })
		return err
	})
	r.submit("b1")
	r.end(jobs.OutcomeDone, row(1))
	r.summarize()
	r.must(finish())
	if b.Summarized != 1 || b.State != jobs.BatchFinished {
		t.Errorf("got the batch %s with summary %d, want finished with summary 1", b.State, b.Summarized)
	}
	if len(states) < 3 || states[0] != jobs.BatchOpen || states[len(states)-1] != jobs.BatchFinished {
		t.Errorf("progress got the states %v", states)
	}
}

func TestWatchBatchReturnsWithoutASummary(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load("b1", 1)
	r.cancel("b1", 1)
	r.summaryTime = 10 * time.Millisecond
	b, err := r.WatchBatch(r.ctx(), "b1", nil)
	r.must(err)
	if b.State != jobs.BatchFinished || b.Summarized != 0 {
		t.Errorf("got the batch %s with summary %d, want finished without a summary", b.State, b.Summarized)
	}
}

func TestWatchBatchContinuesAfterARetry(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load("b1", 1)
	r.submit("b1")
	r.end(jobs.OutcomeFailed, row(1))
	r.summaryTime = waitLimit
	var b jobs.Batch
	finish := r.waits(r.Feed, func(ctx context.Context) (err error) {
		b, err = r.WatchBatch(ctx, "b1", nil)
		return err
	})
	_, err := r.store.Retry(r.ctx(), []jobs.Retry{{Job: row(1), From: []jobs.State{jobs.Failed}, Attempt: 1}}, r.now)
	r.must(err)
	r.submit("b1")
	r.endAttempt(jobs.OutcomeDone, row(1), 2)
	r.summarize()
	r.must(finish())
	if b.State != jobs.BatchFinished || b.Counts.Of(jobs.Done) != 1 {
		t.Errorf("got the batch %s with %d done, want finished with 1", b.State, b.Counts.Of(jobs.Done))
	}
}

func TestWatchBatchReturnsWhenAnErrorPausesTheBatch(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load("b1", 1)
	r.must(r.store.Pause(r.ctx(), "b1", "", r.now)) // a manual pause: the wait continues
	finish := r.waits(r.Feed, func(ctx context.Context) error {
		_, err := r.WatchBatch(ctx, "b1", nil)
		return err
	})
	r.must(r.store.Pause(r.ctx(), "b1", "key refused", r.now))
	if err := finish(); !errors.Is(err, ErrPaused) || !strings.Contains(err.Error(), "key refused") {
		t.Errorf("WatchBatch returned %v, want ErrPaused with the reason", err)
	}
}
