package orchestrator

import (
	"context"
	"fmt"
	"slices"
	"time"

	"shotline/jobs"
	"shotline/jobs/number"
)

const (
	// retryChunk is about how many jobs the vendor is queried at once. The more
	// there are, the sooner a listing takes fewer calls. Little memory is kept for
	// each.
	retryChunk = 10_000
	// retryPage is how many jobs one short transaction queues again.
	retryPage = 500
)

// RetryStore is the part of the store that retrying needs.
type RetryStore interface {
	Batch(ctx context.Context, id string) (jobs.Batch, error)
	Job(ctx context.Context, id jobs.ID) (jobs.Job, error)
	Jobs(ctx context.Context, f jobs.JobFilter) ([]jobs.Job, error)
	Retry(ctx context.Context, retries []jobs.Retry, at time.Time) (jobs.Effects, error)
}

// Checker queries the vendor about ended jobs of one batch that might have an image
// after all, and records the answers.
type Checker interface {
	Check(ctx context.Context, b jobs.Batch, ended []jobs.Job) (Checked, error)
}

// Checked is the result of a Checker, in addition to the recorded answers.
type Checked struct {
	Unchecked []jobs.Job // not checked, because there is no answer
	Waiting   []jobs.Job // canceled ones whose screenshot is still processing, before the end of its grace
}

var _ Checker = (*Orchestrator)(nil)

// retrier holds the state of one retry.
type retrier struct {
	store   RetryStore
	checker Checker
	clock   Clock
	batch   jobs.Batch
	failure error // the vendor's error, after which it is not queried again
	jobs.RetryCounts
}

// RetryBatch queues the jobs of a batch again that ended in one of the states.
// Before that, it queries the vendor about jobs that might have an image: those
// that timed out, those that failed by a contradicted result, those that have a
// screenshot although their create was refused, and those that were canceled when
// they had a screenshot. If the screenshot turns out done, that closes the job,
// as a late result or as a correction. If it failed, is still processing or
// unknown, the job is sent again, except a canceled job whose screenshot is still
// processing in its time: that job waits for it again. If the vendor cannot be
// queried, RetryBatch returns a jobs.ErrUnchecked together with the counts. The
// checker may be nil if there is no access to the vendor; only the jobs that
// might have an image need it.
func RetryBatch(ctx context.Context, store RetryStore, checker Checker, batch string, states []jobs.State, clock Clock) (jobs.RetryCounts, error) {
	r := retrier{store: store, checker: checker, clock: clock}
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
				SubmittedAt: j.SubmittedAt, Timeout: j.Timeout, ClosedBy: j.ClosedBy, Conflicts: j.Conflicts, VendorSays: j.VendorSays})
		}
		if len(page) < retryPage || len(chunk) >= retryChunk {
			if err := r.retry(ctx, chunk); err != nil {
				return r.RetryCounts, err
			}
			chunk = chunk[:0]
		}
		if len(page) < retryPage {
			return r.RetryCounts, r.uncheckedError()
		}
		filter.After = page[len(page)-1].ID
	}
}

// RetryJob is RetryBatch for one job. A job in none of the states is left alone.
func RetryJob(ctx context.Context, store RetryStore, checker Checker, id jobs.ID, states []jobs.State, clock Clock) (jobs.RetryCounts, error) {
	r := retrier{store: store, checker: checker, clock: clock}
	j, err := store.Job(ctx, id)
	if err == nil {
		r.batch, err = store.Batch(ctx, id.Batch)
	}
	if err != nil {
		return r.RetryCounts, fmt.Errorf("retry job %s: %w", id, err)
	}
	if !slices.Contains(states, j.State) {
		r.Skipped++
		return r.RetryCounts, nil
	}
	if err := r.retry(ctx, []jobs.Job{j}); err != nil {
		return r.RetryCounts, err
	}
	return r.RetryCounts, r.uncheckedError()
}

// RetryBatch calls the function RetryBatch with the orchestrator's parts.
func (o *Orchestrator) RetryBatch(ctx context.Context, batch string, states []jobs.State) (jobs.RetryCounts, error) {
	return RetryBatch(ctx, o.store, o, batch, states, o.clock)
}

// RetryJob calls the function RetryJob with the orchestrator's parts, for a job in
// any state that can be retried.
func (o *Orchestrator) RetryJob(ctx context.Context, id jobs.ID) (jobs.RetryCounts, error) {
	return RetryJob(ctx, o.store, o, id, jobs.Retriable, o.clock)
}

func (r *retrier) uncheckedError() error {
	switch {
	case r.Unchecked == 0:
		return nil
	case r.failure == nil:
		return fmt.Errorf("%w about %s that might have an image; retry them later", jobs.ErrUnchecked, number.Of(r.Unchecked, "job"))
	default:
		return fmt.Errorf("%w about %s that might have an image; retry them later: %w", jobs.ErrUnchecked, number.Of(r.Unchecked, "job"), r.failure)
	}
}

