package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"shotline/jobs"
	"shotline/jobs/number"
)

// ExtendDeadlines implements jobs.Closures.
func (s *Store) ExtendDeadlines(ctx context.Context, ids []jobs.ID, deadline time.Time) error {
	err := s.write(ctx, func(t *tx) error {
		for _, id := range ids {
			seq, err := t.jobSeq(id)
			if err != nil {
				return err
			}
			if _, err := t.exec(`UPDATE jobs SET deadline = ? WHERE seq = ? AND state = 'pending'`, deadline.UnixMilli(), seq); err != nil {
				return fmt.Errorf("job %s: %w", id, err)
			}
		}
		return nil
	})
	return wrapError(err, "extend %s", number.Of(len(ids), "deadline"))
}

const nextDeadline = `SELECT min(deadline) FROM jobs WHERE state = 'pending'`

// NextDeadline implements jobs.Reader.
func (s *Store) NextDeadline(ctx context.Context) (time.Time, error) {
	var deadline sql.NullInt64
	err := s.readDB.QueryRowContext(ctx, nextDeadline).Scan(&deadline)
	return fromMillis(deadline), wrapError(err, "find next deadline")
}

// Conditions for selectJobs that use the index jobs_deadline.
const (
	overdueJobs = `WHERE jobs.state = 'pending' AND deadline <= ? ORDER BY deadline, jobs.seq LIMIT ?`
	overdueOf   = `WHERE jobs.state = 'pending' AND deadline <= ?
		AND jobs.seq >> 32 IN (SELECT seq FROM batches WHERE id IN (SELECT value FROM json_each(?))) ORDER BY deadline, jobs.seq LIMIT ?`
)

// Overdue implements jobs.Reader.
func (s *Store) Overdue(ctx context.Context, at time.Time, limit int, batches ...string) (page []jobs.Job, err error) {
	if len(batches) > 0 {
		page, err = s.jobsWhere(ctx, overdueOf, at.UnixMilli(), jsonOf(batches), limit)
	} else {
		page, err = s.jobsWhere(ctx, overdueJobs, at.UnixMilli(), limit)
	}
	return page, wrapError(err, "list overdue jobs")
}
