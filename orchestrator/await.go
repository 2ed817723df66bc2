package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"shotline/jobs"
)

// ErrPaused: an error, such as a refused key, has paused the batch; nothing
// goes on until it is resumed.
var ErrPaused = errors.New("batch is paused")

// Awaited is what waiting needs of the store.
type Awaited interface {
	Batch(ctx context.Context, id string) (jobs.Batch, error)
	DataVersion(ctx context.Context) (int64, error)
}

// Await returns when every row of the batch has ended, when ctx ends, or, with
// ErrPaused, when an error has paused the batch; the batch as last seen comes
// with any of them. A batch that has ended gets a few seconds more for its
// summary, since reasons and costs are filled in with it. Progress, when not
// nil, is told of every change. It needs no orchestrator: any process may wait.
func Await(ctx context.Context, store Awaited, id string, clock Clock, progress func(jobs.Batch)) (jobs.Batch, error) {
	read := context.WithoutCancel(ctx) // a wait that is over still looks once
	seen := int64(-1)
	var b jobs.Batch
	var ended time.Time
	for {
		version, err := store.DataVersion(read)
		if err != nil {
			return b, fmt.Errorf("await batch %s: %w", id, err)
		}
		if version != seen {
			seen = version
			if b, err = store.Batch(read, id); err != nil {
				return b, fmt.Errorf("await batch %s: %w", id, err)
			}
			if progress != nil {
				progress(b)
			}
		}
		switch {
		case b.State == jobs.BatchPaused && b.PauseReason != "":
			return b, fmt.Errorf("%w: %s", ErrPaused, b.PauseReason)
		case b.State != jobs.BatchFinished:
		case b.Summarized == b.Revision, !ended.IsZero() && clock.Now().Sub(ended) > awaitSummary:
			return b, nil
		case ended.IsZero():
			ended = clock.Now()
		}
		if err := clock.Sleep(ctx, awaitEvery); err != nil {
			return b, err
		}
	}
}

const (
	awaitEvery   = 20 * time.Millisecond
	awaitSummary = 3 * time.Second
)

// AwaitJob returns when a job has ended, or with the job as last seen when ctx
// ends.
func AwaitJob(ctx context.Context, store interface {
	Job(ctx context.Context, id jobs.ID) (jobs.Job, error)
	DataVersion(ctx context.Context) (int64, error)
}, id jobs.ID, clock Clock) (jobs.Job, error) {
	read := context.WithoutCancel(ctx)
	seen := int64(-1)
	var j jobs.Job
	for {
		version, err := store.DataVersion(read)
		if err == nil && version != seen {
			seen = version
			j, err = store.Job(read, id)
		}
		if err != nil {
			return j, fmt.Errorf("await job %s: %w", id, err)
		}
		if !j.State.Open() {
			return j, nil
		}
		if err := clock.Sleep(ctx, awaitEvery); err != nil {
			return j, err
		}
	}
}
