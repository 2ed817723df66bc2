package sqlite

import (
	"context"
	"fmt"
	"time"

	"shotline/jobs"
	"shotline/jobs/number"
)

// canceledReason is the error of a job that was canceled.
const canceledReason = "canceled on request"

// createUnderWay is true if the create of a job's attempt might have been sent
// and is not settled: its intent is open or in doubt.
const createUnderWay = `EXISTS (SELECT 1 FROM submissions s WHERE s.job_seq = jobs.seq AND s.attempt = jobs.attempt
	AND s.extra = 0 AND s.intent_at IS NOT NULL AND s.screenshot_id IS NULL)`

const pickCanceled = `INSERT OR IGNORE INTO closing
	(job_seq, ord, attempt, from_state, to_state, late, was_late, was_by, screenshot_id, image_url, error, closed_by)
	SELECT seq, ?1, attempt, state, 'canceled', 0, late, closed_by, '', '', ?2, 'cancel' FROM jobs
	WHERE seq = ?3 AND `

// pickCancelable picks a job that can be canceled at once, because nothing was
// sent for its attempt or its screenshot is known.
const pickCancelable = pickCanceled + `(state IN ('queued', 'pending') OR state = 'submitting' AND NOT ` + createUnderWay + `)`

// pickAskedToCancel picks a job that Cancel could only mark, if it is now queued
// again or has its screenshot.
const pickAskedToCancel = pickCanceled + `state IN ('queued', 'pending') AND cancel_asked_at IS NOT NULL`

const askToCancel = `UPDATE jobs SET cancel_asked_at = coalesce(cancel_asked_at, ?1)
	WHERE seq = ?2 AND state = 'submitting' AND ` + createUnderWay

// Cancel implements jobs.Closures.
func (s *Store) Cancel(ctx context.Context, ids []jobs.ID, at time.Time) (jobs.Effects, error) {
	effects, err := s.afterInbox(ctx, len(ids), at, func(t *tx, effects *jobs.Effects) error {
		return t.cancel(ids, at, effects)
	})
	return effects, wrapError(err, "cancel %s", number.Of(len(ids), "job"))
}

func (t *tx) cancel(ids []jobs.ID, at time.Time, effects *jobs.Effects) error {
	if err := t.control(`DELETE FROM closing`); err != nil {
		return err
	}
	var picked int64
	for i, id := range ids {
		seq, importing, err := t.workSeq(id)
		if err != nil {
			return err
		}
		if importing {
			return fmt.Errorf("job %s: %w: its batch is importing", id, jobs.ErrState)
		}
		n, err := t.exec(pickCancelable, i, canceledReason, seq)
		if err != nil {
			return fmt.Errorf("job %s: %w", id, err)
		}
		marked, err := t.exec(askToCancel, at.UnixMilli(), seq)
		if err != nil {
			return fmt.Errorf("job %s: %w", id, err)
		}
		picked += n
		effects.Canceling += int(marked)
	}
	return t.finish(picked, at, effects)
}

// cancelAsked cancels those of the jobs that somebody asked to cancel while their
// create was under way. The create must be settled by now, without a result.
func (t *tx) cancelAsked(seqs []int64, at time.Time, effects *jobs.Effects) error {
	if len(seqs) == 0 {
		return nil
	}
	if err := t.control(`DELETE FROM closing`); err != nil {
		return err
	}
	var picked int64
	for i, seq := range seqs {
		n, err := t.exec(pickAskedToCancel, i, canceledReason, seq)
		if err != nil {
			return err
		}
		picked += n
	}
	return t.finish(picked, at, effects)
}
