package feed

import (
	"context"
	"errors"
	"fmt"

	"shotline/jobs"
)

// ErrPaused means that an error, such as a refused key, has paused the batch. Its
// jobs make no progress until it is resumed.
var ErrPaused = errors.New("batch is paused")

// WatchBatch is AwaitBatch for a caller that shows the batch to a person. It calls
// progress, which may be nil, whenever the batch might have changed. It also
// returns, with ErrPaused, if an error has paused the batch. After the batch has
// ended it waits a few seconds for the summary, because reasons and costs are
// filled in with it; that the summary does not come is not an error.
func (f *Feed) WatchBatch(ctx context.Context, id string, progress func(jobs.Batch)) (jobs.Batch, error) {
	w := watch{f: f, id: id, progress: progress}
	var err error
	for err == nil {
		if err = w.awaitEnd(ctx); err != nil {
			break
		}
		if err = w.awaitSummary(ctx); w.batch.State == jobs.BatchFinished {
			break // otherwise it was retried while the summary was awaited
		}
	}
	if err != nil && !errors.Is(err, ErrPaused) {
		err = fmt.Errorf("await batch %s: %w", id, err)
	}
	return w.batch, err
}

// watch is one call of WatchBatch.
type watch struct {
	f        *Feed
	id       string
	progress func(jobs.Batch)
	batch    jobs.Batch // as it was last read
}

func (w *watch) read(ctx context.Context) (err error) {
	if w.batch, err = w.f.store.Batch(ctx, w.id); err == nil && w.progress != nil {
		w.progress(w.batch)
	}
	return err
}

func (w *watch) awaitEnd(ctx context.Context) error {
	return w.f.await(ctx, topic{kind: anyChange}, func(ctx context.Context) (ended bool, err error) {
		if err := w.read(ctx); err != nil {
			return false, err
		}
		if w.batch.State == jobs.BatchPaused && w.batch.PauseReason != "" {
			return false, fmt.Errorf("%w: %s", ErrPaused, w.batch.PauseReason)
		}
		return w.batch.State == jobs.BatchFinished, nil
	})
}

// awaitSummary returns when the summary is stored, the batch was retried or the
// time for it is over. The end of ctx is not an error: the batch has ended.
func (w *watch) awaitSummary(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, w.f.summaryTime)
	defer cancel()
	err := w.f.await(ctx, topic{kind: anyChange}, func(ctx context.Context) (ended bool, err error) {
		err = w.read(ctx)
		return w.batch.Summarized == w.batch.Revision || w.batch.State != jobs.BatchFinished, err
	})
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}
