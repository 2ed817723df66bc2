package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"shotline/jobs"
	"shotline/jobs/number"
)

// leaseJobs leases the first queued rows, which the index jobs_queued holds in
// order. leaseRanked leases the most urgent rows of a ranked batch, by the index
// jobs_ranked.
const (
	leaseJobs = leaseWhere + `(SELECT seq FROM jobs WHERE state = 'queued' AND seq BETWEEN ?3 AND ?4 ORDER BY seq LIMIT +?5)
	RETURNING ` + jobColumns
	leaseRanked = leaseWhere + `(SELECT seq FROM jobs WHERE state = 'queued' AND priority IS NOT NULL AND batch_seq = ?3 >> 32
		ORDER BY priority DESC, seq LIMIT +?5) AND seq <= ?4
	RETURNING ` + jobColumns
	leaseWhere = `UPDATE jobs SET state = 'submitting', attempt = max(attempt, 1), lease_owner = ?1, lease_until = ?2 WHERE seq IN `
)

// Lease implements jobs.Ledger.
func (s *Store) Lease(ctx context.Context, batch, owner string, n int, at, expiry time.Time) ([]jobs.Lease, error) {
	if !expiry.After(at) {
		return nil, fmt.Errorf("lease jobs of batch %s: %w: the lease expires before it begins", batch, jobs.ErrInvalid)
	}
	var leases []jobs.Lease
	err := s.write(ctx, func(t *tx) error {
		seq, state, err := t.batchSeq(batch)
		if err != nil || state != jobs.BatchOpen {
			return err
		}
		var ranked bool
		if err := t.get([]any{&ranked}, `SELECT ranked FROM batches WHERE seq = ?`, seq); err != nil {
			return err
		}
		query := leaseJobs
		if ranked {
			query = leaseRanked
		}
		err = t.each(func(row scanner) error {
			var r jobRow
			if err := r.scan(row, batch); err != nil {
				return err
			}
			leases = append(leases, jobs.Lease{Job: r.job, Attempt: r.job.Attempt, Owner: owner, Expiry: expiry})
			return nil
		}, query, owner, expiry.UnixMilli(), rowSeq(seq, 1), rowSeq(seq, maxRow), max(n, 0))
		if err != nil {
			return err
		}
		if err := t.moveCount(seq, jobs.Queued, jobs.Submitting, int64(len(leases))); err != nil {
			return err
		}
		// Wake the batch before these leases expire. If the submitter dies, only the
		// jobs that it leased have to wait for the expiry.
		_, err = t.exec(`UPDATE batches SET wake_at = ? WHERE seq = ?`, at.Add(expiry.Sub(at)/3).UnixMilli(), seq)
		return err
	})
	if err != nil {
		return nil, wrapError(err, "lease jobs of batch %s", batch)
	}
	// RETURNING guarantees no order
	slices.SortFunc(leases, func(a, b jobs.Lease) int { return byRank(a.Job, b.Job) })
	return leases, nil
}

const extendLease = `UPDATE jobs SET lease_until = ?1
	WHERE seq = ?2 AND state = 'submitting' AND attempt = ?3 AND lease_owner = ?4 AND lease_until > ?5
	AND EXISTS (SELECT 1 FROM batches WHERE seq = ?2 >> 32 AND state = 'open')
	AND NOT EXISTS (SELECT 1 FROM submissions WHERE job_seq = ?2 AND attempt = ?3 AND extra = 0 AND intent_at IS NOT NULL)`

const recordIntent = `INSERT INTO submissions (job_seq, attempt, extra, intent_at, open_after, sends) VALUES (?1, ?2, 0, ?3, (SELECT coalesce(max(seq), 0) FROM inbox), 1)
	ON CONFLICT DO UPDATE SET intent_at = ?3, open_after = coalesce(open_after, excluded.open_after), sends = sends + 1
	RETURNING sends`

