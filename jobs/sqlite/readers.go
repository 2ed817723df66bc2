package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"shotline/jobs"
)

// slowestReader selects the lowest place of all cursors, up to which all events
// were turned into callbacks. It is the highest integer if there are no cursors.
const slowestReader = `SELECT coalesce(min(place), 9223372036854775807) FROM readers`

// OpenCursor implements jobs.Outbox.
func (s *Store) OpenCursor(ctx context.Context, name string, at time.Time) (place int64, err error) {
	const find = `SELECT place FROM readers WHERE name = ?`
	err = s.readDB.QueryRowContext(ctx, find, name).Scan(&place)
	if errors.Is(err, sql.ErrNoRows) {
		err = s.write(ctx, func(t *tx) error {
			_, err := t.exec(`INSERT INTO readers (name, place, opened_at) VALUES (?, (`+newestEvent+`), ?) ON CONFLICT DO NOTHING`,
				name, at.UnixMilli())
			if err != nil {
				return err
			}
			return t.get([]any{&place}, find, name)
		})
	}
	return place, wrapError(err, "open cursor %s", name)
}

// CloseCursor implements jobs.Outbox.
func (s *Store) CloseCursor(ctx context.Context, name string) error {
	err := s.write(ctx, func(t *tx) error {
		_, err := t.exec(`DELETE FROM readers WHERE name = ?`, name)
		return err
	})
	return wrapError(err, "close cursor %s", name)
}

// Cursors implements jobs.Outbox.
func (s *Store) Cursors(ctx context.Context) (names []string, err error) {
	err = s.read(ctx, into(&names), `SELECT name FROM readers ORDER BY name`)
	return names, wrapError(err, "list cursors")
}

const insertCallback = `INSERT INTO callbacks (event_id, type, event, batch_seq, job_seq, sink, url, lane, state, created_at, due_at, wake_at, body)
	VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'owed', ?9, ?9, ?9, ?10) ON CONFLICT (event, sink, url) DO NOTHING`

// AddCallbacks implements jobs.Outbox.
func (s *Store) AddCallbacks(ctx context.Context, cursor string, from, to int64, callbacks []jobs.Callback, at time.Time) (moved bool, err error) {
	for _, c := range callbacks {
		if (c.Target.Sink == "") == (c.Target.URL == "") {
			return false, fmt.Errorf("add callbacks of cursor %s: %w: event %d needs either a sink or a URL", cursor, jobs.ErrInvalid, c.Event)
		}
	}
	write := s.write
	if len(callbacks) > shareLimit {
		write = s.writeAlone
	}
	err = write(ctx, func(t *tx) error {
		n, err := t.exec(`UPDATE readers SET place = ? WHERE name = ? AND place = ?`, to, cursor, from)
		moved = n > 0
		if err != nil || !moved {
			return err
		}
		for _, c := range callbacks {
			if err := t.addCallback(c, at); err != nil {
				return fmt.Errorf("event %d: %w", c.Event, err)
			}
		}
		return nil
	})
	if err != nil {
		return false, wrapError(err, "add callbacks of cursor %s", cursor)
	}
	return moved, nil
}

func (t *tx) addCallback(c jobs.Callback, at time.Time) error {
	var batch int64
	var job any
	if c.Batch != "" {
		seq, _, err := t.batchSeq(c.Batch)
		if err != nil {
			return err
		}
		batch = seq
		if !c.Job.IsZero() {
			job = rowSeq(seq, c.Job.Row)
		}
	}
	_, err := t.exec(insertCallback, c.EventID, string(c.Type), c.Event, batch, job, c.Target.Sink, c.Target.URL, c.Lane, at.UnixMilli(), c.Body)
	return err
}
