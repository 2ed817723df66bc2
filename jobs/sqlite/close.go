package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"time"

	"shotline/jobs"
	"shotline/jobs/number"
)

// scratchTables are temporary tables of the writer, in memory. The table outcomes
// holds results in their order, each joined to the submission that has its
// screenshot; recorded is the result of that submission so far. The table closing
// holds the jobs to close, one row each. The table verdicts holds results with
// which the vendor settles conflicts.
const scratchTables = `
CREATE TEMP TABLE outcomes (
  ord           INTEGER PRIMARY KEY,
  delivery      INTEGER,
  job_seq       INTEGER,
  attempt       INTEGER,
  extra         INTEGER,
  recorded      TEXT,
  screenshot_id TEXT,
  outcome       TEXT,
  image_url     TEXT,
  error         TEXT,
  closed_by     TEXT
);
CREATE TEMP TABLE closing (
  job_seq       INTEGER PRIMARY KEY,
  ord           INTEGER NOT NULL,
  attempt       INTEGER NOT NULL,
  from_state    TEXT    NOT NULL,
  to_state      TEXT    NOT NULL,
  late          INTEGER NOT NULL,
  was_late      INTEGER NOT NULL,
  was_by        TEXT    NOT NULL,
  screenshot_id TEXT    NOT NULL, -- '' keeps the job's
  image_url     TEXT    NOT NULL,
  error         TEXT    NOT NULL,
  closed_by     TEXT    NOT NULL,
  correction    INTEGER NOT NULL DEFAULT 0, -- the job had ended, and the vendor settled a conflict
  was_corrected INTEGER NOT NULL DEFAULT 0  -- 0 if the job is open
);` + verdictTable

// The unary + in the statements below prevents the planner from scanning a large
// table and searching the small one for each of its rows.

// A submission has one result, the first. If a transaction brings several for one
// submission, compareWithFirst makes the first of them the recorded result for
// the later ones.
const compareWithFirst = `UPDATE outcomes SET recorded = f.outcome FROM
	(SELECT job_seq, attempt, extra, outcome, min(ord) AS ord FROM outcomes WHERE recorded IS NULL
	 GROUP BY job_seq, attempt, extra HAVING count(*) > 1) f
	WHERE outcomes.job_seq = f.job_seq AND outcomes.attempt = f.attempt AND outcomes.extra = f.extra
	AND outcomes.recorded IS NULL AND outcomes.ord > f.ord`

// recordOutcomes stores every first result, even if it does not close its job.
// The image of an older attempt might be needed later.
const recordOutcomes = `UPDATE submissions SET outcome = o.outcome, outcome_by = o.closed_by,
	image_url = CASE WHEN o.image_url <> '' THEN o.image_url ELSE submissions.image_url END
	FROM outcomes o WHERE o.recorded IS NULL
	AND submissions.job_seq = o.job_seq AND submissions.attempt = o.attempt AND submissions.extra = o.extra`

// pickClosing is the guard of closures; see jobs.Closures. For each job it picks
// the first result that can close it. A result of a double charge's screenshot
// closes nothing: the wanted screenshot decides, so that a job never changes its
// screenshot within an attempt.
const pickClosing = `INSERT OR IGNORE INTO closing
	(job_seq, ord, attempt, from_state, to_state, late, was_late, was_by, screenshot_id, image_url, error, closed_by, was_corrected)
	SELECT o.job_seq, o.ord, o.attempt, j.state, o.outcome, j.state NOT IN ('pending', 'submitting'), j.late, j.closed_by,
		o.screenshot_id, o.image_url, CASE o.outcome WHEN 'done' THEN '' ELSE o.error END, o.closed_by, j.corrected
	FROM outcomes o CROSS JOIN jobs j ON j.seq = o.job_seq
	WHERE o.recorded IS NULL AND o.extra = 0 AND (
		(j.state IN ('pending', 'submitting', 'timed_out') AND o.attempt = j.attempt)
		OR (j.state = 'failed' AND j.closed_by = 'submit' AND o.attempt = j.attempt AND o.outcome = 'done')
		OR (j.state IN ('failed', 'timed_out') AND o.attempt < j.attempt AND o.outcome = 'done'))
		AND o.attempt >= j.first_attempt
	ORDER BY o.ord`

