package sqlite

import (
	"context"
	"database/sql"

	"shotline/jobs"
)

const sumBatches = `SELECT state, count(*), sum(rows), sum(queued), sum(submitting), sum(pending), sum(done), sum(failed),
	sum(timed_out), sum(canceled), sum(duplicate), sum(rejected), sum(by_webhook), sum(by_poll), sum(by_create), sum(by_deadline),
	sum(by_submit), sum(by_cancel), sum(late), sum(corrected), sum(double_charged), sum(cost_micros), sum(api_calls), sum(pause_reason <> '')
	FROM batches GROUP BY state`

const oldestUnapplied = `SELECT received_at FROM inbox WHERE seq > (SELECT place FROM cursors WHERE name = 'inbox')
	ORDER BY seq LIMIT 1`

const countUnsettled = `SELECT (SELECT count(*) FROM submissions WHERE doubt_since IS NOT NULL),
	(SELECT count(*) FROM inbox WHERE disposition = 'held'),
	(SELECT coalesce(max(seq), 0) FROM inbox), (SELECT place FROM cursors WHERE name = 'inbox'),
	(` + oldestUnapplied + `),
	(SELECT count(*) FROM callbacks WHERE state = 'owed'), (SELECT count(*) FROM callbacks WHERE state = 'dead'),
	(SELECT min(due_at) FROM callbacks WHERE state = 'owed'),
	(SELECT max(0, coalesce((` + newestEvent + `) - (SELECT min(place) FROM readers), 0))),
	(SELECT count(*) FROM files WHERE state = 'wanted' AND wake_at > 0)` // by the index files_wanted

// Totals implements jobs.Reader. The two queries might see different commits.
func (s *Store) Totals(ctx context.Context) (jobs.Totals, error) {
	totals := jobs.Totals{Batches: map[jobs.BatchState]int64{}}
	c := &totals.Counts
	c.ByState, c.ByProvenance = map[jobs.State]int64{}, map[jobs.Provenance]int64{}
	var micros sql.NullInt64
	err := s.read(ctx, func(row scanner) error {
		var state jobs.BatchState
		var n, rows, late, corrected, double, calls, stopped int64
		var cost sql.NullInt64
		states, ways := make([]int64, len(jobs.States)), make([]int64, len(jobs.Provenances))
		dest := []any{&state, &n, &rows}
		for i := range states { // in the order of the columns
			dest = append(dest, &states[i])
		}
		for i := range ways {
			dest = append(dest, &ways[i])
		}
		if err := row.Scan(append(dest, &late, &corrected, &double, &cost, &calls, &stopped)...); err != nil {
			return err
		}
		totals.Batches[state] = n
		totals.Stopped += stopped
		c.Rows += rows
		c.Late += late
		c.Corrected += corrected
		c.DoubleCharged += double
		c.APICalls += calls
		if cost.Valid {
			micros.Int64, micros.Valid = micros.Int64+cost.Int64, true
		}
		for i, state := range jobs.States {
			c.ByState[state] += states[i]
		}
		for i, way := range jobs.Provenances {
			c.ByProvenance[way] += ways[i]
		}
		return nil
	}, sumBatches)
	if err != nil {
		return jobs.Totals{}, wrapError(err, "sum up batches")
	}
	c.Cost = fromMicros(micros)
	var oldest, due sql.NullInt64
	err = s.readDB.QueryRowContext(ctx, countUnsettled).Scan(&totals.Doubts, &totals.Held, &totals.Inbox, &totals.Cursor, &oldest,
		&totals.CallbacksOwed, &totals.CallbacksDead, &due, &totals.EventLag, &totals.FilesWanted)
	totals.Unapplied, totals.CallbackDue = fromMillis(oldest), fromMillis(due)
	return totals, wrapError(err, "count unsettled work")
}
