package orchestrator

import (
	"context"
	"time"

	"shotline/jobs"
)

// AwaitJob returns when a job has ended; see feed.Feed.AwaitJob.
func (o *Orchestrator) AwaitJob(ctx context.Context, id jobs.ID) (jobs.Job, error) {
	return o.feed.AwaitJob(ctx, id)
}

// AwaitBatch returns when every row of a batch has ended; see feed.Feed.AwaitBatch.
func (o *Orchestrator) AwaitBatch(ctx context.Context, id string) (jobs.Batch, error) {
	return o.feed.AwaitBatch(ctx, id)
}

// Follow passes events to send as they happen; see feed.Feed.Follow.
func (o *Orchestrator) Follow(ctx context.Context, f jobs.EventFilter, beat time.Duration, send func(page []jobs.Event, upTo int64) error) error {
	return o.feed.Follow(ctx, f, beat, send)
}
