package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"shotline/jobs"
)

// importChunk is the number of rows that one short transaction of an import
// changes. It holds the write lock for about 20 ms.
const importChunk = 2000

// beingRemoved is the touched_at of an import whose rows are being removed. It
// cannot continue.
const beingRemoved = -1

// CreateBatch implements jobs.Imports.
func (s *Store) CreateBatch(ctx context.Context, spec jobs.BatchSpec, at time.Time) error {
	err := checkSpec(spec)
	if err != nil {
		return wrapError(err, "create batch")
	}
	row, err := batchRow(spec, jobs.BatchImporting, 0, at)
	if err == nil {
		err = s.write(ctx, func(t *tx) error {
			_, err := t.addBatch(row, spec.Key, at)
			return err
		})
	}
	return wrapError(err, "create batch %s", spec.ID)
}

// AppendRequests implements jobs.Imports. Callers send one or two thousand rows at a
// time, so that a transaction stays short, and pause between calls.
func (s *Store) AppendRequests(ctx context.Context, batch string, requests []jobs.Request, at time.Time) error {
	var rejected int64
	var calls, ranked bool
	for _, r := range requests {
		if r.Reject != "" {
			rejected++
		}
		calls, ranked = calls || r.CallbackURL != "", ranked || r.Priority != nil
	}
	rows := encode(requests, at)
	defer func() {
		for range rows { // until the goroutine no longer reads the requests
		}
	}()
	err := s.writeAlone(ctx, func(t *tx) error {
		seq, last, err := t.importing(batch)
		if err != nil {
			return err
		}
		if last+int64(len(requests)) > maxRow {
			return fmt.Errorf("%w: a batch has at most %d rows", jobs.ErrInvalid, int64(maxRow))
		}
		place := rowSeq(seq, last)
		for portion := range rows {
			if portion.err != nil {
				return portion.err
			}
			for i := range portion.rows {
				place++
				portion.values[i*len(portion.values)/portion.rows] = place
			}
			if _, err := t.exec(portion.query, portion.values...); err != nil {
				return fmt.Errorf("line %d, or one of the %d rows after it: %w", portion.line, portion.rows-1, err)
			}
		}
		_, err = t.exec(`UPDATE batches SET rows = rows + ?, queued = queued + ?, rejected = rejected + ?, touched_at = ?,
			row_callbacks = max(row_callbacks, ?), ranked = max(ranked, ?)
			WHERE seq = ?`, len(requests), int64(len(requests))-rejected, rejected, at.UnixMilli(), calls, ranked, seq)
		return err
	})
	return wrapError(err, "append to batch %s", batch)
}

// importing returns the place of an import that can continue, and the number of its
// rows. It returns jobs.ErrState also if the import is being removed.
func (t *tx) importing(batch string) (seq, rows int64, err error) {
	var state jobs.BatchState
	var touched int64
	err = t.get([]any{&seq, &state, &rows, &touched}, `SELECT seq, state, rows, touched_at FROM batches WHERE id = ?`, batch)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return 0, 0, jobs.ErrNotFound
	case err == nil && (state != jobs.BatchImporting || touched == beingRemoved):
		return 0, 0, jobs.ErrState
	}
	return seq, rows, err
}

// OpenBatch implements jobs.Imports.
func (s *Store) OpenBatch(ctx context.Context, batch string, at time.Time) (jobs.Batch, error) {
	if err := s.openBatch(ctx, batch, at); err != nil {
		return jobs.Batch{}, wrapError(err, "open batch %s", batch)
	}
	return s.Batch(context.WithoutCancel(ctx), batch) // it is open, even if ctx ended
}

func (s *Store) openBatch(ctx context.Context, batch string, at time.Time) error {
	opened, err := s.Batch(ctx, batch)
	if err != nil {
		return err
	}
	if opened.State != jobs.BatchImporting {
		return jobs.ErrState
	}
	if err := s.markDuplicates(ctx, batch); err != nil {
		return err
	}
	if err := s.rankRows(ctx, batch); err != nil {
		return err
	}
	return s.write(ctx, func(t *tx) error {
		seq, _, err := t.importing(batch)
		if err != nil {
			return err
		}
		if _, err := t.exec(`UPDATE batches SET state = 'open', wake_at = 0, touched_at = ? WHERE seq = ?`, at.UnixMilli(), seq); err != nil {
			return err
		}
		_, err = t.finishBatch(seq, at)
		return err
	})
}

// RemoveImport implements jobs.Imports. It removes rows from the end. If it is
// interrupted, the counters are correct and the remaining rows have no gap.
func (s *Store) RemoveImport(ctx context.Context, batch string) error {
	for {
		var gone bool
		err := s.writeAlone(ctx, func(t *tx) (err error) {
			gone, err = t.removeRows(batch)
			return err
		})
		if err == nil && !gone {
			err = pause(ctx, s.importPause)
		}
		if err != nil || gone {
			return wrapError(err, "remove import of batch %s", batch)
		}
	}
}

func (t *tx) removeRows(batch string) (gone bool, err error) {
	seq, state, err := t.batchSeq(batch)
	if err != nil {
		return false, err
	}
	if state != jobs.BatchImporting {
		return false, jobs.ErrState
	}
	if _, err := t.exec(`DELETE FROM idempotency_keys WHERE batch_seq = ?`, seq); err != nil {
		return false, err
	}
	removed := make(map[jobs.State]int64)
	var rows int64
	err = t.each(func(row scanner) error {
		var state jobs.State
		if err := row.Scan(&state); err != nil {
			return err
		}
		removed[state]++
		rows++
		return nil
	}, `DELETE FROM jobs WHERE seq IN (SELECT seq FROM jobs WHERE seq BETWEEN ? AND ? ORDER BY seq DESC LIMIT ?)
		RETURNING state`, rowSeq(seq, 1), rowSeq(seq, maxRow), importChunk)
	if err != nil {
		return false, err
	}
	if rows < importChunk {
		if _, err := t.exec(`DELETE FROM download_orders WHERE batch_seq = ?`, seq); err != nil {
			return false, err
		}
		_, err := t.exec(`DELETE FROM batches WHERE seq = ?`, seq)
		return true, err
	}
	_, err = t.exec(`UPDATE batches SET touched_at = -1, rows = rows - ?, queued = queued - ?, duplicate = duplicate - ?, rejected = rejected - ?
		WHERE seq = ?`, rows, removed[jobs.Queued], removed[jobs.Duplicate], removed[jobs.Rejected], seq)
	return false, err
}

// staleImports uses the index batches_importing.
const staleImports = `SELECT id FROM batches WHERE state = 'importing' AND touched_at < ? ORDER BY touched_at, seq`

// StaleImports implements jobs.Imports.
func (s *Store) StaleImports(ctx context.Context, before time.Time) ([]string, error) {
	var stale []string
	err := s.read(ctx, func(row scanner) error {
		var id string
		err := row.Scan(&id)
		stale = append(stale, id)
		return err
	}, staleImports, before.UnixMilli())
	return stale, wrapError(err, "list stale imports")
}
