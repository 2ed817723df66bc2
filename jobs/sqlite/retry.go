package sqlite

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"shotline/jobs"
	"shotline/jobs/number"
)

// pickRetried inserts the jobs into closing, so that the statements that move
// counters from one state to another can be used. Here they move from a final
// state to queued, without a closure.
const pickRetried = `INSERT OR IGNORE INTO closing
	(job_seq, ord, attempt, from_state, to_state, late, was_late, was_by, screenshot_id, image_url, error, closed_by, was_corrected)
	SELECT seq, ?, attempt + 1, state, 'queued', 0, late, closed_by, '', '', '', '', corrected FROM jobs
	WHERE seq = ? AND attempt = ? AND instr(?, state) > 0`

// pickPaid picks canceled jobs that have an image that was paid for. If there are
// several images, it picks the newest.
const pickPaid = `INSERT OR IGNORE INTO closing
	(job_seq, ord, attempt, from_state, to_state, late, was_late, was_by, screenshot_id, image_url, error, closed_by, was_corrected)
	SELECT j.seq, ?, s.attempt, j.state, 'done', 1, j.late, j.closed_by, s.screenshot_id, s.image_url, '', s.outcome_by, j.corrected
	FROM jobs j CROSS JOIN submissions s ON s.job_seq = j.seq AND s.extra = 0 AND s.outcome = 'done'
	WHERE j.seq = ? AND j.attempt = ? AND instr(?, j.state) > 0 AND j.state = 'canceled' AND s.attempt >= j.first_attempt
	ORDER BY s.attempt DESC LIMIT 1`

// pickWaiting picks canceled jobs whose screenshot has no result yet.
const pickWaiting = `INSERT OR IGNORE INTO closing
	(job_seq, ord, attempt, from_state, to_state, late, was_late, was_by, screenshot_id, image_url, error, closed_by, was_corrected)
	SELECT seq, ?, attempt, state, 'pending', 0, late, closed_by, '', '', '', '', corrected FROM jobs
	WHERE seq = ? AND attempt = ? AND instr(?, state) > 0 AND state = 'canceled' AND screenshot_id <> ''
	AND EXISTS (SELECT 1 FROM submissions s WHERE s.job_seq = jobs.seq AND s.attempt = jobs.attempt AND s.extra = 0
		AND s.screenshot_id = jobs.screenshot_id AND s.outcome IS NULL)`

// waitAgain keeps the deadline. A job without a deadline gets the current time, so
// that it is looked up at once.
const waitAgain = `UPDATE jobs SET state = 'pending', deadline = coalesce(deadline, ?), closed_by = '', closed_at = NULL, late = 0, corrected = 0, error = '',
	cancel_asked_at = NULL
	FROM closing c WHERE jobs.seq = +c.job_seq AND jobs.state = c.from_state AND c.to_state = 'pending'`

const retryJobs = `UPDATE jobs SET state = 'queued', attempt = c.attempt, closed_by = '', closed_at = NULL, late = 0, corrected = 0,
	screenshot_id = '', image_url = '', error = '', submitted_at = NULL, deadline = NULL,
	cancel_asked_at = NULL
	FROM closing c WHERE jobs.seq = +c.job_seq AND jobs.state = c.from_state AND c.to_state = 'queued'`

const logRetries = `INSERT INTO events (at, type, batch_seq, job_seq, attempt, state)
	SELECT ?1, 'job.retried', job_seq >> 32, job_seq, attempt, CASE to_state WHEN 'pending' THEN to_state ELSE '' END FROM closing ORDER BY ord`

const wakeRetried = `UPDATE batches SET wake_at = min(wake_at, ?) WHERE seq IN (SELECT DISTINCT job_seq >> 32 FROM closing)`

const reopenBatches = `UPDATE batches SET state = 'open', finished_at = NULL
	WHERE state = 'finished' AND seq IN (SELECT DISTINCT job_seq >> 32 FROM closing) RETURNING id`

// Retry implements jobs.Closures.
func (s *Store) Retry(ctx context.Context, retries []jobs.Retry, at time.Time) (jobs.Effects, error) {
	for _, r := range retries {
		for _, from := range r.From {
			if !slices.Contains(jobs.Retriable, from) {
				return jobs.Effects{}, fmt.Errorf("retry job %s: %w: a job that is %q cannot be retried", r.Job, jobs.ErrInvalid, from)
			}
		}
	}
	effects, err := s.afterInbox(ctx, len(retries), at, func(t *tx, effects *jobs.Effects) error {
		return t.retry(retries, at, effects)
	})
	return effects, wrapError(err, "retry %s", number.Of(len(retries), "job"))
}

func (t *tx) retry(retries []jobs.Retry, at time.Time, effects *jobs.Effects) error {
	paid, err := t.pickEach(retries, func(jobs.Retry) []string { return []string{pickPaid} }, func(jobs.ID) {})
	if err != nil {
		return err
	}
	if err := t.finish(paid, at, effects); err != nil {
		return err
	}
	picked, err := t.pickEach(retries, func(r jobs.Retry) []string {
		if r.Waits {
			return []string{pickWaiting, pickRetried}
		}
		return []string{pickRetried}
	}, func(id jobs.ID) { effects.Retried = append(effects.Retried, id) })
	if err != nil || picked == 0 {
		return err
	}
	waiting, err := t.exec(waitAgain, at.UnixMilli())
	if err != nil {
		return fmt.Errorf("wait for jobs again: %w", err)
	}
	queued, err := t.exec(retryJobs)
	if err != nil {
		return fmt.Errorf("queue jobs again: %w", err)
	}
	if waiting+queued != picked {
		return fmt.Errorf("queue jobs again: %d of %d rows changed", waiting+queued, picked)
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

// pickEach fills closing from the retries. For each retry it runs the queries in
// order until one of them picks the job.
func (t *tx) pickEach(retries []jobs.Retry, queries func(jobs.Retry) []string, found func(jobs.ID)) (picked int64, err error) {
	if err := t.control(`DELETE FROM closing`); err != nil {
		return 0, err
	}
	for i, r := range retries {
		seq, err := t.jobSeq(r.Job)
		if err != nil {
			return 0, err
		}
		for _, query := range queries(r) {
			// instr is exact because no name of a final state is part of another one.
			n, err := t.exec(query, i, seq, r.Attempt, joinStates(r.From))
			if err != nil {
				return 0, fmt.Errorf("job %s: %w", r.Job, err)
			}
			if n > 0 {
				found(r.Job)
				picked++
				break
			}
		}
	}
	return picked, nil
}

func joinStates(states []jobs.State) string {
	names := make([]string, len(states))
	for i, state := range states {
		names[i] = string(state)
	}
	return strings.Join(names, " ")
}
