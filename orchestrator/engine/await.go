package engine

import (
	"context"

	"shotline/jobs"
)

// Await returns a job when it has ended, with any state and whichever process
// worked on it. The image of a done job is at Job.ImageURL. If that is empty,
// Thumbnail of Client returns the image by Job.ScreenshotID. If ctx or the engine
// ends first, Await returns the job as it is then, with the error. An unknown id
// is jobs.ErrNotFound. Await can take long: while an error, such as a refused
// key, pauses the job's batch, the job makes no progress.
func (e *Engine) Await(ctx context.Context, id jobs.ID) (jobs.Job, error) {
	return within(ctx, e.calls, func(ctx context.Context) (jobs.Job, error) {
		return e.orchestrator.AwaitJob(ctx, id)
	})
}

// AwaitBatch returns a batch when all its rows have ended. Its summary might not
// be written yet. If ctx or the engine ends first, AwaitBatch returns the batch
// as it is then, with the error.
func (e *Engine) AwaitBatch(ctx context.Context, id string) (jobs.Batch, error) {
	return within(ctx, e.calls, func(ctx context.Context) (jobs.Batch, error) {
		return e.orchestrator.AwaitBatch(ctx, id)
	})
}
