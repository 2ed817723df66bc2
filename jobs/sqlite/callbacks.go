package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"shotline/jobs"
)

// callbackColumns are the columns that scanCallback reads, in its order.
const callbackColumns = `seq, event_id, type, event, coalesce((SELECT id FROM batches WHERE batches.seq = batch_seq), ''), job_seq,
	sink, url, lane, state, generation, attempts, status, error, created_at, first_at, due_at, settled_at`

// scanCallback scans a callback and, into more, the columns after it.
func scanCallback(row scanner, more ...any) (c jobs.Callback, err error) {
	var job, created, first, due, settled sql.NullInt64
	err = row.Scan(append([]any{&c.Seq, &c.EventID, &c.Type, &c.Event, &c.Batch, &job, &c.Target.Sink, &c.Target.URL, &c.Lane,
		&c.State, &c.Generation, &c.Attempts, &c.Status, &c.Error, &created, &first, &due, &settled}, more...)...)
	c.CreatedAt, c.FirstAt, c.DueAt, c.SettledAt = fromMillis(created), fromMillis(first), fromMillis(due), fromMillis(settled)
	if job.Valid {
		_, number := splitSeq(job.Int64)
		c.Job = jobs.ID{Batch: c.Batch, Row: number}
	}
	return c, err
}

// dueCallbacks selects the callbacks to claim. It goes from lane to lane by the
// index callbacks_owed and takes the earliest due callbacks of each, so that at
// most ?2 of the lane are under way. ?1 is the time, ?3 the limit for all lanes
// together.
const dueCallbacks = `WITH RECURSIVE lanes (lane) AS (
		SELECT min(lane) FROM callbacks WHERE state = 'owed'
		UNION ALL SELECT (SELECT min(lane) FROM callbacks WHERE state = 'owed' AND lane > lanes.lane) FROM lanes WHERE lane IS NOT NULL),
	due (seq, wake_at, nth, under_way) AS (
		SELECT d.seq, d.wake_at, row_number() OVER (PARTITION BY d.lane ORDER BY d.wake_at, d.seq),
			(SELECT count(*) FROM (SELECT 1 FROM callbacks u WHERE u.claim > 0 AND u.lane = d.lane AND u.wake_at > ?1 LIMIT +?2))
		FROM lanes CROSS JOIN callbacks d ON d.seq IN (SELECT seq FROM callbacks
			WHERE state = 'owed' AND lane = lanes.lane AND wake_at <= ?1 ORDER BY wake_at, seq LIMIT +?2))
	SELECT seq FROM due WHERE nth <= ?2 - under_way ORDER BY wake_at, seq LIMIT +?3`

const claimCallback = `UPDATE callbacks SET claim = 1, generation = generation + 1, wake_at = max(?, due_at) WHERE seq = ?
	RETURNING ` + callbackColumns

// callbacksDue is true if there is a callback to claim. Usually no callback is
// owed, and the outer condition finds that without visiting the lanes.
const callbacksDue = `SELECT CASE WHEN EXISTS (SELECT 1 FROM callbacks WHERE state = 'owed')
	THEN EXISTS (` + dueCallbacks + `) ELSE 0 END`

