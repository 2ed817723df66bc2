package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"time"

	"shotline/jobs"
)

// SaveSummary implements jobs.Upkeep.
func (s *Store) SaveSummary(ctx context.Context, batch string, revision int, counts jobs.Counts, data []byte, at time.Time) (stored bool, err error) {
	if data == nil {
		data = []byte{}
	}
	err = s.write(ctx, func(t *tx) error {
		seq, _, err := t.batchSeq(batch)
		if err != nil {
			return err
		}
		n, err := t.exec(`UPDATE batches SET summarized = ?1 WHERE seq = ?2 AND summarized < ?1
			AND (revision > ?1 OR double_charged = ?3 AND cost_micros IS ?4)`, revision, seq, counts.DoubleCharged, micros(counts.Cost))
		if err != nil || n == 0 {
			return err
		}
		stored = true
		_, err = t.exec(`INSERT INTO summaries (batch_seq, revision, at, data) VALUES (?, ?, ?, ?)`,
			seq, revision, at.UnixMilli(), data)
		return err
	})
	if err != nil {
		return false, wrapError(err, "save summary %d of batch %s", revision, batch)
	}
	return stored, nil
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

// Timings implements jobs.Reader. Percentiles use the nearest rank. SQLite can
// sort on disk, so that memory does not grow with the batch.
func (s *Store) Timings(ctx context.Context, batch string) (timings jobs.Timings, err error) {
	defer func() { err = wrapError(s.damage.noticeRead(ctx, err), "measure batch %s", batch) }()
	seq, err := s.batchPlace(ctx, batch)
	if err != nil {
		return timings, err
	}
	view, err := s.readDB.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return timings, err
	}
	defer view.Rollback() // it only ends the view
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

// groupReasons repeats the condition of the index jobs_flawed exactly, so that
// SQLite uses it. pattern is the error of a rejection without the text from the
// first to the last quote. error and line belong to the row with the lowest seq.
const groupReasons = `SELECT state, CASE count(*) WHEN 1 THEN error ELSE pattern END, sum(n) AS total, min(first), line FROM (
		SELECT state, error, count(*) AS n, min(seq) AS first, line,
			CASE WHEN state = 'rejected' AND error LIKE '%"%"%'
				THEN substr(error, 1, instr(error, '"')) || '…' || substr(error, length(rtrim(error, replace(error, '"', ''))))
				ELSE error END AS pattern
		FROM jobs WHERE seq BETWEEN ? AND ?
			AND (state = 'failed' OR state = 'timed_out' OR state = 'canceled' OR state = 'rejected')
		GROUP BY state, error)
	GROUP BY state, pattern ORDER BY total DESC, min(first) LIMIT ?`

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
	}, groupReasons, rowSeq(seq, 1), rowSeq(seq, maxRow), pageSize(limit, maxPage))
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
		// Some costs are hidden. A create that was sent again might have been charged
		// twice, and a lost create might have been charged after all. Listing the
		// vendor's screenshots shows both, with their costs. The cost of one attempt
		// does not include the cost of the others either.
		var hidden int
		err = s.readDB.QueryRowContext(ctx, `SELECT count(*) FROM submissions s WHERE job_seq BETWEEN ? AND ? AND extra = 0 AND (
			(sends > 1 OR sends = 1 AND intent_at IS NULL) AND
			sends > (SELECT count(*) FROM submissions x WHERE x.job_seq = s.job_seq AND x.attempt = s.attempt AND x.cost_micros IS NOT NULL)
			OR screenshot_id IS NOT NULL AND cost_micros IS NULL AND
			EXISTS (SELECT 1 FROM jobs WHERE jobs.seq = s.job_seq AND (jobs.cost_micros IS NOT NULL OR jobs.screenshot_id <> s.screenshot_id)))`,
			rowSeq(seq, 1), rowSeq(seq, maxRow)).Scan(&hidden)
		costs += hidden
	}
	return costs, reasons, wrapError(err, "count unexplained jobs of batch %s", batch)
}
