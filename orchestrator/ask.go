package orchestrator

import (
	"context"
	"errors"
	"time"

	"shotline/jobs"
)

// The methods here are what other programs ask for over HTTP. They are Import,
// RetryJob, RetryBatch, Cancel, CancelBatch and those of a feed.Feed with this
// orchestrator's store, vendor and clock.

// ImportBatch makes a batch of all requests and opens it, see Import.
func (o *Orchestrator) ImportBatch(ctx context.Context, spec jobs.BatchSpec, next func() (jobs.Request, error)) (jobs.Batch, error) {
	b, err := Import(ctx, o.store, spec, nextRequest(next), o.clock, nil)
	var unremoved *UnremovedError
	if errors.As(err, &unremoved) {
		o.left.add(unremoved.Batch)
	}
	return b, err
}

// nextRequest are Requests from a function.
type nextRequest func() (jobs.Request, error)

func (n nextRequest) Next() (jobs.Request, error) { return n() }

// RetryJob queues an ended job again, see the function RetryJob.
func (o *Orchestrator) RetryJob(ctx context.Context, id jobs.ID) (jobs.RetryCounts, error) {
	return RetryJob(ctx, o.store, o, id, jobs.Retriable, o.clock)
}

// RetryBatch queues the jobs of a batch that ended in one of the states again,
// see the function RetryBatch.
func (o *Orchestrator) RetryBatch(ctx context.Context, batch string, states []jobs.State) (jobs.RetryCounts, error) {
	return RetryBatch(ctx, o.store, o, batch, states, o.clock)
}

// CancelJob cancels a job, see Cancel.
func (o *Orchestrator) CancelJob(ctx context.Context, id jobs.ID) (jobs.CancelCounts, error) {
	return Cancel(ctx, o.store, []jobs.ID{id}, o.clock)
}

// CancelBatch cancels all open jobs of a batch, see the function CancelBatch.
func (o *Orchestrator) CancelBatch(ctx context.Context, batch string) (jobs.CancelCounts, error) {
	return CancelBatch(ctx, o.store, batch, o.clock)
}

// AwaitJob returns when a job has ended, see feed.Feed.AwaitJob.
func (o *Orchestrator) AwaitJob(ctx context.Context, id jobs.ID) (jobs.Job, error) {
	return o.feed.AwaitJob(ctx, id)
}

// AwaitBatch returns when every row of a batch has ended, see feed.Feed.AwaitBatch.
func (o *Orchestrator) AwaitBatch(ctx context.Context, id string) (jobs.Batch, error) {
	return o.feed.AwaitBatch(ctx, id)
}

// Follow tells of events as they happen, see feed.Feed.Follow.
func (o *Orchestrator) Follow(ctx context.Context, f jobs.EventFilter, beat time.Duration, tell func(page []jobs.Event, upTo int64) error) error {
	return o.feed.Follow(ctx, f, beat, tell)
}