// preferPaid replaces an end without an image by done, late, if an older attempt
// produced an image before. That image was paid for. If there are several, the
// newest counts.
const preferPaid = `UPDATE closing SET to_state = 'done', late = 1, attempt = s.attempt, screenshot_id = s.screenshot_id,
	image_url = s.image_url, error = '', closed_by = s.outcome_by
	FROM submissions s WHERE closing.to_state IN ('failed', 'timed_out') AND s.job_seq = +closing.job_seq
	AND s.extra = 0 AND s.outcome = 'done' AND s.attempt = (SELECT max(attempt) FROM submissions n
		WHERE n.job_seq = s.job_seq AND n.extra = 0 AND n.outcome = 'done')
	AND s.attempt >= (SELECT first_attempt FROM jobs WHERE jobs.seq = +closing.job_seq)`

// closeJobs closes the jobs in closing. The caller takes the time before it waits
// for the writer, so the time of a close can be earlier than that of the create's
// response, although the close comes later; closed_at is then raised to
// submitted_at. If a job ends with the screenshot of an older attempt, the image of
// the newest attempt is removed. It is also removed if a correction refutes it.
const closeJobs = `UPDATE jobs SET state = c.to_state, closed_by = c.closed_by, late = c.late,
	corrected = c.correction OR c.was_corrected, closed_at = max(?1, coalesce(submitted_at, 0)),
	screenshot_id = CASE WHEN c.screenshot_id <> '' THEN c.screenshot_id ELSE jobs.screenshot_id END,
	image_url = CASE WHEN c.image_url <> '' OR c.correction AND c.to_state <> 'done' OR c.screenshot_id NOT IN ('', jobs.screenshot_id) THEN c.image_url ELSE jobs.image_url END,
	error = c.error, lease_owner = NULL, lease_until = NULL
	FROM closing c WHERE jobs.seq = +c.job_seq AND jobs.state = c.from_state`

// endSubmissions settles submissions whose job ends while a create might still be
// under way. No deliveries are held for them, and they are no longer looked up.
const endSubmissions = `UPDATE submissions SET open_after = NULL, doubt_since = NULL, check_at = NULL
	FROM closing c WHERE c.from_state IN ('submitting', 'queued') AND submissions.job_seq = +c.job_seq
	AND submissions.open_after IS NOT NULL`

const logClosings = `INSERT INTO events (at, type, batch_seq, job_seq, attempt, state)
	SELECT ?1, CASE WHEN correction THEN 'job.corrected' WHEN late THEN 'job.late' ELSE 'job.' || to_state END,
		job_seq >> 32, job_seq, attempt, CASE WHEN correction OR late THEN to_state ELSE '' END
	FROM closing ORDER BY ord`

// settle processes the results in outcomes. Deliveries and observations are
// processed in this way. Closings without a result go to finish directly.
func (t *tx) settle(at time.Time, effects *jobs.Effects) error {
	n, err := t.pick()
	if err != nil {
		return err
	}
	if err := t.openConflicts(at, effects); err != nil {
		return err
	}
	if _, err := t.exec(recordOutcomes); err != nil {
		return fmt.Errorf("record results: %w", err)
	}
	return t.finish(n, at, effects)
}

// pick fills closing with the jobs to close and returns their number. If each
// first result closes another job, which is nearly always the case, no submission
// can have several results, and they need not be compared.
func (t *tx) pick() (closing int64, err error) {
	if closing, err = t.pickOnce(); err != nil {
		return 0, err
	}
	var first int64
	if err := t.get([]any{&first}, `SELECT count(*) FROM outcomes WHERE recorded IS NULL`); err != nil {
		return 0, fmt.Errorf("count first results: %w", err)
	}
	if closing == first {
		return closing, nil
	}
	if _, err := t.exec(compareWithFirst); err != nil {
		return 0, fmt.Errorf("compare results: %w", err)
	}
	return t.pickOnce()
}

func (t *tx) pickOnce() (closing int64, err error) {
	if err := t.control(`DELETE FROM closing`); err != nil {
		return 0, err
	}
	if closing, err = t.exec(pickClosing); err != nil {
		return 0, fmt.Errorf("pick closing jobs: %w", err)
	}
	return closing, nil
}

