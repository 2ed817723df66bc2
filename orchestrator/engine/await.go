package engine

import (
	"context"

	"shotline/jobs"
)

// Await returns when a job has ended, whoever works on it and however: Job.State
// tells. The picture of one that is done is at Job.ImageURL, or without that to be
// had from Client's Thumbnail by Job.ScreenshotID. When ctx or the engine ends
// first, the job as it is then comes with the error. An id that is no job's is
// jobs.ErrNotFound. It may take long: while an error, such as a refused key, pauses
// the job's batch, nothing goes on.
func (e *Engine) Await(ctx context.Context, id jobs.ID) (jobs.Job, error) {
	return within(ctx, e.calls, func(ctx context.Context) (jobs.Job, error) {
		return e.orchestrator.AwaitJob(ctx, id)
	})
}

// AwaitBatch returns when every row of a batch has ended; its summary may still be
// owed. When ctx or the engine ends first, the batch as it is then comes with the
// error.
func (e *Engine) AwaitBatch(ctx context.Context, id string) (jobs.Batch, error) {
	return within(ctx, e.calls, func(ctx context.Context) (jobs.Batch, error) {
		return e.orchestrator.AwaitBatch(ctx, id)
	})
}
