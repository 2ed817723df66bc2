package sqlite

import (
	"context"
	"fmt"
	"time"

	"shotline/jobs"
)

// markConflicts has the vendor asked about the screenshots that jobs show.
const markConflicts = `UPDATE jobs SET conflict_check_at = ?1 FROM
	(SELECT DISTINCT job_seq, screenshot_id FROM outcomes WHERE outcome <> recorded) c
	WHERE jobs.seq = +c.job_seq AND jobs.screenshot_id = c.screenshot_id
	AND jobs.conflict_check_at IS NULL AND jobs.vendor_says = ''`

// dueConflicts goes by the index jobs_contradicted. The vendor's cache may have
// given one screenshot to two attempts of a job; the newer one's result stands.
const dueConflicts = `SELECT seq, screenshot_id, (SELECT id FROM batches b WHERE b.seq = jobs.seq >> 32),
	coalesce((SELECT s.attempt FROM submissions s WHERE s.job_seq = jobs.seq AND s.screenshot_id = jobs.screenshot_id
		ORDER BY s.attempt DESC LIMIT 1), attempt),
	coalesce((SELECT s.outcome FROM submissions s WHERE s.job_seq = jobs.seq AND s.screenshot_id = jobs.screenshot_id
		ORDER BY s.attempt DESC LIMIT 1), '')
	FROM jobs WHERE conflict_check_at <= ? ORDER BY conflict_check_at, seq LIMIT ?`

const conflictsAreDue = `SELECT EXISTS (SELECT 1 FROM jobs WHERE conflict_check_at <= ?)`

// ClaimConflicts implements jobs.Closures. A reader looks before the writer is asked.
func (s *Store) ClaimConflicts(ctx context.Context, at, again time.Time, limit int) ([]jobs.Conflict, error) {
	var due bool
	err := s.readDB.QueryRowContext(ctx, conflictsAreDue, at.UnixMilli()).Scan(&due)
	if err != nil || !due {
		return nil, wrapError(err, "claim conflicts")
	}
	var claimed []jobs.Conflict
	err = s.write(ctx, func(t *tx) error {
		var places []int64
		err := t.each(func(row scanner) error {
			var seq int64
			var c jobs.Conflict
			if err := row.Scan(&seq, &c.ScreenshotID, &c.Job.Batch, &c.Attempt, &c.Recorded); err != nil {
				return err
			}
			_, c.Job.Row = splitSeq(seq)
			places, claimed = append(places, seq), append(claimed, c)
			return nil
		}, dueConflicts, at.UnixMilli(), limit)
		if err != nil {
			return err
		}
		for _, seq := range places {
			if _, err := t.exec(`UPDATE jobs SET conflict_check_at = ? WHERE seq = ?`, again.UnixMilli(), seq); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, wrapError(err, "claim conflicts")
	}
	return claimed, nil
}

const settleConflict = `UPDATE jobs SET vendor_says = ?, conflict_check_at = NULL
	WHERE seq = ? AND screenshot_id = ? AND conflict_check_at IS NOT NULL`

// SettleConflicts implements jobs.Closures.
func (s *Store) SettleConflicts(ctx context.Context, told []jobs.Conflict) ([]jobs.Conflict, error) {
	for _, c := range told {
		if c.Says != jobs.OutcomeDone && c.Says != jobs.OutcomeFailed && c.Says != jobs.OutcomeNone {
			return nil, fmt.Errorf("settle conflict of job %s: %w: outcome %q", c.Job, jobs.ErrInvalid, c.Says)
		}
	}
	if len(told) == 0 {
		return nil, nil
	}
	var settled []jobs.Conflict
	err := s.write(ctx, func(t *tx) error {
		for _, c := range told {
			seq, err := t.jobSeq(c.Job)
			if err != nil {
				return err
			}
			n, err := t.exec(settleConflict, string(c.Says), seq, c.ScreenshotID)
			if err != nil {
				return fmt.Errorf("job %s: %w", c.Job, err)
			}
			if n > 0 {
				settled = append(settled, c)
			}
		}
		return nil
	})
	if err != nil {
		return nil, wrapError(err, "settle %d conflicts", len(told))
	}
	return settled, nil
}
