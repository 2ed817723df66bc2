package orchestrator

import (
	"context"
	"fmt"
	"time"

	"shotline/jobs"
)

// cancelPage is how many jobs one short transaction cancels.
const cancelPage = 500

// CancelStore is the part of the store that canceling needs.
type CancelStore interface {
	Batch(ctx context.Context, id string) (jobs.Batch, error)
	Jobs(ctx context.Context, f jobs.JobFilter) ([]jobs.Job, error)
	Cancel(ctx context.Context, ids []jobs.ID, at time.Time) (jobs.Effects, error)
}

// Cancel cancels jobs. It needs no vendor and no orchestrator: any process may
// cancel. It returns jobs.ErrState while the batch of one of them is importing.
func Cancel(ctx context.Context, store CancelStore, ids []jobs.ID, clock Clock) (jobs.CancelCounts, error) {
	effects, err := store.Cancel(ctx, ids, clock.Now())
	if err != nil {
		return jobs.CancelCounts{}, err
	}
	c := jobs.CancelCounts{Canceling: effects.Canceling}
	for _, closed := range effects.Closed {
		if closed.By == jobs.ByCancel {
			c.Canceled++
		}
	}
	c.Ended = len(ids) - c.Canceled - c.Canceling
	return c, nil
}

// CancelBatch cancels all open jobs of a batch, in several short transactions. An
// open batch gets no new rows, so one pass finds all of them. After an interruption
// a second call continues.
func CancelBatch(ctx context.Context, store CancelStore, batch string, clock Clock) (jobs.CancelCounts, error) {
	var total jobs.CancelCounts
	b, err := store.Batch(ctx, batch)
	if err == nil && b.State == jobs.BatchImporting {
		err = fmt.Errorf("%w: it is importing", jobs.ErrState)
	}
	if err != nil {
		return total, fmt.Errorf("cancel batch %s: %w", batch, err)
	}
	filter := jobs.JobFilter{Batch: batch, States: []jobs.State{jobs.Queued, jobs.Submitting, jobs.Pending}, Limit: cancelPage}
	for {
		page, err := store.Jobs(ctx, filter)
		if err != nil || len(page) == 0 {
			return total, err
		}
		ids := make([]jobs.ID, len(page))
		for i, j := range page {
			ids[i] = j.ID
		}
		c, err := Cancel(ctx, store, ids, clock)
		if err != nil {
			return total, err
		}
		total.Canceled += c.Canceled
		total.Canceling += c.Canceling
		total.Ended += c.Ended
		filter.After = page[len(page)-1].ID
	}
}

// CancelJob calls the function Cancel with the orchestrator's parts.
func (o *Orchestrator) CancelJob(ctx context.Context, id jobs.ID) (jobs.CancelCounts, error) {
	return Cancel(ctx, o.store, []jobs.ID{id}, o.clock)
}

// CancelBatch calls the function CancelBatch with the orchestrator's parts.
func (o *Orchestrator) CancelBatch(ctx context.Context, batch string) (jobs.CancelCounts, error) {
	return CancelBatch(ctx, o.store, batch, o.clock)
}
