package orchestrator

import (
	"context"

	"shotline/jobs"
)

// The methods here are what other programs ask for over HTTP. They are RetryJob
// and Cancel with this orchestrator's store, vendor and clock.

// RetryJob queues an ended job again, see the function RetryJob.
func (o *Orchestrator) RetryJob(ctx context.Context, id jobs.ID) (jobs.RetryCounts, error) {
	return RetryJob(ctx, o.store, o, id, jobs.Retriable, o.clock)
}

// CancelJob cancels a job, see Cancel.
func (o *Orchestrator) CancelJob(ctx context.Context, id jobs.ID) (jobs.CancelCounts, error) {
	return Cancel(ctx, o.store, []jobs.ID{id}, o.clock)
}
