package sqlite

import (
	"context"
	"database/sql"
	"time"

	"shotline/jobs"
	"shotline/jobs/number"
)

// leaseRow is a lease as the jobs table holds it.
type leaseRow struct {
	seq     int64
	attempt int
	owner   string
	expiry  int64
}

// expiredLeases uses the index jobs_leased: only leased jobs have a lease_until.
const expiredLeases = `SELECT seq, attempt, lease_owner, lease_until FROM jobs WHERE lease_until <= ? ORDER BY lease_until, seq LIMIT ?`

const leasesExpired = `SELECT EXISTS (SELECT 1 FROM jobs WHERE lease_until <= ?)`

// ExpireLeases implements jobs.Ledger. It takes the write lock only if a read
// finds an expired lease. If somebody asked to cancel a job, it has an open
// intent. So it is in doubt afterwards, and the transaction that settles the
// doubt cancels it.
func (s *Store) ExpireLeases(ctx context.Context, at time.Time, limit int) (requeued, doubted int, err error) {
	var expired bool
	err = s.readDB.QueryRowContext(ctx, leasesExpired, at.UnixMilli()).Scan(&expired)
	if err != nil || !expired {
		return 0, 0, wrapError(err, "expire leases")
	}
	err = s.write(ctx, func(t *tx) error {
		var leases []leaseRow
		err := t.each(func(row scanner) error {
			var l leaseRow
			err := row.Scan(&l.seq, &l.attempt, &l.owner, &l.expiry)
			leases = append(leases, l)
			return err
		}, expiredLeases, at.UnixMilli(), limit)
		if err != nil {
			return err
		}
		for _, l := range leases {
			inDoubt, err := t.doubt(l.seq, l.attempt, l.owner, l.expiry, at)
			if err != nil {
				return err
			}
			if inDoubt {
				doubted++
				continue
			}
			if _, err := t.exec(queueAgain, l.seq, l.attempt, l.owner, l.expiry); err != nil {
				return err
			}
			if err := t.requeued(l.seq, at); err != nil {
				return err
			}
			requeued++
		}
		return nil
	})
	if err != nil {
		return 0, 0, wrapError(err, "expire leases")
	}
	return requeued, doubted, nil
}

// requeued counts a job that is queued again and makes the work of its batch due
// at once, because no submitter works on the job any more.
func (t *tx) requeued(seq int64, at time.Time) error {
	if err := t.moveCount(seq>>32, jobs.Submitting, jobs.Queued, 1); err != nil {
		return err
	}
	_, err := t.exec(`UPDATE batches SET wake_at = min(wake_at, ?) WHERE seq = ?`, at.UnixMilli(), seq>>32)
	return err
}

const dueDoubts = `SELECT s.job_seq, s.attempt, s.intent_at, s.sends, s.doubt_since,
	(SELECT id FROM batches b WHERE b.seq = s.job_seq >> 32)
	FROM submissions s WHERE s.doubt_since IS NOT NULL AND s.check_at <= ? ORDER BY s.doubt_since, s.job_seq LIMIT ?`

const doubtsAreDue = `SELECT EXISTS (SELECT 1 FROM submissions WHERE doubt_since IS NOT NULL AND check_at <= ?)`

// ClaimDoubts implements jobs.Ledger. It takes the write lock only if a read
// finds a doubt that is due.
func (s *Store) ClaimDoubts(ctx context.Context, at, again time.Time, limit int) ([]jobs.Submission, error) {
	var due bool
	err := s.readDB.QueryRowContext(ctx, doubtsAreDue, at.UnixMilli()).Scan(&due)
	if err != nil || !due {
		return nil, wrapError(err, "claim doubts")
	}
	var claimed []jobs.Submission
	err = s.write(ctx, func(t *tx) error {
		var places []int64
		err := t.each(func(row scanner) error {
			var seq int64
			var intent, doubt sql.NullInt64
			var sub jobs.Submission
			if err := row.Scan(&seq, &sub.Attempt, &intent, &sub.Sends, &doubt, &sub.Job.Batch); err != nil {
				return err
			}
			_, sub.Job.Row = splitSeq(seq)
			sub.IntentAt, sub.DoubtSince = fromMillis(intent), fromMillis(doubt)
			places = append(places, seq)
			claimed = append(claimed, sub)
			return nil
		}, dueDoubts, at.UnixMilli(), limit)
		if err != nil {
			return err
		}
		for i, seq := range places {
			_, err := t.exec(`UPDATE submissions SET check_at = ? WHERE job_seq = ? AND attempt = ? AND extra = 0`,
				again.UnixMilli(), seq, claimed[i].Attempt)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, wrapError(err, "claim doubts")
	}
	return claimed, nil
}

// RecheckDoubts implements jobs.Ledger.
func (s *Store) RecheckDoubts(ctx context.Context, submissions []jobs.Submission, next time.Time) error {
	if len(submissions) == 0 {
		return nil
	}
	err := s.write(ctx, func(t *tx) error {
		for _, sub := range submissions {
			seq, err := t.jobSeq(sub.Job)
			if err != nil {
				return err
			}
			_, err = t.exec(`UPDATE submissions SET check_at = ? WHERE job_seq = ? AND attempt = ? AND extra = 0 AND doubt_since = ?`,
				next.UnixMilli(), seq, sub.Attempt, sub.DoubtSince.UnixMilli())
			if err != nil {
				return err
			}
		}
		return nil
	})
	return wrapError(err, "recheck %s", number.Of(len(submissions), "doubt"))
}

// settleDoubt ends a doubt without a screenshot. It keeps open_after: the
// screenshot of the lost create might still appear, so its deliveries have to be
// held.
const settleDoubt = `UPDATE submissions SET lost_at = intent_at, intent_at = NULL, doubt_since = NULL, check_at = NULL
	WHERE job_seq = ? AND attempt = ? AND extra = 0 AND screenshot_id IS NULL AND doubt_since < ?`

// Resend implements jobs.Ledger.
func (s *Store) Resend(ctx context.Context, submissions []jobs.Submission, settledBefore, at time.Time) (jobs.Effects, error) {
	var effects jobs.Effects
	err := s.write(ctx, func(t *tx) error {
		var queued []int64
		for _, sub := range submissions {
			seq, err := t.jobSeq(sub.Job)
			if err != nil {
				return err
			}
			n, err := t.exec(settleDoubt, seq, sub.Attempt, settledBefore.UnixMilli())
			if err != nil {
				return err
			}
			if n == 0 {
				continue
			}
			n, err = t.exec(queueAgain, seq, sub.Attempt, nil, nil)
			if err != nil {
				return err
			}
			if n == 0 {
				continue
			}
			if err := t.requeued(seq, at); err != nil {
				return err
			}
			queued = append(queued, seq)
		}
		if err := t.cancelAsked(queued, at, &effects); err != nil {
			return err
		}
		effects.Requeued = len(queued) - len(effects.Closed)
		return nil
	})
	if err != nil {
		return jobs.Effects{}, wrapError(err, "resend %s", number.Of(len(submissions), "submission"))
	}
	return effects, nil
}