// retry queries the vendor about the jobs that might have an image, and queues
// again those that may be sent again.
func (r *retrier) retry(ctx context.Context, chunk []jobs.Job) error {
	answers := r.check(ctx, chunk)
	unchecked, waiting := idsOf(answers.Unchecked), idsOf(answers.Waiting)
	r.Unchecked += len(unchecked)
	retries := make([]jobs.Retry, 0, len(chunk))
	for _, j := range chunk {
		if unchecked[j.ID] {
			continue
		}
		from := []jobs.State{j.State}
		if j.State == jobs.TimedOut {
			from = append(from, jobs.Failed) // the vendor might have reported that
		}
		retries = append(retries, jobs.Retry{Job: j.ID, Attempt: j.Attempt, From: from, Waits: waiting[j.ID]})
	}
	for page := range slices.Chunk(retries, retryPage) {
		effects, err := r.store.Retry(ctx, page, r.clock.Now())
		if err != nil {
			return err
		}
		if err := r.count(ctx, page, effects.Retried); err != nil {
			return err
		}
	}
	return nil
}

func idsOf(of []jobs.Job) map[jobs.ID]bool {
	ids := make(map[jobs.ID]bool, len(of))
	for _, j := range of {
		ids[j.ID] = true
	}
	return ids
}

// mayBeFalse reports whether a failed job might have an image: the vendor has not
// settled its contradictory results, or a create of the job was refused after an
// earlier one had an effect.
func mayBeFalse(j jobs.Job) bool {
	unsettled := j.Conflicts > 0 && (j.VendorSays == jobs.OutcomeNone || j.VendorSays == jobs.OutcomeProcessing)
	return j.State == jobs.Failed && (unsettled || j.ClosedBy == jobs.BySubmit)
}

// check queries the vendor about the jobs of the chunk that might have an image.
func (r *retrier) check(ctx context.Context, chunk []jobs.Job) (checked Checked) {
	var paid []jobs.Job
	for _, j := range chunk {
		if (j.State == jobs.TimedOut || j.State == jobs.Canceled || mayBeFalse(j)) && j.ScreenshotID != "" {
			paid = append(paid, j)
		}
	}
	if len(paid) == 0 {
		return Checked{}
	}
	if r.checker == nil || r.failure != nil {
		return Checked{Unchecked: paid}
	}
	checked, r.failure = r.checker.Check(ctx, r.batch, paid)
	return checked
}

// count counts the results of a page, including jobs that the guard skipped.
func (r *retrier) count(ctx context.Context, page []jobs.Retry, retried []jobs.ID) error {
	again := make(map[jobs.ID]bool, len(retried))
	for _, id := range retried {
		again[id] = true
	}
	for _, wanted := range page {
		if again[wanted.Job] && !wanted.Waits {
			r.Queued++
			continue
		}
		j, err := r.store.Job(ctx, wanted.Job)
		if err != nil {
			return err
		}
		switch {
		case again[wanted.Job] && j.Attempt == wanted.Attempt:
			r.Waiting++
		case again[wanted.Job]: // its screenshot has failed meanwhile
			r.Queued++
		case j.State == jobs.Done:
			r.Done++
		default:
			r.Skipped++
		}
	}
	return nil
}

// Check implements Checker. It uses a listing or single calls, whichever takes
// fewer calls. An unknown screenshot is an answer.
func (o *Orchestrator) Check(ctx context.Context, b jobs.Batch, ended []jobs.Job) (checked Checked, err error) {
	m, processing, unrecorded := newMatcher(ended), map[string]bool{}, map[jobs.ID]bool{}
	l := o.lookup(o.vendor, b)
	unknown, err := l.query(ctx, m, ended, true, func(found []jobs.Observation) error {
		for _, seen := range found {
			processing[seen.ScreenshotID] = seen.Outcome == jobs.OutcomeProcessing
		}
		err := l.record(ctx, found)
		if err != nil { // an answer counts only if it is recorded
			for _, seen := range found {
				unrecorded[seen.Job] = true
			}
		}
		return err
	})
	for _, j := range unknown {
		delete(m.missing, j.ID)
	}
	now := o.clock.Now()
	for _, j := range ended {
		switch {
		case m.missing[j.ID] || unrecorded[j.ID]:
			checked.Unchecked = append(checked.Unchecked, j)
		case j.State == jobs.Canceled && processing[j.ScreenshotID] && now.Before(o.graceEnd(b, j)):
			checked.Waiting = append(checked.Waiting, j)
		}
	}
	return checked, err
}
