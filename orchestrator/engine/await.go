package engine

import (
	"context"

	"shotline/jobs"
	"shotline/orchestrator"
)

// Await returns when a job has ended, whoever works on it and however: Job.State
// tells. When ctx or the engine ends first, the job as last seen comes with the
// error. An id that is no job's is jobs.ErrNotFound.
func (e *Engine) Await(ctx context.Context, id jobs.ID) (jobs.Job, error) {
	return within(ctx, e.calls, func(ctx context.Context) (jobs.Job, error) {
		return orchestrator.AwaitJob(ctx, e.store, id, clock)
	})
}

// AwaitBatch returns when every row of a batch has ended. When ctx or the engine
// ends first, the batch as last seen comes with the error.
func (e *Engine) AwaitBatch(ctx context.Context, id string) (jobs.Batch, error) {
	return within(ctx, e.calls, func(ctx context.Context) (jobs.Batch, error) {
		return orchestrator.Await(ctx, e.store, id, clock, nil)
	})
}
