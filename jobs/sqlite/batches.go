package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"shotline/jobs"
)

const batchColumns = `seq, id, state, pause_reason, source, columns, params, tags, apps, job_timeout_ms, priority, single,
	callback_url, dialect, rerun_of, revision, summarized, generation, created_at, finished_at, rows, queued, submitting, pending, done, failed, timed_out, canceled, duplicate,
	rejected, by_webhook, by_poll, by_create, by_deadline, by_submit, by_cancel, late, corrected, double_charged, cost_micros, api_calls,
	budget_micros, reserved_micros`

func scanBatch(row scanner) (seq int64, b jobs.Batch, err error) {
	var columns, params, tags, apps, dialect sql.NullString
	var timeout int64
	var created, finished, cost, budget sql.NullInt64
	var reserved int64
	states := make([]int64, len(jobs.States))
	byProvenance := make([]int64, len(jobs.Provenances))
	c := &b.Counts
	dest := []any{&seq, &b.ID, &b.State, &b.PauseReason, &b.Source, &columns, &params, &tags, &apps, &timeout,
		&b.Priority, &b.Single, &b.CallbackURL, &dialect, &b.RerunOf, &b.Revision, &b.Summarized, &b.Generation, &created, &finished, &c.Rows}
	for i := range states { // jobs.States and jobs.Provenances have the order of the columns
		dest = append(dest, &states[i])
	}
	for i := range byProvenance {
		dest = append(dest, &byProvenance[i])
	}
	if err := row.Scan(append(dest, &c.Late, &c.Corrected, &c.DoubleCharged, &cost, &c.APICalls, &budget, &reserved)...); err != nil {
		return 0, b, err
	}
	c.ByState = make(map[jobs.State]int64, len(states))
	for i, state := range jobs.States {
		c.ByState[state] = states[i]
	}
	c.ByProvenance = make(map[jobs.Provenance]int64, len(byProvenance))
	for i, by := range jobs.Provenances {
		c.ByProvenance[by] = byProvenance[i]
	}
	c.Cost, b.Budget, b.Reserved = fromMicros(cost), fromMicros(budget), float64(reserved)/oneCredit
	b.JobTimeout = time.Duration(timeout) * time.Millisecond
	b.CreatedAt, b.FinishedAt = fromMillis(created), fromMillis(finished)
	return seq, b, errors.Join(fromJSON(columns, &b.Columns), fromJSON(params, &b.Params),
		fromJSON(tags, &b.Tags), fromJSON(apps, &b.Apps), fromJSON(dialect, &b.Dialect))
}

const (
	oneBatch      = `SELECT ` + batchColumns + ` FROM batches WHERE id = ?`
	pageOfBatches = `SELECT ` + batchColumns + ` FROM batches WHERE seq < ? ORDER BY seq DESC LIMIT ?`
)

// Batch implements jobs.Reader.
func (s *Store) Batch(ctx context.Context, id string) (jobs.Batch, error) {
	_, b, err := scanBatch(s.readDB.QueryRowContext(ctx, oneBatch, id))
	if errors.Is(err, sql.ErrNoRows) {
		err = jobs.ErrNotFound
	}
	return b, wrapError(err, "read batch %s", id)
}

// countBatches is answered from the smallest index.
const countBatches = `SELECT count(*) FROM batches`

// CountBatches implements jobs.Reader.
func (s *Store) CountBatches(ctx context.Context) (n int64, err error) {
	err = s.readDB.QueryRowContext(ctx, countBatches).Scan(&n)
	return n, wrapError(err, "count batches")
}

// Batches implements jobs.Reader. A limit of 0 means 100.
func (s *Store) Batches(ctx context.Context, before string, limit int) ([]jobs.Batch, error) {
	bound := int64(maxRow)
	if before != "" {
		seq, err := s.batchPlace(ctx, before)
		if err != nil {
			return nil, wrapError(err, "list batches before %s", before)
		}
		bound = seq
	}
	var page []jobs.Batch
	err := s.read(ctx, func(row scanner) error {
		_, b, err := scanBatch(row)
		page = append(page, b)
		return err
	}, pageOfBatches, bound, pageSize(limit, maxPage))
	return page, wrapError(err, "list batches")
}

