package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"shotline/jobs"
)

// querier runs queries, in the writer's transaction or in a reader's view.
type querier interface {
	each(visit func(scanner) error, query string, args ...any) error
	get(dest []any, query string, args ...any) error
}

// view is a snapshot of the database.
type view struct {
	ctx context.Context
	tx  *sql.Tx
}

func (v view) each(visit func(scanner) error, query string, args ...any) error {
	rows, err := v.tx.QueryContext(v.ctx, query, args...)
	return ofStatement(eachRow(rows, err, visit), query, args)
}

func (v view) get(dest []any, query string, args ...any) error {
	return ofStatement(v.tx.QueryRowContext(v.ctx, query, args...).Scan(dest...), query, args)
}

// batchPlace returns the place of a batch, or jobs.ErrNotFound if there is no
// such batch.
func (v view) batchPlace(id string) (seq int64, err error) {
	err = v.get([]any{&seq}, `SELECT seq FROM batches WHERE id = ?`, id)
	if errors.Is(err, sql.ErrNoRows) {
		err = jobs.ErrNotFound
	}
	return seq, err
}

// look runs several reads on the same snapshot.
func (s *Store) look(ctx context.Context, do func(view) error) error {
	tx, err := s.readDB.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback() // it only ends the view
	return s.damage.noticeRead(ctx, do(view{ctx, tx}))
}

// Tally implements jobs.Reader.
func (s *Store) Tally(ctx context.Context, batch string) (counts jobs.Counts, err error) {
	seq, err := s.batchPlace(ctx, batch)
	if err == nil {
		err = s.look(ctx, func(v view) error {
			counts, err = tally(v, seq)
			return err
		})
	}
	return counts, wrapError(err, "tally batch %s", batch)
}

func tally(from querier, batchSeq int64) (counts jobs.Counts, err error) {
	counts.ByState = make(map[jobs.State]int64, len(jobs.States))
	for _, state := range jobs.States {
		counts.ByState[state] = 0
	}
	counts.ByProvenance = make(map[jobs.Provenance]int64, len(jobs.Provenances))
	for _, by := range jobs.Provenances {
		counts.ByProvenance[by] = 0
	}
	low, high := rowSeq(batchSeq, 1), rowSeq(batchSeq, maxRow)
	err = from.each(func(row scanner) error {
		var state jobs.State
		var by jobs.Provenance
		var n, late, corrected int64
		if err := row.Scan(&state, &by, &n, &late, &corrected); err != nil {
			return err
		}
		counts.Rows += n
		counts.Late += late
		counts.Corrected += corrected
		counts.ByState[state] += n
		if by != "" {
			counts.ByProvenance[by] += n
		}
		return nil
	}, `SELECT state, closed_by, count(*), sum(late), sum(corrected) FROM jobs WHERE seq BETWEEN ? AND ? GROUP BY state, closed_by`, low, high)
	if err != nil {
		return counts, err
	}
	var cost sql.NullInt64
	err = from.get([]any{&counts.DoubleCharged, &cost}, `SELECT count(*) FILTER (WHERE extra > 0), sum(cost_micros) FROM submissions
		WHERE job_seq BETWEEN ? AND ?`, low, high)
	counts.Cost = fromMicros(cost)
	if err != nil {
		err = fmt.Errorf("submissions: %w", err)
	}
	return counts, err
}

// comparison is a batch with a count over its rows.
type comparison struct {
	seq     int64
	batch   jobs.Batch
	counted jobs.Counts
}

func compare(from querier, id string) (c comparison, err error) {
	found := false
	err = from.each(func(row scanner) error {
		found = true
		c.seq, c.batch, err = scanBatch(row)
		return err
	}, `SELECT `+batchColumns+` FROM batches WHERE id = ?`, id)
	if err == nil && !found {
		err = jobs.ErrNotFound
	}
	if err == nil {
		c.counted, err = tally(from, c.seq)
	}
	return c, err
}

