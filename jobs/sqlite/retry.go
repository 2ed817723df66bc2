package sqlite

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"shotline/jobs"
)

// pickRetried lays the jobs into closing, which knows how to move counters from
// one state to another: here from a final one to queued, and without a closure.
const pickRetried = `INSERT OR IGNORE INTO closing
	(job_seq, ord, attempt, from_state, to_state, late, was_late, was_by, screenshot_id, image_url, error, closed_by, was_corrected)
	SELECT seq, ?, attempt + 1, state, 'queued', 0, late, closed_by, '', '', '', '', corrected FROM jobs
	WHERE seq = ? AND attempt = ? AND instr(?, state) > 0`

const retryJobs = `UPDATE jobs SET state = 'queued', attempt = c.attempt, closed_by = '', closed_at = NULL, late = 0, corrected = 0,
	screenshot_id = '', image_url = '', error = '', submitted_at = NULL, deadline = NULL,
	cancel_asked_at = NULL
	FROM closing c WHERE jobs.seq = +c.job_seq AND jobs.state = c.from_state`

const logRetries = `INSERT INTO events (at, type, batch_seq, job_seq, attempt)
	SELECT ?1, 'job.retried', job_seq >> 32, job_seq, attempt FROM closing ORDER BY ord`

const wakeRetried = `UPDATE batches SET wake_at = min(wake_at, ?) WHERE seq IN (SELECT DISTINCT job_seq >> 32 FROM closing)`

const reopenBatches = `UPDATE batches SET state = 'open', finished_at = NULL
	WHERE state = 'finished' AND seq IN (SELECT DISTINCT job_seq >> 32 FROM closing) RETURNING id`

// Retry implements jobs.Closures.
func (s *Store) Retry(ctx context.Context, retries []jobs.Retry, at time.Time) (jobs.Effects, error) {
	for _, r := range retries {
		for _, from := range r.From {
			if !slices.Contains(jobs.Retriable, from) {
				return jobs.Effects{}, fmt.Errorf("retry job %s: %w: %q is not retried", r.Job, jobs.ErrInvalid, from)
			}
		}
	}
	effects, err := s.afterInbox(ctx, len(retries), at, func(t *tx, effects *jobs.Effects) error {
		return t.retry(retries, at, effects)
	})
	return effects, wrapError(err, "retry %d jobs", len(retries))
}

func (t *tx) retry(retries []jobs.Retry, at time.Time, effects *jobs.Effects) error {
	if err := t.control(`DELETE FROM closing`); err != nil {
		return err
	}
	var picked int64
	for i, r := range retries {
		seq, err := t.jobSeq(r.Job)
		if err != nil {
			return err
		}
		// No final state's name is part of another's.
		n, err := t.exec(pickRetried, i, seq, r.Attempt, joinStates(r.From))
		if err != nil {
			return fmt.Errorf("job %s: %w", r.Job, err)
		}
		if n > 0 {
			effects.Retried = append(effects.Retried, r.Job)
		}
		picked += n
	}
	if picked == 0 {
		return nil
	}
	changed, err := t.exec(retryJobs)
	if err != nil {
		return fmt.Errorf("queue jobs again: %w", err)
	}
	if changed != picked {
		return fmt.Errorf("queue jobs again: %d of %d rows changed", changed, picked)
	}
	if _, err := t.exec(logRetries, at.UnixMilli()); err != nil {
		return fmt.Errorf("log retries: %w", err)
	}
	if _, err := t.exec(countClosings); err != nil {
		return fmt.Errorf("count retries: %w", err)
	}
	if _, err := t.exec(wakeRetried, at.UnixMilli()); err != nil {
		return fmt.Errorf("wake batches: %w", err)
	}
	err = t.each(func(row scanner) error {
		var id string
		err := row.Scan(&id)
		effects.Reopened = append(effects.Reopened, id)
		return err
	}, reopenBatches)
	if err != nil {
		return fmt.Errorf("open batches again: %w", err)
	}
	return nil
}

func joinStates(states []jobs.State) string {
	names := make([]string, len(states))
	for i, state := range states {
		names[i] = string(state)
	}
	return strings.Join(names, " ")
}
