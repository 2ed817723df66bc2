package sqlite

import (
	"context"
	"time"

	"shotline/jobs"
)

// pendingBatches selects the batches with a pending job. ?1 is maxRow.
var pendingBatches = `SELECT id, (SELECT count(*) FROM jobs WHERE state = 'pending' AND submitted_at <= ?2
		AND jobs.seq BETWEEN (batches.seq << 32) AND (batches.seq << 32) + ?1)
	FROM (` + withJobs(jobs.Pending) + `) CROSS JOIN batches ON batches.seq = batch_seq`

// PendingBatches implements jobs.Reader.
func (s *Store) PendingBatches(ctx context.Context, before time.Time) (map[string]int, error) {
	counts := make(map[string]int)
	err := s.read(ctx, func(row scanner) error {
		var id string
		var n int
		err := row.Scan(&id, &n)
		counts[id] = n
		return err
	}, pendingBatches, int64(maxRow), before.UnixMilli())
	if err != nil {
		return nil, wrapError(err, "list pending batches")
	}
	return counts, nil
}

// pendingJobs is a condition for selectJobs that uses the index jobs_pending.
const pendingJobs = `WHERE jobs.state = 'pending' AND jobs.seq > ? AND jobs.seq <= ? AND submitted_at <= ? ORDER BY jobs.seq LIMIT ?`

// Pending implements jobs.Reader.
func (s *Store) Pending(ctx context.Context, batch string, before time.Time, after int64, limit int) ([]jobs.Job, error) {
	seq, err := s.batchPlace(ctx, batch)
	if err != nil {
		return nil, wrapError(err, "list pending jobs of batch %s", batch)
	}
	page, err := s.jobsWhere(ctx, pendingJobs, rowSeq(seq, max(after, 0)), rowSeq(seq, maxRow), before.UnixMilli(), limit)
	return page, wrapError(err, "list pending jobs of batch %s", batch)
}
