package sqlite

import (
	"fmt"
	"time"

	"shotline/jobs"
)

// verdictTable holds the verdicts: results with which the vendor settles
// conflicts. The column refutes is 1 if the verdict contradicts the recorded
// result.
const verdictTable = `
CREATE TEMP TABLE verdicts (
  job_seq       INTEGER NOT NULL,
  attempt       INTEGER NOT NULL,
  ord           INTEGER NOT NULL,
  outcome       TEXT    NOT NULL,
  screenshot_id TEXT    NOT NULL,
  image_url     TEXT    NOT NULL,
  error         TEXT    NOT NULL,
  refutes       INTEGER NOT NULL,
  PRIMARY KEY (job_seq, attempt)
);`

// pickVerdicts takes the last verdict on each submission. If the vendor omits the
// image URL or the error, the value comes from the result that contradicted the
// recorded one.
const pickVerdicts = `INSERT INTO verdicts (job_seq, attempt, ord, outcome, screenshot_id, image_url, error, refutes)
	SELECT o.job_seq, o.attempt, max(o.ord), o.outcome, o.screenshot_id,
		CASE WHEN o.outcome = 'failed' THEN '' WHEN o.image_url <> '' THEN o.image_url ELSE c.image_url END,
		CASE WHEN o.outcome = 'done' THEN '' WHEN o.error <> '' THEN o.error ELSE c.error END,
		o.outcome <> c.first_outcome
	FROM outcomes o CROSS JOIN contradictions c ON c.job_seq = o.job_seq AND c.attempt = o.attempt
	WHERE o.closed_by = 'poll' AND o.extra = 0 AND ` + isUnsettled + ` GROUP BY o.job_seq, o.attempt`

const settleConflicts = `UPDATE contradictions SET vendor_says = v.outcome, check_at = NULL FROM verdicts v
	WHERE contradictions.job_seq = +v.job_seq AND contradictions.attempt = +v.attempt`

// applyVerdicts makes a verdict the result of its submission if it refutes the
// recorded one.
const applyVerdicts = `UPDATE submissions SET outcome = v.outcome, outcome_by = 'poll', image_url = v.image_url FROM verdicts v
	WHERE v.refutes AND submissions.job_seq = +v.job_seq AND submissions.attempt = +v.attempt AND submissions.extra = 0`

// pickCorrections is the guard of corrections; see jobs.Closures. If a job has no
// image and the vendor confirms several, the newest counts.
const pickCorrections = `INSERT OR IGNORE INTO closing
	(job_seq, ord, attempt, from_state, to_state, late, was_late, was_by, screenshot_id, image_url, error, closed_by, correction, was_corrected)
	SELECT v.job_seq, v.ord, v.attempt, j.state, v.outcome, j.late OR v.outcome = 'done' AND v.attempt < j.attempt, j.late, j.closed_by,
		v.screenshot_id, v.image_url, v.error, 'poll', 1, j.corrected
	FROM verdicts v CROSS JOIN jobs j ON j.seq = v.job_seq
	WHERE v.refutes AND (
		(v.outcome = 'done' AND j.state IN ('failed', 'timed_out'))
		OR (v.outcome = 'failed' AND j.state = 'done' AND j.screenshot_id = v.screenshot_id))
		AND v.attempt >= j.first_attempt
	ORDER BY v.attempt DESC`

// endAsNewest runs after preferPaid. A job that loses the image of an older
// attempt, and has no other, ends as its newest attempt did. If that attempt
// timed out, a late result might still arrive.
const endAsNewest = `UPDATE closing SET attempt = j.attempt,
	to_state = CASE WHEN n.outcome IS NULL AND n.screenshot_id IS NOT NULL THEN 'timed_out' ELSE 'failed' END,
	closed_by = CASE WHEN n.outcome IS NOT NULL THEN n.outcome_by WHEN n.screenshot_id IS NOT NULL THEN 'deadline' ELSE 'submit' END,
	late = CASE WHEN n.outcome IS NULL AND n.screenshot_id IS NOT NULL THEN 0 ELSE closing.late END,
	screenshot_id = coalesce(n.screenshot_id, ''),
	error = 'the vendor confirmed that the screenshot of attempt ' || closing.attempt || ' failed'
		|| CASE WHEN closing.error <> '' THEN ': ' || closing.error ELSE '' END
	FROM jobs j LEFT JOIN submissions n ON n.job_seq = j.seq AND n.attempt = j.attempt AND n.extra = 0
	WHERE closing.to_state = 'failed' AND j.seq = +closing.job_seq AND closing.attempt < j.attempt`

// correct settles the conflicts for which outcomes holds a verdict, and corrects
// the jobs whose recorded result was refuted.
func (t *tx) correct(at time.Time, effects *jobs.Effects) error {
	if err := t.control(`DELETE FROM verdicts`); err != nil {
		return err
	}
	settled, err := t.exec(pickVerdicts)
	if err != nil {
		return fmt.Errorf("pick verdicts: %w", err)
	}
	if settled == 0 {
		return nil
	}
	if err := t.control(`DELETE FROM closing`); err != nil {
		return err
	}
	for _, step := range []string{settleConflicts, applyVerdicts} {
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
