package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"time"

	"shotline/jobs"
)

// SaveSummary implements jobs.Upkeep.
func (s *Store) SaveSummary(ctx context.Context, batch string, revision int, data []byte, at time.Time) (told bool, err error) {
	if data == nil {
		data = []byte{}
	}
	err = s.write(ctx, func(t *tx) error {
		seq, _, err := t.batchSeq(batch)
		if err != nil {
			return err
		}
		n, err := t.exec(`UPDATE batches SET summarized = ?1 WHERE seq = ?2 AND summarized < ?1`, revision, seq)
		if err != nil || n == 0 {
			return err
		}
		told = true
		_, err = t.exec(`INSERT INTO summaries (batch_seq, revision, at, data) VALUES (?, ?, ?, ?)`,
			seq, revision, at.UnixMilli(), data)
		return err
	})
	if err != nil {
		return false, wrapError(err, "save summary %d of batch %s", revision, batch)
	}
	return told, nil
}

// Summary implements jobs.Reader.
func (s *Store) Summary(ctx context.Context, batch string) (revision int, data []byte, err error) {
	seq, err := s.batchPlace(ctx, batch)
	if err == nil {
		err = s.readDB.QueryRowContext(ctx, `SELECT revision, data FROM summaries WHERE batch_seq = ?
			ORDER BY revision DESC LIMIT 1`, seq).Scan(&revision, &data)
	}
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil, nil
	}
	return revision, data, wrapError(err, "read summary of batch %s", batch)
}

const doneSpans = ` FROM jobs WHERE seq BETWEEN ? AND ? AND state = 'done' AND submitted_at IS NOT NULL`

// Timings implements jobs.Reader. Percentiles are the nearest rank; the sort
// may spill to disk, so that memory does not grow with the batch.
func (s *Store) Timings(ctx context.Context, batch string) (timings jobs.Timings, err error) {
	defer func() { err = wrapError(s.damage.notice(err), "measure batch %s", batch) }()
	seq, err := s.batchPlace(ctx, batch)
	if err != nil {
		return timings, err
	}
	view, err := s.readDB.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return timings, err
	}
	defer view.Rollback() //nolint:errcheck // it only ends the view
	low, high := rowSeq(seq, 1), rowSeq(seq, maxRow)
	var least, mean, most sql.NullFloat64
	err = view.QueryRowContext(ctx, `SELECT count(*), min(closed_at - submitted_at), avg(closed_at - submitted_at),
		max(closed_at - submitted_at)`+doneSpans, low, high).Scan(&timings.Count, &least, &mean, &most)
	if err != nil || timings.Count == 0 {
		return timings, err
	}
	timings.Min, timings.Mean, timings.Max = span(least.Float64), span(mean.Float64), span(most.Float64)
	for _, p := range []struct {
		share float64
		dest  *time.Duration
	}{{0.50, &timings.P50}, {0.95, &timings.P95}} {
		rank := int64(math.Ceil(p.share * float64(timings.Count)))
		var ms float64
		err := view.QueryRowContext(ctx, `SELECT closed_at - submitted_at AS span`+doneSpans+` ORDER BY span LIMIT 1 OFFSET ?`,
			low, high, rank-1).Scan(&ms)
		if err != nil {
			return timings, err
		}
		*p.dest = span(ms)
	}
	return timings, nil
}

func span(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }

// Reasons implements jobs.Reader. A limit of 0 means 100.
func (s *Store) Reasons(ctx context.Context, batch string, limit int) ([]jobs.Reason, error) {
	seq, err := s.batchPlace(ctx, batch)
	if err != nil {
		return nil, wrapError(err, "group reasons of batch %s", batch)
	}
	var reasons []jobs.Reason
	err = s.read(ctx, func(row scanner) error {
		var r jobs.Reason
		var first int64
		err := row.Scan(&r.State, &r.Error, &r.Count, &first, &r.Line)
		_, r.First.Row = splitSeq(first)
		r.First.Batch = batch
		reasons = append(reasons, r)
		return err
	}, `SELECT state, error, count(*) AS n, min(seq), line FROM jobs -- line is that of the row with the min
		WHERE seq BETWEEN ? AND ? AND state IN ('failed', 'timed_out', 'canceled', 'rejected')
		GROUP BY state, error ORDER BY n DESC, min(seq) LIMIT ?`, rowSeq(seq, 1), rowSeq(seq, maxRow), pageSize(limit, maxPage))
	return reasons, wrapError(err, "group reasons of batch %s", batch)
}