// ClaimCallbacks implements jobs.Outbox. It takes the write lock only if a read
// finds a callback to claim.
func (s *Store) ClaimCallbacks(ctx context.Context, at, again time.Time, perLane, limit int) ([]jobs.Callback, error) {
	bounds := []any{at.UnixMilli(), max(perLane, 0), max(limit, 0)}
	var due bool
	err := s.readDB.QueryRowContext(ctx, callbacksDue, bounds...).Scan(&due)
	if err != nil || !due {
		return nil, wrapError(err, "claim callbacks")
	}
	var claimed []jobs.Callback
	err = s.write(ctx, func(t *tx) error {
		var places []int64
		err := t.each(func(row scanner) error {
			var seq int64
			err := row.Scan(&seq)
			places = append(places, seq)
			return err
		}, dueCallbacks, bounds...)
		if err != nil {
			return err
		}
		for _, seq := range places {
			err := t.each(func(row scanner) error {
				c, err := scanCallback(row)
				claimed = append(claimed, c)
				return err
			}, claimCallback, again.UnixMilli(), seq)
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, wrapError(err, "claim callbacks")
	}
	return claimed, nil
}

const countOwed = `SELECT count(*) FROM (SELECT 1 FROM callbacks WHERE state = 'owed' AND lane = ? LIMIT ?)`

// CountOwed implements jobs.Outbox.
func (s *Store) CountOwed(ctx context.Context, lane string, most int) (owed int, err error) {
	err = s.readDB.QueryRowContext(ctx, countOwed, lane, max(most, 0)).Scan(&owed)
	return owed, wrapError(err, "count callbacks of lane %s", lane)
}

// beginCallback begins an attempt if the callback is due in this generation and
// no other attempt is under way.
const beginCallback = `UPDATE callbacks SET claim = 2, attempts = attempts + 1, first_at = coalesce(first_at, ?1), wake_at = max(?2, due_at)
	WHERE seq = ?3 AND generation = ?4 AND state = 'owed' AND due_at <= ?1 AND (claim < 2 OR wake_at <= ?1)
	RETURNING ` + callbackColumns + `, body`

// BeginCallback implements jobs.Outbox.
func (s *Store) BeginCallback(ctx context.Context, seq, generation int64, at, expiry time.Time) (jobs.Callback, error) {
	var begun jobs.Callback
	err := s.write(ctx, func(t *tx) error {
		found := false
		err := t.each(func(row scanner) (err error) {
			var body []byte
			begun, err = scanCallback(row, &body)
			begun.Body, found = body, true
			return err
		}, beginCallback, at.UnixMilli(), expiry.UnixMilli(), seq, generation)
		if err == nil && !found {
			err = jobs.ErrLeaseLost
		}
		return err
	})
	if err != nil {
		return jobs.Callback{}, wrapError(err, "begin callback %d", seq)
	}
	return begun, nil
}

// settleCallback also compares the number of attempts, because one generation can
// have several attempts.
const settleCallback = `UPDATE callbacks SET state = ?1, claim = 0, status = ?2, error = ?3, due_at = ?4, wake_at = ?5, settled_at = ?6,
	body = CASE ?1 WHEN 'delivered' THEN NULL ELSE body END
	WHERE seq = ?7 AND generation = ?8 AND attempts = ?9 AND state = 'owed' AND claim = 2`

// SettleCallback implements jobs.Outbox.
func (s *Store) SettleCallback(ctx context.Context, c jobs.Callback, end jobs.CallbackEnd, at, wake time.Time) error {
	due, woken, settled := any(nil), any(nil), millis(at)
	if end.State == jobs.CallbackOwed {
		if end.DueAt.IsZero() {
			return fmt.Errorf("settle callback %d: %w: owed without a time", c.Seq, jobs.ErrInvalid)
		}
		due, woken, settled = millis(end.DueAt), max(end.DueAt.UnixMilli(), wake.UnixMilli()), nil
	} else if !slices.Contains(jobs.CallbackStates, end.State) {
		return fmt.Errorf("settle callback %d: %w: state %q", c.Seq, jobs.ErrInvalid, end.State)
	}
	err := s.write(ctx, func(t *tx) error {
		n, err := t.exec(settleCallback, string(end.State), end.Status, end.Error, due, woken, settled, c.Seq, c.Generation, c.Attempts)
		if err == nil && n == 0 {
			err = jobs.ErrLeaseLost
		}
		return err
	})
	return wrapError(err, "settle callback %d", c.Seq)
}

// maxCallbackSeqs is the largest number of places in a filter.
const maxCallbackSeqs = 1000

// callbacksWhere returns the conditions of a filter, without its page. It writes
// the states as literals, so that SQLite can use the partial indexes.
func (v view) callbacksWhere(f jobs.CallbackFilter) (where string, args []any, err error) {
	var conditions []string
	add := func(condition string, values ...any) {
		conditions, args = append(conditions, condition), append(args, values...)
	}
	if len(f.States) > 0 {
		var names []string
		for _, state := range f.States {
			if !slices.Contains(jobs.CallbackStates, state) {
				return "", nil, fmt.Errorf("%w: state %q", jobs.ErrInvalid, state)
			}
			names = append(names, "state = '"+string(state)+"'")
		}
		add("(" + strings.Join(names, " OR ") + ")")
	}
	if f.Sink != "" {
		add("sink = ?", f.Sink)
	}
	if f.Batch != "" {
		seq, err := v.batchPlace(f.Batch)
		if err != nil && !errors.Is(err, jobs.ErrNotFound) {
			return "", nil, err
		}
		if err != nil {
			seq = -1 // matches no callback
		}
		add("batch_seq = ?", seq)
	}
	if len(f.Seqs) > maxCallbackSeqs {
		return "", nil, fmt.Errorf("%w: more than %d places", jobs.ErrInvalid, maxCallbackSeqs)
	}
	if len(f.Seqs) > 0 {
		values := make([]any, len(f.Seqs))
		for i, seq := range f.Seqs {
			values[i] = seq
		}
		add("seq IN (?"+strings.Repeat(", ?", len(f.Seqs)-1)+")", values...)
	}
	for _, condition := range conditions {
		where += " AND " + condition
	}
	return where, args, nil
}

// Callbacks implements jobs.Outbox.
func (s *Store) Callbacks(ctx context.Context, f jobs.CallbackFilter) ([]jobs.Callback, error) {
	before := f.Before
	if before <= 0 {
		before = maxSeq
	}
	var page []jobs.Callback
	err := s.look(ctx, func(v view) error {
		where, args, err := v.callbacksWhere(f)
		if err != nil {
			return err
		}
		return v.each(func(row scanner) error {
			c, err := scanCallback(row)
			page = append(page, c)
			return err
		}, `SELECT `+callbackColumns+` FROM callbacks WHERE seq < ?`+where+` ORDER BY seq DESC LIMIT ?`,
			append(append([]any{before}, args...), pageSize(f.Limit, maxPage))...)
	})
	return page, wrapError(err, "list callbacks")
}

// replayChunk is the number of callbacks that one transaction replays.
const replayChunk = 1000

// replayCallback replays a callback if it is dead or waits for its next attempt.
const replayCallback = `UPDATE callbacks SET due_at = ?1, wake_at = ?1, settled_at = NULL, claim = 0, state = 'owed',
	attempts = CASE state WHEN 'dead' THEN 0 ELSE attempts END, first_at = CASE state WHEN 'dead' THEN NULL ELSE first_at END
	WHERE seq = ?2 AND (state = 'dead' OR state = 'owed' AND claim = 0 AND wake_at > ?1)`

// ReplayCallbacks implements jobs.Outbox. It finds the callbacks by reads, a
// chunk at a time. A short transaction then replays those of the chunk that can
// still be replayed.
func (s *Store) ReplayCallbacks(ctx context.Context, f jobs.CallbackFilter, at time.Time) (replayed int, err error) {
	defer func() { err = wrapError(err, "replay callbacks") }()
	if len(f.States) == 0 {
		f.States = []jobs.CallbackState{jobs.CallbackOwed, jobs.CallbackDead}
	}
	for after := int64(0); ; {
		var places []int64
		err := s.look(ctx, func(v view) error {
			where, args, err := v.callbacksWhere(f)
			if err != nil {
				return err
			}
			return v.each(func(row scanner) error {
				var seq int64
				err := row.Scan(&seq)
				places = append(places, seq)
				return err
			}, `SELECT seq FROM callbacks WHERE seq > ?`+where+` ORDER BY seq LIMIT ?`,
				append(append([]any{after}, args...), replayChunk)...)
		})
		if err != nil || len(places) == 0 {
			return replayed, err
		}
		after = places[len(places)-1]
		var changed int64
		err = s.writeAlone(ctx, func(t *tx) error {
			changed = 0
			for _, seq := range places {
				n, err := t.exec(replayCallback, at.UnixMilli(), seq)
				if err != nil {
					return err
				}
				changed += n
			}
			return nil
		})
		replayed += int(changed)
		if err == nil && len(places) == replayChunk {
			err = pause(ctx, s.importPause)
		}
		if err != nil || len(places) < replayChunk {
			return replayed, err
		}
	}
}
