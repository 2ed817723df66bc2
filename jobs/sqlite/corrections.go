package sqlite

import (
	"fmt"
	"time"

	"shotline/jobs"
)

// scratchWords holds the results with which the vendor settles conflicts; flips
// is whether the recorded result was false.
const scratchWords = `
CREATE TEMP TABLE words (
  job_seq       INTEGER NOT NULL,
  attempt       INTEGER NOT NULL,
  ord           INTEGER NOT NULL,
  outcome       TEXT    NOT NULL,
  screenshot_id TEXT    NOT NULL,
  image_url     TEXT    NOT NULL,
  error         TEXT    NOT NULL,
  flips         INTEGER NOT NULL,
  PRIMARY KEY (job_seq, attempt)
);`

// pickWords takes the last word of each submission. What the vendor leaves out
// was perhaps told by the result that contradicted the recorded one.
const pickWords = `INSERT INTO words (job_seq, attempt, ord, outcome, screenshot_id, image_url, error, flips)
	SELECT o.job_seq, o.attempt, max(o.ord), o.outcome, o.screenshot_id,
		CASE WHEN o.outcome = 'failed' THEN '' WHEN o.image_url <> '' THEN o.image_url ELSE c.image_url END,
		CASE WHEN o.outcome = 'done' THEN '' WHEN o.error <> '' THEN o.error ELSE c.error END,
		o.outcome <> c.first_outcome
	FROM outcomes o CROSS JOIN contradictions c ON c.job_seq = o.job_seq AND c.attempt = o.attempt
	WHERE o.closed_by = 'poll' AND o.extra = 0 AND ` + isUnsettled + ` GROUP BY o.job_seq, o.attempt`

const settleConflicts = `UPDATE contradictions SET vendor_says = w.outcome, check_at = NULL FROM words w
	WHERE contradictions.job_seq = +w.job_seq AND contradictions.attempt = +w.attempt`

// turnResults makes the vendor's word the result of its submission.
const turnResults = `UPDATE submissions SET outcome = w.outcome, outcome_by = 'poll', image_url = w.image_url FROM words w
	WHERE w.flips AND submissions.job_seq = +w.job_seq AND submissions.attempt = +w.attempt AND submissions.extra = 0`

// pickCorrections is the guard of corrections, see jobs.Closures. Where a job has
// no picture and the vendor confirms several, it is the newest that counts.
const pickCorrections = `INSERT OR IGNORE INTO closing
	(job_seq, ord, attempt, from_state, to_state, late, was_late, was_by, screenshot_id, image_url, error, closed_by, correction, was_corrected)
	SELECT w.job_seq, w.ord, w.attempt, j.state, w.outcome, j.late OR w.outcome = 'done' AND w.attempt < j.attempt, j.late, j.closed_by,
		w.screenshot_id, w.image_url, w.error, 'poll', 1, j.corrected
	FROM words w CROSS JOIN jobs j ON j.seq = w.job_seq
	WHERE w.flips AND (
		(w.outcome = 'done' AND j.state IN ('failed', 'timed_out'))
		OR (w.outcome = 'failed' AND j.state = 'done' AND j.screenshot_id = w.screenshot_id))
	ORDER BY w.attempt DESC`

// endAsNewest goes after preferPaid: a job that loses the picture of an older
// attempt, and has no other, ends as its newest attempt did. If that has timed
// out, a late result may still come.
const endAsNewest = `UPDATE closing SET attempt = j.attempt,
	to_state = CASE WHEN n.outcome IS NULL AND n.screenshot_id IS NOT NULL THEN 'timed_out' ELSE 'failed' END,
	closed_by = CASE WHEN n.outcome IS NOT NULL THEN n.outcome_by WHEN n.screenshot_id IS NOT NULL THEN 'deadline' ELSE 'submit' END,
	late = CASE WHEN n.outcome IS NULL AND n.screenshot_id IS NOT NULL THEN 0 ELSE closing.late END,
	screenshot_id = coalesce(n.screenshot_id, ''),
	error = 'the picture of attempt ' || closing.attempt || ' turned out to have failed'
		|| CASE WHEN closing.error <> '' THEN ': ' || closing.error ELSE '' END
	FROM jobs j LEFT JOIN submissions n ON n.job_seq = j.seq AND n.attempt = j.attempt AND n.extra = 0
	WHERE closing.to_state = 'failed' AND j.seq = +closing.job_seq AND closing.attempt < j.attempt`

// correct settles the conflicts for which outcomes holds the vendor's word, and
// corrects the jobs whose recorded result was false.
func (t *tx) correct(at time.Time, effects *jobs.Effects) error {
	if err := t.control(`DELETE FROM words`); err != nil {
		return err
	}
	settled, err := t.exec(pickWords)
	if err != nil {
		return fmt.Errorf("pick the vendor's words: %w", err)
	}
	if settled == 0 {
		return nil
	}
	if err := t.control(`DELETE FROM closing`); err != nil {
		return err
	}
	for _, step := range []string{settleConflicts, turnResults} {
		if _, err := t.exec(step); err != nil {
			return fmt.Errorf("settle conflicts: %w", err)
		}
	}
	corrections, err := t.exec(pickCorrections)
	if err != nil {
		return fmt.Errorf("pick corrections: %w", err)
	}
	if corrections == 0 {
		return nil
	}
	for _, step := range []string{preferPaid, endAsNewest} {
		if _, err := t.exec(step); err != nil {
			return fmt.Errorf("prepare corrections: %w", err)
		}
	}
	if err := t.finish(corrections, at, effects); err != nil {
		return fmt.Errorf("correct jobs: %w", err)
	}
	return nil
}