// wrong describes every difference in words.
func (c comparison) wrong() (found []string) {
	differ := func(name string, stored, counted any) {
		if stored != counted {
			found = append(found, fmt.Sprintf("%s is %v, the rows say %v", name, stored, counted))
		}
	}
	stored, counted := c.batch.Counts, c.counted
	differ("rows", stored.Rows, counted.Rows)
	for _, state := range jobs.States {
		differ(string(state), stored.Of(state), counted.Of(state))
	}
	for _, by := range jobs.Provenances {
		differ("closed by "+string(by), stored.ByProvenance[by], counted.ByProvenance[by])
	}
	differ("late", stored.Late, counted.Late)
	differ("corrected", stored.Corrected, counted.Corrected)
	differ("double charged", stored.DoubleCharged, counted.DoubleCharged)
	differ("cost", inCredits(stored.Cost), inCredits(counted.Cost))
	switch {
	case c.endsEarly():
		found = append(found, fmt.Sprintf("it has finished, with %d open jobs", counted.Open()))
	case c.neverEnds():
		found = append(found, fmt.Sprintf("it is %s, without an open job", c.batch.State))
	}
	return found
}

func inCredits(cost *float64) string {
	if cost == nil {
		return "unknown"
	}
	return fmt.Sprint(*cost)
}

// endsEarly reports whether the batch has finished although it has open jobs.
func (c comparison) endsEarly() bool {
	return c.batch.State == jobs.BatchFinished && c.counted.Open() > 0
}

// neverEnds reports whether the batch is open or paused without an open job. No
// job would finish such a batch when it closes.
func (c comparison) neverEnds() bool {
	return (c.batch.State == jobs.BatchOpen || c.batch.State == jobs.BatchPaused) && c.counted.Open() == 0
}

// Recount implements jobs.Upkeep. It counts under the write lock only if the
// counters of the batch are wrong.
func (s *Store) Recount(ctx context.Context, batch string, at time.Time) (repair jobs.Repair, err error) {
	var c comparison
	err = s.look(ctx, func(v view) error {
		c, err = compare(v, batch)
		return err
	})
	if err == nil && len(c.wrong()) > 0 {
		err = s.writeAlone(ctx, func(t *tx) error {
			c, err := compare(t, batch)
			if err != nil {
				return err
			}
			repair, err = t.repair(c, at)
			return err
		})
	}
	if err != nil {
		return jobs.Repair{}, wrapError(err, "recount batch %s", batch)
	}
	return repair, nil
}

var setCounters = setCountersQuery()

func setCountersQuery() string {
	columns := []string{"rows", "late", "corrected", "double_charged", "cost_micros"}
	for _, state := range jobs.States {
		columns = append(columns, string(state))
	}
	for _, by := range jobs.Provenances {
		columns = append(columns, "by_"+string(by))
	}
	return "UPDATE batches SET " + strings.Join(columns, " = ?, ") + " = ? WHERE seq = ?"
}

// reopenBatch opens a batch again and makes its work due at once.
const reopenBatch = `UPDATE batches SET state = 'open', finished_at = NULL, wake_at = 0 WHERE seq = ?`

const reviseBatch = `UPDATE batches SET revision = revision + 1, wake_at = 0 WHERE seq = ? RETURNING seq, id, revision`

// repair corrects the counters and moves the batch to the state that follows from
// them.
func (t *tx) repair(c comparison, at time.Time) (repair jobs.Repair, err error) {
	repair.Wrong = c.wrong()
	if len(repair.Wrong) == 0 {
		return repair, nil
	}
	args := []any{c.counted.Rows, c.counted.Late, c.counted.Corrected, c.counted.DoubleCharged, micros(c.counted.Cost)}
	for _, state := range jobs.States {
		args = append(args, c.counted.Of(state))
	}
	for _, by := range jobs.Provenances {
		args = append(args, c.counted.ByProvenance[by])
	}
	if _, err := t.exec(setCounters, append(args, c.seq)...); err != nil {
		return repair, err
	}
	switch {
	case c.endsEarly():
		repair.Reopened = true
		_, err = t.exec(reopenBatch, c.seq)
	case c.neverEnds():
		repair.Finished = true
		_, err = t.finishBatch(c.seq, at)
	case c.batch.State == jobs.BatchFinished && c.batch.Summarized >= c.batch.Revision:
		repair.Revised = true
		_, err = t.markBatches(jobs.EventBatchRevised, at, reviseBatch, c.seq)
	}
	return repair, err
}
