package orchestrator

import (
	"context"

	"shotline/jobs"
)

// The methods here are what other programs ask for over HTTP. They are Import,
// RetryJob, RetryBatch, Cancel and CancelBatch with this orchestrator's store,
// vendor and clock.

// ImportBatch makes a batch of all requests and opens it, see Import.
func (o *Orchestrator) ImportBatch(ctx context.Context, spec jobs.BatchSpec, next func() (jobs.Request, error)) (jobs.Batch, error) {
	return Import(ctx, o.store, spec, nextRequest(next), o.clock, nil)
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