// batchPlace returns the place of a batch, read on a read-only connection. It
// returns jobs.ErrNotFound if there is no such batch.
func (s *Store) batchPlace(ctx context.Context, id string) (seq int64, err error) {
	err = s.readDB.QueryRowContext(ctx, `SELECT seq FROM batches WHERE id = ?`, id).Scan(&seq)
	if errors.Is(err, sql.ErrNoRows) {
		err = jobs.ErrNotFound
	}
	return seq, err
}

// logPause logs that an error pauses a batch. It logs nothing if an error has
// already paused it.
const logPause = `INSERT INTO events (at, type, batch_seq, revision) SELECT ?1, 'batch.paused', seq, revision
	FROM batches WHERE id = ?2 AND state IN ('open', 'paused') AND pause_reason = ''`

// Pause implements jobs.Closures.
func (s *Store) Pause(ctx context.Context, batch, reason string, at time.Time) error {
	err := s.write(ctx, func(t *tx) error {
		if reason != "" {
			if _, err := t.exec(logPause, at.UnixMilli(), batch); err != nil {
				return err
			}
		}
		return t.changeBatch(batch, `UPDATE batches SET state = 'paused', pause_reason = ?, resume_at = NULL
			WHERE id = ? AND state IN ('open', 'paused')`, reason, batch)
	})
	return wrapError(err, "pause batch %s", batch)
}

// Resume implements jobs.Closures. The work of a batch that was paused is due at
// once.
func (s *Store) Resume(ctx context.Context, batch string, at time.Time) error {
	err := s.write(ctx, func(t *tx) error {
		return t.changeBatch(batch, `UPDATE batches SET state = 'open', pause_reason = '', resume_at = NULL,
			wake_at = CASE state WHEN 'paused' THEN min(wake_at, ?) ELSE wake_at END
			WHERE id = ? AND state IN ('open', 'paused')`, at.UnixMilli(), batch)
	})
	return wrapError(err, "resume batch %s", batch)
}

// changeBatch runs a guarded update of one batch. If the update has no effect, it
// returns jobs.ErrNotFound or jobs.ErrState.
func (t *tx) changeBatch(id, query string, args ...any) error {
	n, err := t.exec(query, args...)
	if err != nil || n > 0 {
		return err
	}
	if _, _, err := t.batchSeq(id); err != nil {
		return err
	}
	return jobs.ErrState
}

// CountCalls implements jobs.Ledger.
func (s *Store) CountCalls(ctx context.Context, batch string, n int) error {
	err := s.write(ctx, func(t *tx) error {
		return t.changeBatch(batch, `UPDATE batches SET api_calls = api_calls + ? WHERE id = ?`, n, batch)
	})
	return wrapError(err, "count calls of batch %s", batch)
}

// WakeBatch implements jobs.Upkeep.
func (s *Store) WakeBatch(ctx context.Context, batch string, wake time.Time) (generation int64, err error) {
	err = s.write(ctx, func(t *tx) error {
		err := t.get([]any{&generation}, `UPDATE batches SET wake_at = ?, generation = generation + 1 WHERE id = ?
			RETURNING generation`, wake.UnixMilli(), batch)
		if errors.Is(err, sql.ErrNoRows) {
			return jobs.ErrNotFound
		}
		return err
	})
	return generation, wrapError(err, "wake batch %s", batch)
}

// moveCount subtracts n jobs from the counter of one state and adds them to that
// of another.
func (t *tx) moveCount(batchSeq int64, from, to jobs.State, n int64) error {
	if n == 0 {
		return nil
	}
	_, err := t.exec(fmt.Sprintf(`UPDATE batches SET %[1]s = %[1]s - ?, %[2]s = %[2]s + ? WHERE seq = ?`, from, to), n, n, batchSeq)
	return err
}