// OpenIntent implements jobs.Ledger.
func (s *Store) OpenIntent(ctx context.Context, lease jobs.Lease, at, expiry time.Time) (jobs.Lease, error) {
	var refused error // by a budget
	err := s.write(ctx, func(t *tx) error {
		seq, err := t.jobSeq(lease.Job.ID)
		if err != nil {
			return err
		}
		var credits reservation
		if credits, refused, err = t.reserve(seq, lease.Options, at); err != nil || refused != nil {
			return err
		}
		n, err := t.exec(extendLease, expiry.UnixMilli(), seq, lease.Attempt, lease.Owner, at.UnixMilli())
		if err != nil {
			return err
		}
		if n == 0 {
			return jobs.ErrLeaseLost
		}
		if err := t.get([]any{&lease.Sends}, recordIntent, seq, lease.Attempt, at.UnixMilli()); err != nil {
			return err
		}
		if err := t.keep(seq, lease.Attempt, credits); err != nil {
			return err
		}
		_, err = t.exec(`UPDATE batches SET api_calls = api_calls + 1 WHERE seq = ?`, seq>>32)
		return err
	})
	if err = errors.Join(err, refused); err != nil {
		return jobs.Lease{}, wrapError(err, "open intent of job %s", lease.Job.ID)
	}
	lease.Expiry = expiry
	return lease, nil
}

// queueAgain queues a submitting job again. The last two parameters are the owner
// and the expiry of its lease. They are NULL if the job is in doubt.
const queueAgain = `UPDATE jobs SET state = 'queued', lease_owner = NULL, lease_until = NULL
	WHERE seq = ? AND state = 'submitting' AND attempt = ? AND lease_owner IS ? AND lease_until IS ?`

// withdrawIntent withdraws an intent whose create certainly had no effect. If an
// earlier create of the submission was lost, its screenshot might still appear,
// so open_after stays.
const withdrawIntent = `UPDATE submissions SET intent_at = NULL, sends = sends - 1,
	open_after = CASE WHEN sends > 1 THEN open_after END
	WHERE job_seq = ? AND attempt = ? AND extra = 0 AND intent_at IS NOT NULL AND screenshot_id IS NULL`

// Requeue implements jobs.Ledger.
func (s *Store) Requeue(ctx context.Context, leases []jobs.Lease, at time.Time) (jobs.Effects, error) {
	var effects jobs.Effects
	err := s.write(ctx, func(t *tx) error {
		var queued []int64
		for _, lease := range leases {
			seq, err := t.jobSeq(lease.Job.ID)
			if err != nil {
				return err
			}
			n, err := t.exec(queueAgain, seq, lease.Attempt, lease.Owner, lease.Expiry.UnixMilli())
			if err != nil {
				return err
			}
			if n == 0 {
				continue
			}
			withdrawn, err := t.exec(withdrawIntent, seq, lease.Attempt)
			if err != nil {
				return err
			}
			if withdrawn > 0 {
				if err := t.unreserve(seq, lease.Attempt); err != nil {
					return err
				}
			}
			if withdrawn > 0 && !lease.Sent {
				if _, err := t.exec(`UPDATE batches SET api_calls = api_calls - 1 WHERE seq = ?`, seq>>32); err != nil {
					return err
				}
			}
			if err := t.moveCount(seq>>32, jobs.Submitting, jobs.Queued, 1); err != nil {
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
		return jobs.Effects{}, wrapError(err, "requeue %s", number.Of(len(leases), "lease"))
	}
	return effects, nil
}

// Doubt implements jobs.Ledger. A lease without an open intent is skipped,
// because there is nothing to doubt. It expires later.
func (s *Store) Doubt(ctx context.Context, leases []jobs.Lease, at time.Time) error {
	err := s.write(ctx, func(t *tx) error {
		for _, lease := range leases {
			seq, err := t.jobSeq(lease.Job.ID)
			if err != nil {
				return err
			}
			if _, err := t.doubt(seq, lease.Attempt, lease.Owner, lease.Expiry.UnixMilli(), at); err != nil {
				return err
			}
		}
		return nil
	})
	return wrapError(err, "doubt %s", number.Of(len(leases), "lease"))
}

// doubt ends a lease if it has an open intent, and reports whether it had one.
func (t *tx) doubt(seq int64, attempt int, owner string, expiry int64, at time.Time) (bool, error) {
	n, err := t.exec(`UPDATE jobs SET lease_owner = NULL, lease_until = NULL
		WHERE seq = ?1 AND state = 'submitting' AND attempt = ?2 AND lease_owner = ?3 AND lease_until = ?4
		AND EXISTS (SELECT 1 FROM submissions WHERE job_seq = ?1 AND attempt = ?2 AND extra = 0
			AND intent_at IS NOT NULL AND screenshot_id IS NULL)`, seq, attempt, owner, expiry)
	if err != nil || n == 0 {
		return false, err
	}
	_, err = t.exec(`UPDATE submissions SET doubt_since = ?3, check_at = ?3
		WHERE job_seq = ?1 AND attempt = ?2 AND extra = 0`, seq, attempt, at.UnixMilli())
	return true, err
}
