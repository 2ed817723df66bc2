package sqlite

import (
	"context"
	"database/sql"

	"shotline/jobs"
)

// Events implements jobs.Reader. A limit of 0 means 100.
func (s *Store) Events(ctx context.Context, after int64, limit int) ([]jobs.Event, error) {
	var page []jobs.Event
	err := s.read(ctx, func(row scanner) error {
		var e jobs.Event
		var at, job sql.NullInt64
		if err := row.Scan(&e.Seq, &at, &e.Type, &e.Batch, &job, &e.Attempt, &e.Revision); err != nil {
			return err
		}
		e.At = fromMillis(at)
		if job.Valid {
			_, number := splitSeq(job.Int64)
			e.Job = jobs.ID{Batch: e.Batch, Row: number}
		}
		page = append(page, e)
		return nil
	}, `SELECT seq, at, type, (SELECT id FROM batches WHERE batches.seq = batch_seq), job_seq, attempt, revision
		FROM events WHERE seq > ? ORDER BY seq LIMIT ?`, after, pageSize(limit, maxPage))
	return page, wrapError(err, "read events after %d", after)
}

// DataVersion implements jobs.Reader. SQLite counts from the past of the
// connection that asks, so it is always the same one.
func (s *Store) DataVersion(ctx context.Context) (version int64, err error) {
	err = s.version.QueryRowContext(ctx, `PRAGMA data_version`).Scan(&version)
	return version, wrapError(err, "read data version")
}
