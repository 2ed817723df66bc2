package orchestrator

import (
	"context"
	"fmt"
	"slices"
	"time"

	"shotline/jobs"
)

const (
	// retryChunk is up to how many jobs the vendor is asked about together: the
	// more at once, the sooner a listing is cheaper. Little is kept of each.
	retryChunk = 10_000
	// retryPage is how many jobs one short transaction queues again.
	retryPage = 500
)

// Retries is what retrying needs of the store.
type Retries interface {
	Batch(ctx context.Context, id string) (jobs.Batch, error)
	Job(ctx context.Context, id jobs.ID) (jobs.Job, error)
	Jobs(ctx context.Context, f jobs.JobFilter) ([]jobs.Job, error)
	Retry(ctx context.Context, retries []jobs.Retry, at time.Time) (jobs.Effects, error)
}

// Asker asks the vendor about jobs of one batch that have ended and may have a
// picture after all, and records what it says. It returns those about which there was no answer.
type Asker interface {
	Ask(ctx context.Context, b jobs.Batch, timedOut []jobs.Job) (unasked []jobs.Job, err error)
}

var _ Asker = (*Orchestrator)(nil)

// retrier is one call's work.
type retrier struct {
	store   Retries
	asker   Asker
	clock   Clock
	batch   jobs.Batch
	failure error // of the vendor; it is not asked any more then
	jobs.RetryCounts
}

// RetryBatch queues the jobs of a batch that have ended in one of the states
// again. About those that timed out, and those that failed by a contradicted result,
// the vendor is asked before: a picture that turns out done closes its job, as late
// or as a correction; what failed, is still processing or unknown is sent again. A
// jobs.ErrUnasked comes with what was done all the same. The asker may be nil when
// there is no access to the vendor; only these jobs need one.
func RetryBatch(ctx context.Context, store Retries, asker Asker, batch string, states []jobs.State, clock Clock) (jobs.RetryCounts, error) {
	r := retrier{store: store, asker: asker, clock: clock}
	var err error
	if r.batch, err = store.Batch(ctx, batch); err == nil && r.batch.State == jobs.BatchImporting {
		err = fmt.Errorf("%w: it is importing", jobs.ErrState)
	}
	if err != nil {
		return r.RetryCounts, fmt.Errorf("retry batch %s: %w", batch, err)
	}
	filter := jobs.JobFilter{Batch: batch, States: states, Limit: retryPage}
	var chunk []jobs.Job
	for {
		page, err := store.Jobs(ctx, filter)
		if err != nil {
			return r.RetryCounts, err
		}
		for _, j := range page {
			chunk = append(chunk, jobs.Job{ID: j.ID, State: j.State, Attempt: j.Attempt, ScreenshotID: j.ScreenshotID,
				Conflicts: j.Conflicts, VendorSays: j.VendorSays})
		}
		if len(page) < retryPage || len(chunk) >= retryChunk {
			if err := r.retry(ctx, chunk); err != nil {
				return r.RetryCounts, err
			}
			chunk = chunk[:0]
		}
		if len(page) < retryPage {
			return r.RetryCounts, r.unasked()
		}
		filter.After = page[len(page)-1].ID
	}
}

// RetryJob does for one job what RetryBatch does for many. A job in none of the
// states is left alone.
func RetryJob(ctx context.Context, store Retries, asker Asker, id jobs.ID, states []jobs.State, clock Clock) (jobs.RetryCounts, error) {
	r := retrier{store: store, asker: asker, clock: clock}
	j, err := store.Job(ctx, id)
	if err == nil {
		r.batch, err = store.Batch(ctx, id.Batch)
	}
	if err != nil {
		return r.RetryCounts, fmt.Errorf("retry job %s: %w", id, err)
	}
	if !slices.Contains(states, j.State) {
		r.Left++
		return r.RetryCounts, nil
	}
	if err := r.retry(ctx, []jobs.Job{j}); err != nil {
		return r.RetryCounts, err
	}
	return r.RetryCounts, r.unasked()
}

func (r *retrier) unasked() error {
	switch {
	case r.Unasked == 0:
		return nil
	case r.failure == nil:
		return fmt.Errorf("%w about %d jobs that may have a picture; they were not retried", jobs.ErrUnasked, r.Unasked)
	default:
		return fmt.Errorf("%w about %d jobs that may have a picture; they were not retried: %w", jobs.ErrUnasked, r.Unasked, r.failure)
	}
}

// retry asks about the jobs that timed out, and queues again what may be.
func (r *retrier) retry(ctx context.Context, chunk []jobs.Job) error {
	unasked := map[jobs.ID]bool{}
	for _, j := range r.ask(ctx, chunk) {
		unasked[j.ID] = true
	}
	r.Unasked += len(unasked)
	retries := make([]jobs.Retry, 0, len(chunk))
	for _, j := range chunk {
		if unasked[j.ID] {
			continue
		}
		from := []jobs.State{j.State}
		if j.State == jobs.TimedOut {
			from = append(from, jobs.Failed) // as the vendor may have said
		}
		retries = append(retries, jobs.Retry{Job: j.ID, Attempt: j.Attempt, From: from})
	}
	for page := range slices.Chunk(retries, retryPage) {
		effects, err := r.store.Retry(ctx, page, r.clock.Now())
		if err != nil {
			return err
		}
		r.Queued += len(effects.Retried)
		if err := r.countOthers(ctx, page, effects.Retried); err != nil {
			return err
		}
	}
	return nil
}

// ask returns the jobs that must not be sent again, for want of an answer.
func (r *retrier) ask(ctx context.Context, chunk []jobs.Job) (unasked []jobs.Job) {
	var timedOut []jobs.Job
	for _, j := range chunk {
		if (j.State == jobs.TimedOut || mayBeFalse(j)) && j.ScreenshotID != "" {
			timedOut = append(timedOut, j)
		}
	}
	if len(timedOut) == 0 {
		return nil
	}
	if r.asker == nil || r.failure != nil {
		return timedOut
	}
	unasked, r.failure = r.asker.Ask(ctx, r.batch, timedOut)
	return unasked
}

// mayBeFalse reports whether the vendor has still to say that a failed job failed.
func mayBeFalse(j jobs.Job) bool {
	return j.State == jobs.Failed && j.Conflicts > 0 && (j.VendorSays == jobs.OutcomeNone || j.VendorSays == jobs.OutcomeProcessing)
}

// countOthers looks at the jobs that the guard passed over.
func (r *retrier) countOthers(ctx context.Context, page []jobs.Retry, retried []jobs.ID) error {
	again := make(map[jobs.ID]bool, len(retried))
	for _, id := range retried {
		again[id] = true
	}
	for _, asked := range page {
		if again[asked.Job] {
			continue
		}
		j, err := r.store.Job(ctx, asked.Job)
		if err != nil {
			return err
		}
		if j.State == jobs.Done {
			r.Done++
		} else {
			r.Left++
		}
	}
	return nil
}

// Ask implements Asker. It goes by a listing or one by one, whichever takes
// fewer calls. That the vendor does not know a screenshot is an answer.
func (o *Orchestrator) Ask(ctx context.Context, b jobs.Batch, timedOut []jobs.Job) (unasked []jobs.Job, err error) {
	m := newMatcher(timedOut)
	unknown, err := o.ask(ctx, b, m, timedOut, true, o.recorder(ctx, b))
	for _, j := range unknown {
		delete(m.missing, j.ID)
	}
	for _, j := range timedOut {
		if m.missing[j.ID] {
			unasked = append(unasked, j)
		}
	}
	return unasked, err
}
