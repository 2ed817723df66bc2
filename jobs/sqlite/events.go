package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strings"

	"shotline/jobs"
)

// eventScan is the number of log rows that one page of a filter searches. This
// takes some milliseconds.
const eventScan = 5000

// eventCallbackURL is the URL to call for an event, or an empty string. If a
// batch consists of a single job, its URL is called for the job's events,
// otherwise for the batch's own. The URL of a row is called for the events of its
// job. Most batches have no row with a URL, and then jobs is not read.
const eventCallbackURL = `CASE
	WHEN b.callback_url <> '' AND b.single = (e.job_seq IS NOT NULL) THEN b.callback_url
	WHEN b.row_callbacks AND e.job_seq IS NOT NULL THEN (SELECT callback_url FROM jobs WHERE jobs.seq = e.job_seq)
	ELSE '' END`

// selectEvents selects the columns that scanEvent reads. It finds batches by
// their primary key.
const selectEvents = `SELECT e.seq, e.at, e.type, coalesce(b.id, ''), e.job_seq, e.attempt, e.state, e.revision, coalesce(e.delivery, 0),
	` + eventCallbackURL + `
	FROM events e LEFT JOIN batches b ON b.seq = e.batch_seq WHERE e.seq > ? AND e.seq <= ?`

func scanEvent(row scanner) (e jobs.Event, err error) {
	var at, job sql.NullInt64
	err = row.Scan(&e.Seq, &at, &e.Type, &e.Batch, &job, &e.Attempt, &e.State, &e.Revision, &e.Delivery, &e.CallbackURL)
	e.At = fromMillis(at)
	if job.Valid {
		_, number := splitSeq(job.Int64)
		e.Job = jobs.ID{Batch: e.Batch, Row: number}
	}
	return e, err
}

// newestEvent is the place of the newest event that was ever logged, even if it
// was pruned.
const newestEvent = `SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'events'), 0)`

// endOfScan is the place at which a page stops searching. It returns no row if
// the log ends before that.
const endOfScan = `SELECT seq FROM events WHERE seq > ? ORDER BY seq LIMIT 1 OFFSET ?`

// Events implements jobs.Reader.
func (s *Store) Events(ctx context.Context, f jobs.EventFilter) (page []jobs.Event, upTo int64, err error) {
	limit := pageSize(f.Limit, maxPage)
	err = s.look(ctx, func(v view) error {
		if err := v.get([]any{&upTo}, newestEvent); err != nil {
			return err
		}
		upTo = max(upTo, f.After)
		query, args := selectEvents, []any{f.After, upTo}
		where, more, err := v.eventsWhere(f)
		if err != nil {
			return err
		}
		if where != "" {
			err := v.get([]any{&upTo}, endOfScan, f.After, eventScan-1)
			if err != nil && !errors.Is(err, sql.ErrNoRows) {
				return err
			}
			args[1] = upTo
		}
		err = v.each(func(row scanner) error {
			e, err := scanEvent(row)
			page = append(page, e)
			return err
		}, query+where+` ORDER BY e.seq LIMIT ?`, append(append(args, more...), limit)...)
		if len(page) == limit {
			upTo = page[limit-1].Seq
		}
		return err
	})
	if err != nil {
		return nil, 0, wrapError(err, "read events after %d", f.After)
	}
	return page, upTo, nil
}

// eventsWhere returns the conditions of a filter, without the range of places.
func (v view) eventsWhere(f jobs.EventFilter) (where string, args []any, err error) {
	var conditions strings.Builder
	if f.Batch != "" {
		seq, err := v.batchPlace(f.Batch)
		if err != nil {
			return "", nil, err
		}
		conditions.WriteString(" AND e.batch_seq = ?")
		args = append(args, seq)
	}
	if !f.Job.IsZero() {
		seq, err := v.batchPlace(f.Job.Batch)
		if err != nil {
			return "", nil, err
		}
		conditions.WriteString(" AND e.job_seq = ?")
		args = append(args, rowSeq(seq, f.Job.Row))
	}
	if len(f.Types) > 0 {
		conditions.WriteString(" AND e.type IN (?" + strings.Repeat(", ?", len(f.Types)-1) + ")")
		for _, kind := range f.Types {
			args = append(args, kind)
		}
	}
	if f.Calls {
		conditions.WriteString(" AND " + eventCallbackURL + " <> ''")
	}
	return conditions.String(), args, nil
}

// EventRange implements jobs.Reader.
func (s *Store) EventRange(ctx context.Context) (oldest, newest int64, err error) {
	var first sql.NullInt64
	err = s.look(ctx, func(v view) error {
		return v.get([]any{&first, &newest}, `SELECT (SELECT min(seq) FROM events), (`+newestEvent+`)`)
	})
	switch {
	case first.Valid:
		oldest = first.Int64
	case newest > 0:
		oldest = newest + 1
	}
	return oldest, newest, wrapError(err, "read the range of events")
}
