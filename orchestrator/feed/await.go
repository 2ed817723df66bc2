package feed

import (
	"context"
	"fmt"

	"shotline/jobs"
)

// AwaitJob returns when a job has ended. If ctx ends or the feed stops before, it
// returns the job in its present state, and an error that is context.Canceled or
// context.DeadlineExceeded.
func (f *Feed) AwaitJob(ctx context.Context, id jobs.ID) (j jobs.Job, err error) {
	err = f.await(ctx, topic{jobEvent, id}, func(ctx context.Context) (ended bool, err error) {
		j, err = f.store.Job(ctx, id)
		return err == nil && !j.State.Open(), err
	})
	if err != nil {
		return j, fmt.Errorf("await job %s: %w", id, err)
	}
	return j, nil
}

// AwaitBatch returns when every row of a batch has ended; its summary might not be
// stored yet. Otherwise it is like AwaitJob.
func (f *Feed) AwaitBatch(ctx context.Context, id string) (b jobs.Batch, err error) {
	err = f.await(ctx, topic{batchEvent, jobs.ID{Batch: id}}, func(ctx context.Context) (ended bool, err error) {
		b, err = f.store.Batch(ctx, id)
		return err == nil && b.State == jobs.BatchFinished, err
	})
	if err != nil {
		return b, fmt.Errorf("await batch %s: %w", id, err)
	}
	return b, nil
}

// await calls read at the start, whenever something happened on the topic, and
// once more after ctx or the feed has ended. It returns when read reports the end
// or an error. read gets a context that does not end with ctx.
func (f *Feed) await(ctx context.Context, t topic, read func(context.Context) (ended bool, err error)) error {
	reading := context.WithoutCancel(ctx)
	s, err := f.subscribe(reading, t)
	if err != nil {
		return err
	}
	defer f.unsubscribe(s)
	for over := error(nil); ; {
		ended, err := read(reading)
		if ended || err != nil {
			return err
		}
		if over != nil {
			return over
		}
		select {
		case <-s.woken:
		case <-ctx.Done():
			over = ctx.Err()
		case <-f.stopping.Done():
			over = f.stopping.Err()
		}
	}
}
