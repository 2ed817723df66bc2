package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"shotline/jobs"
)

// CompareRows implements jobs.Imports. The key of a row is NULL if it is rejected.
func (s *Store) CompareRows(ctx context.Context, batch string, since time.Time) (same *jobs.SameRowsError, err error) {
	hash, err := s.hashRows(ctx, batch)
	if err == nil {
		err = s.write(ctx, func(t *tx) error {
			same, err = t.compareRows(batch, hash, since)
			return err
		})
	}
	return same, wrapError(err, "compare the rows of batch %s", batch)
}

// hashRows returns a hash of what the rows of a batch ask for.
func (s *Store) hashRows(ctx context.Context, batch string) ([]byte, error) {
	var seq int64
	var params, tags sql.NullString
	err := s.readDB.QueryRowContext(ctx, `SELECT seq, params, tags FROM batches WHERE id = ?`, batch).Scan(&seq, &params, &tags)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, jobs.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	hash := sha256.New()
	fmt.Fprintf(hash, "%q %q\n", params.String, tags.String)
	err = s.read(ctx, func(row scanner) error {
		var key sql.RawBytes
		if err := row.Scan(&key); err != nil {
			return err
		}
		_, err := fmt.Fprintf(hash, "%d %s", len(key), key)
		return err
	}, `SELECT request_key FROM jobs WHERE seq BETWEEN ? AND ? ORDER BY seq`, rowSeq(seq, 1), rowSeq(seq, maxRow))
	return hash.Sum(nil), err
}

func (t *tx) compareRows(batch string, hash []byte, since time.Time) (*jobs.SameRowsError, error) {
	seq, _, err := t.importing(batch)
	if err != nil {
		return nil, err
	}
	if _, err := t.exec(`UPDATE batches SET rows_hash = ? WHERE seq = ?`, hash, seq); err != nil {
		return nil, err
	}
	var same jobs.SameRowsError
	var created sql.NullInt64
	err = t.get([]any{&same.Batch, &created}, `SELECT id, created_at FROM batches WHERE rows_hash = +? AND seq <> +? AND created_at >= +?
		ORDER BY created_at DESC LIMIT 1`, hash, seq, since.UnixMilli())
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	same.CreatedAt = fromMillis(created)
	return &same, err
}