// Unexplained implements jobs.Reader.
func (s *Store) Unexplained(ctx context.Context, batch string) (costs, reasons int, err error) {
	seq, err := s.batchPlace(ctx, batch)
	if err == nil {
		err = s.readDB.QueryRowContext(ctx, `SELECT
			count(*) FILTER (WHERE screenshot_id <> '' AND cost_micros IS NULL),
			count(*) FILTER (WHERE state = 'failed' AND error = '')
			FROM jobs WHERE seq BETWEEN ? AND ? AND state IN ('done', 'failed', 'timed_out', 'canceled')`,
			rowSeq(seq, 1), rowSeq(seq, maxRow)).Scan(&costs, &reasons)
	}
	if err == nil {
		// What was sent anew may have been charged twice: a listing tells, and
		// what the second one cost.
		var resent int
		err = s.readDB.QueryRowContext(ctx, `SELECT count(*) FROM submissions s WHERE job_seq BETWEEN ? AND ? AND extra = 0 AND sends > 1
			AND sends > (SELECT count(*) FROM submissions x WHERE x.job_seq = s.job_seq AND x.attempt = s.attempt AND x.cost_micros IS NOT NULL)`,
			rowSeq(seq, 1), rowSeq(seq, maxRow)).Scan(&resent)
		costs += resent
	}
	return costs, reasons, wrapError(err, "count unexplained jobs of batch %s", batch)
}

// Tally implements jobs.Reader.
func (s *Store) Tally(ctx context.Context, batch string) (counts jobs.Counts, err error) {
	defer func() { err = wrapError(s.damage.notice(err), "tally batch %s", batch) }()
	counts.ByState = make(map[jobs.State]int64, len(jobs.States))
	for _, state := range jobs.States {
		counts.ByState[state] = 0
	}
	counts.ByProvenance = make(map[jobs.Provenance]int64, len(jobs.Provenances))
	for _, by := range jobs.Provenances {
		counts.ByProvenance[by] = 0
	}
	seq, err := s.batchPlace(ctx, batch)
	if err != nil {
		return counts, err
	}
	view, err := s.readDB.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return counts, err
	}
	defer view.Rollback() //nolint:errcheck // it only ends the view
	low, high := rowSeq(seq, 1), rowSeq(seq, maxRow)
	rows, err := view.QueryContext(ctx, `SELECT state, closed_by, count(*), sum(late) FROM jobs
		WHERE seq BETWEEN ? AND ? GROUP BY state, closed_by`, low, high)
	err = eachRow(rows, err, func(row scanner) error {
		var state jobs.State
		var by jobs.Provenance
		var n, late int64
		if err := row.Scan(&state, &by, &n, &late); err != nil {
			return err
		}
		counts.Rows += n
		counts.Late += late
		counts.ByState[state] += n
		if by != "" {
			counts.ByProvenance[by] += n
		}
		return nil
	})
	if err != nil {
		return counts, err
	}
	var cost sql.NullInt64
	err = view.QueryRowContext(ctx, `SELECT count(*) FILTER (WHERE extra > 0), sum(cost_micros) FROM submissions
		WHERE job_seq BETWEEN ? AND ?`, low, high).Scan(&counts.DoubleCharged, &cost)
	counts.Cost = fromMicros(cost)
	if err != nil {
		err = fmt.Errorf("submissions: %w", err)
	}
	return counts, err
}
