package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"shotline/jobs"
	"shotline/jobs/number"
)

// isUnsettled is true if the vendor has not settled a contradiction c. If the
// vendor had no answer, such a contradiction might have no further check.
const isUnsettled = `(c.check_at IS NOT NULL OR c.vendor_says NOT IN ('done', 'failed'))`

// isVerdict is true if a result o is the vendor's verdict on an open conflict,
// and so not a further contradiction.
const isVerdict = `(o.closed_by = 'poll' AND o.extra = 0 AND EXISTS (SELECT 1 FROM contradictions c
	WHERE c.job_seq = o.job_seq AND c.attempt = o.attempt AND ` + isUnsettled + `))`

const countConflicts = `UPDATE jobs SET conflicts = conflicts + n.n FROM
	(SELECT o.job_seq, count(*) AS n FROM outcomes o WHERE o.outcome <> o.recorded AND NOT ` + isVerdict + ` GROUP BY o.job_seq) n
	WHERE jobs.seq = n.job_seq`

// insertConflicts opens conflicts for screenshots with contradictory results, so
// that the vendor is queried about them. If the vendor has settled a conflict, it
// stays settled.
const insertConflicts = `INSERT INTO contradictions (job_seq, attempt, first_outcome, image_url, error, opened_at, check_at)
	SELECT job_seq, attempt, recorded, max(image_url), max(CASE outcome WHEN 'failed' THEN error ELSE '' END), ?1, ?1
	FROM outcomes WHERE outcome <> recorded AND extra = 0 GROUP BY job_seq, attempt
	ON CONFLICT DO UPDATE SET opened_at = ?1, check_at = ?1, checks = 0
	WHERE check_at IS NULL AND vendor_says NOT IN ('done', 'failed')`

// openConflicts counts the contradictions in outcomes and opens their conflicts.
func (t *tx) openConflicts(at time.Time, effects *jobs.Effects) error {
	var differ, verdicts int
	err := t.get([]any{&differ}, `SELECT count(*) FROM outcomes WHERE outcome <> recorded`)
	if err == nil && differ > 0 {
		err = t.get([]any{&verdicts}, `SELECT count(*) FROM outcomes o WHERE o.outcome <> o.recorded AND `+isVerdict)
	}
	if err != nil {
		return fmt.Errorf("count conflicts: %w", err)
	}
	if differ == 0 {
		return nil
	}
	if _, err := t.exec(countConflicts); err != nil {
		return fmt.Errorf("count conflicts: %w", err)
	}
	if _, err := t.exec(insertConflicts, at.UnixMilli()); err != nil {
		return fmt.Errorf("open conflicts: %w", err)
	}
	effects.Conflicts += differ - verdicts
	return nil
}

// dueConflicts uses the index contradictions_due. If several conflicts of a job
// are due, it selects the one of the newest attempt, because only one check of a
// job should be under way at a time.
const dueConflicts = `SELECT c.job_seq, c.attempt, coalesce(s.screenshot_id, ''), coalesce(s.outcome, ''), c.vendor_says, c.opened_at, c.checks,
	(SELECT id FROM batches b WHERE b.seq = c.job_seq >> 32), (SELECT timeout_ms FROM jobs j WHERE j.seq = c.job_seq)
	FROM contradictions c CROSS JOIN submissions s ON s.job_seq = c.job_seq AND s.attempt = c.attempt AND s.extra = 0
	WHERE c.check_at <= ?1 AND +c.job_seq BETWEEN ?2 AND ?3
	AND NOT EXISTS (SELECT 1 FROM contradictions n WHERE n.job_seq = c.job_seq AND n.attempt > c.attempt AND n.check_at <= ?1)
	ORDER BY c.check_at, c.job_seq LIMIT ?4`

const conflictsAreDue = `SELECT EXISTS (SELECT 1 FROM contradictions WHERE check_at <= ? AND +job_seq BETWEEN ? AND ?)`

// ClaimConflicts implements jobs.Closures. It takes the write lock only if a read
// finds a conflict that is due.
func (s *Store) ClaimConflicts(ctx context.Context, batch string, at, again time.Time, limit int) ([]jobs.Conflict, error) {
	first, last := int64(0), int64(maxSeq)
	if batch != "" {
		seq, err := s.batchPlace(ctx, batch)
		if err != nil {
			return nil, wrapError(err, "claim conflicts of batch %s", batch)
		}
		first, last = rowSeq(seq, 1), rowSeq(seq, maxRow)
	}
	var due bool
	err := s.readDB.QueryRowContext(ctx, conflictsAreDue, at.UnixMilli(), first, last).Scan(&due)
	if err != nil || !due {
		return nil, wrapError(err, "claim conflicts")
	}
	var claimed []jobs.Conflict
	err = s.write(ctx, func(t *tx) error {
		var places []int64
		err := t.each(func(row scanner) error {
			var seq, timeout int64
			var since sql.NullInt64
			var c jobs.Conflict
			if err := row.Scan(&seq, &c.Attempt, &c.ScreenshotID, &c.Recorded, &c.Says, &since, &c.Checks, &c.Job.Batch, &timeout); err != nil {
				return err
			}
			_, c.Job.Row = splitSeq(seq)
			c.Since, c.Timeout = fromMillis(since), time.Duration(timeout)*time.Millisecond
			places, claimed = append(places, seq), append(claimed, c)
			return nil
		}, dueConflicts, at.UnixMilli(), first, last, limit)
		if err != nil {
			return err
		}
		for i, seq := range places {
			_, err := t.exec(`UPDATE contradictions SET check_at = ?, checks = checks + 1 WHERE job_seq = ? AND attempt = ?`,
				again.UnixMilli(), seq, claimed[i].Attempt)
			if err != nil {
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

// recheckConflict sets the next check and stores the vendor's response. If the
// vendor reported a result before, that response stays.
const recheckConflict = `UPDATE contradictions SET check_at = ?1,
	vendor_says = CASE WHEN ?2 = '' OR vendor_says = 'done' OR vendor_says = 'failed' THEN vendor_says ELSE ?2 END
	WHERE job_seq = ?3 AND attempt = ?4 AND check_at IS NOT NULL`

// RecheckConflicts implements jobs.Closures.
func (s *Store) RecheckConflicts(ctx context.Context, rechecks []jobs.ConflictRecheck) error {
	for _, r := range rechecks {
		if r.Says != jobs.OutcomeNone && r.Says != jobs.OutcomeProcessing && r.Says != jobs.OutcomeUnknown {
			return fmt.Errorf("recheck the conflict of job %s: %w: %q is a result", r.Job, jobs.ErrInvalid, r.Says)
		}
	}
	if len(rechecks) == 0 {
		return nil
	}
	err := s.write(ctx, func(t *tx) error {
		for _, r := range rechecks {
			seq, err := t.jobSeq(r.Job)
			if err != nil {
				return err
			}
			if _, err := t.exec(recheckConflict, millis(r.Next), string(r.Says), seq, r.Attempt); err != nil {
				return fmt.Errorf("job %s: %w", r.Job, err)
			}
		}
		return nil
	})
	return wrapError(err, "recheck %s", number.Of(len(rechecks), "conflict"))
}
