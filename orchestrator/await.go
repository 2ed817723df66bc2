package orchestrator

import (
	"context"
	"errors"
	"fmt"

	"shotline/jobs"
)

// ErrPaused: an error, such as a refused key, has paused the batch; nothing
// goes on until it is resumed.
var ErrPaused = errors.New("batch is paused")

// AwaitJob returns when a job has ended. When ctx ends before, or the feed stops,
// it returns the job as it is then, and an error that is context.Canceled or
// context.DeadlineExceeded.
func (f *Feed) AwaitJob(ctx context.Context, id jobs.ID) (j jobs.Job, err error) {
	err = f.await(ctx, topic{aboutJob, id}, func(ctx context.Context) (ended bool, err error) {
		j, err = f.store.Job(ctx, id)
		return err == nil && !j.State.Open(), err
	})
	if err != nil {
		return j, fmt.Errorf("await job %s: %w", id, err)
	}
	return j, nil
}

// AwaitBatch returns when every row of a batch has ended; its summary may still be
// owed. Otherwise it is like AwaitJob.
func (f *Feed) AwaitBatch(ctx context.Context, id string) (b jobs.Batch, err error) {
	err = f.await(ctx, topic{aboutBatch, jobs.ID{Batch: id}}, func(ctx context.Context) (ended bool, err error) {
		b, err = f.store.Batch(ctx, id)
		return err == nil && b.State == jobs.BatchFinished, err
	})
	if err != nil {
		return b, fmt.Errorf("await batch %s: %w", id, err)
	}
	return b, nil
}

// Attend is AwaitBatch for somebody who looks on: progress, when not nil, is told
// of the batch whenever it may have changed. It also returns, with ErrPaused, when
// an error has paused the batch. A batch that has ended gets a few seconds more
// for its summary, since reasons and costs are filled in with it.
func (f *Feed) Attend(ctx context.Context, id string, progress func(jobs.Batch)) (b jobs.Batch, err error) {
	read := func(ctx context.Context) (err error) {
		if b, err = f.store.Batch(ctx, id); err == nil && progress != nil {
			progress(b)
		}
		return err
	}
	for err == nil {
		if err = f.attendEnd(ctx, read, &b); err != nil {
			break
		}
		if err = f.attendSummary(ctx, read, &b); b.State == jobs.BatchFinished {
			break // and was not retried meanwhile
		}
	}
	if err != nil && !errors.Is(err, ErrPaused) {
		err = fmt.Errorf("await batch %s: %w", id, err)
	}
	return b, err
}

func (f *Feed) attendEnd(ctx context.Context, read func(context.Context) error, b *jobs.Batch) error {
	return f.await(ctx, topic{of: aboutChange}, func(ctx context.Context) (ended bool, err error) {
		if err := read(ctx); err != nil {
			return false, err
		}
		if b.State == jobs.BatchPaused && b.PauseReason != "" {
			return false, fmt.Errorf("%w: %s", ErrPaused, b.PauseReason)
		}
		return b.State == jobs.BatchFinished, nil
	})
}

// attendSummary gives up without an error: the batch has ended all the same.
func (f *Feed) attendSummary(ctx context.Context, read func(context.Context) error, b *jobs.Batch) error {
	ctx, cancel := context.WithTimeout(ctx, f.summary)
	defer cancel()
	err := f.await(ctx, topic{of: aboutChange}, func(ctx context.Context) (ended bool, err error) {
		err = read(ctx)
		return b.Summarized == b.Revision || b.State != jobs.BatchFinished, err
	})
	if waitIsOver(err) {
		return nil
	}
	return err
}

// waitIsOver reports whether a wait ended because its time was up, or somebody
// did not want to wait any longer.
func waitIsOver(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// await looks whenever something happened on a topic, and once more when the wait
// is over.
func (f *Feed) await(ctx context.Context, t topic, look func(context.Context) (ended bool, err error)) error {
	read := context.WithoutCancel(ctx)
	w, err := f.join(read, t)
	if err != nil {
		return err
	}
	defer f.leave(w)
	for over := error(nil); ; {
		ended, err := look(read)
		if ended || err != nil {
			return err
		}
		if over != nil {
			return over
		}
		select {
		case <-w.woken:
		case <-ctx.Done():
			over = ctx.Err()
		case <-f.stopping.Done():
			over = f.stopping.Err()
		}
	}
}