// finish closes the n jobs in closing. It also logs their events, updates the
// counters, and finishes or revises their batches.
func (t *tx) finish(n int64, at time.Time, effects *jobs.Effects) error {
	if n == 0 {
		return nil
	}
	for _, step := range []string{preferPaid, endSubmissions} {
		if _, err := t.exec(step); err != nil {
			return fmt.Errorf("prepare closing: %w", err)
		}
	}
	closed, err := t.exec(closeJobs, at.UnixMilli())
	if err != nil {
		return fmt.Errorf("close jobs: %w", err)
	}
	if closed != n {
		return fmt.Errorf("close jobs: %d of %d rows changed", closed, n)
	}
	if _, err := t.exec(logClosings, at.UnixMilli()); err != nil {
		return fmt.Errorf("log closings: %w", err)
	}
	if _, err := t.exec(countClosings); err != nil {
		return fmt.Errorf("count closings: %w", err)
	}
	batches, err := t.endBatches(at, effects)
	if err != nil {
		return fmt.Errorf("end batches: %w", err)
	}
	return t.eachRow(func(row []driver.Value) {
		batchSeq, rowNumber := splitSeq(row[0].(int64))
		effects.Closed = append(effects.Closed, jobs.Closed{
			Job: jobs.ID{Batch: batches[batchSeq], Row: rowNumber}, Attempt: int(row[1].(int64)),
			State: jobs.State(row[2].(string)), By: jobs.Provenance(row[3].(string)), Late: row[4].(int64) != 0,
			Corrected: row[5].(int64) != 0,
		})
	}, `SELECT job_seq, attempt, to_state, closed_by, late, correction FROM closing ORDER BY ord`)
}

// CloseJobs implements jobs.Closures. The effects include those of the deliveries
// that were applied first.
func (s *Store) CloseJobs(ctx context.Context, closings []jobs.Closing, at time.Time) (jobs.Effects, error) {
	for _, c := range closings {
		if err := checkClosing(c); err != nil {
			return jobs.Effects{}, fmt.Errorf("close job %s: %w", c.Job, err)
		}
	}
	effects, err := s.afterInbox(ctx, len(closings), at, func(t *tx, effects *jobs.Effects) error {
		return t.closeJobs(closings, at, effects)
	})
	return effects, wrapError(err, "close %s", number.Of(len(closings), "job"))
}

func checkClosing(c jobs.Closing) error {
	switch {
	case c.To != jobs.Failed && c.To != jobs.TimedOut && c.To != jobs.Canceled:
		return fmt.Errorf("%w: it cannot be closed as %q without a result", jobs.ErrInvalid, c.To)
	case !slices.Contains(jobs.Provenances, c.By):
		return fmt.Errorf("%w: provenance %q", jobs.ErrInvalid, c.By)
	}
	for _, from := range c.From {
		if !from.Open() {
			return fmt.Errorf("%w: %q is final", jobs.ErrInvalid, from)
		}
	}
	return nil
}

// pickRequested adds a job to closing if it is in one of the given states and,
// unless the attempt is 0, in that attempt.
const pickRequested = `INSERT OR IGNORE INTO closing
	(job_seq, ord, attempt, from_state, to_state, late, was_late, was_by, screenshot_id, image_url, error, closed_by)
	SELECT seq, ?, attempt, state, ?, 0, late, closed_by, '', '', ?, ? FROM jobs
	WHERE seq = ? AND instr(?, state) > 0 AND ? IN (0, attempt)`

// closeJobs closes the jobs that still have the state and attempt that their
// closings require.
func (t *tx) closeJobs(closings []jobs.Closing, at time.Time, effects *jobs.Effects) error {
	if err := t.control(`DELETE FROM closing`); err != nil {
		return err
	}
	var picked int64
	for i, c := range closings {
		seq, err := t.jobSeq(c.Job)
		if err != nil {
			return err
		}
		// instr matches exactly, because no name of an open state contains another
		n, err := t.exec(pickRequested, i, string(c.To), c.Error, string(c.By), seq, joinStates(c.From), c.Attempt)
		if err != nil {
			return fmt.Errorf("job %s: %w", c.Job, err)
		}
		if n > 0 && c.By == jobs.BySubmit {
			if err := t.unreserve(seq, c.Attempt); err != nil {
				return fmt.Errorf("job %s: %w", c.Job, err)
			}
		}
		picked += n
	}
	return t.finish(picked, at, effects)
}
