package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"time"

	"shotline/jobs"
	"shotline/jobs/number"
)

// Whether no more deliveries can be held is a flag beside the cursor of the inbox.
// It is updated when held deliveries change, so that an append reads only one more
// row. ?1 is the limit.
const (
	heldIsFull = `UPDATE cursors SET place = 1 WHERE name = 'held full' AND place = 0 AND EXISTS
		(SELECT 1 FROM inbox WHERE disposition = 'held' AND disposition <> '' LIMIT 1 OFFSET +?1 - 1)`
	heldHasRoom = `UPDATE cursors SET place = 0 WHERE name = 'held full' AND place = 1 AND NOT EXISTS
		(SELECT 1 FROM inbox WHERE disposition = 'held' AND disposition <> '' LIMIT 1 OFFSET +?1 - 1)`
	isHeldFull  = `SELECT place FROM cursors WHERE name = 'held full'`
	isKnownShot = `SELECT EXISTS (SELECT 1 FROM submissions WHERE screenshot_id = ?)`
)

// heldMore updates the flag in a transaction that held deliveries.
func (t *tx) heldMore() error {
	_, err := t.exec(heldIsFull, t.maxHeld)
	return err
}

// heldLess updates the flag in a transaction that released held deliveries.
func (t *tx) heldLess() error {
	_, err := t.exec(heldHasRoom, t.maxHeld)
	return err
}

// admit returns the appends that can be kept. For the others, which are of unknown
// screenshots while no more deliveries can be held, it sets an error in errs.
func (t *tx) admit(group []*operation, errs []error) ([]*operation, error) {
	full, err := t.heldFull()
	if err != nil || !full {
		return group, err
	}
	var admitted []*operation
	for i, op := range group {
		known := op.delivery.ScreenshotID == "" || op.delivery.Outcome != jobs.OutcomeDone && op.delivery.Outcome != jobs.OutcomeFailed
		if !known {
			if err := t.get([]any{&known}, isKnownShot, op.delivery.ScreenshotID); err != nil {
				return nil, err
			}
		}
		if !known {
			errs[i] = fmt.Errorf("%w: %d deliveries of unknown screenshots are held, the sender has to try again", jobs.ErrUnavailable, t.maxHeld)
			continue
		}
		admitted = append(admitted, op)
	}
	return admitted, nil
}

func (t *tx) heldFull() (full bool, err error) {
	err = t.direct(func(conn *direct) error {
		stmt, err := conn.prepare(isHeldFull)
		if err != nil {
			return err
		}
		rows, err := stmt.(driver.StmtQueryContext).QueryContext(context.Background(), nil)
		if err != nil {
			return err
		}
		var row [1]driver.Value
		if err = rows.Next(row[:]); err == nil {
			full = row[0] != int64(0)
		} else if errors.Is(err, io.EOF) {
			err = nil
		}
		return errors.Join(err, rows.Close())
	})
	return full, err
}

// heldShots uses the index inbox_unapplied, oldest first.
const heldShots = `SELECT screenshot_id FROM inbox WHERE disposition = 'held' AND disposition <> '' AND received_at < ?
	GROUP BY screenshot_id ORDER BY min(seq) LIMIT ?`

// Held implements jobs.Reader.
func (s *Store) Held(ctx context.Context, before time.Time, limit int) (screenshots []string, all int, err error) {
	err = s.look(ctx, func(v view) error {
		err := v.get([]any{&all}, `SELECT count(*) FROM inbox WHERE disposition = 'held' AND disposition <> ''`)
		if err != nil || all == 0 || limit <= 0 {
			return err
		}
		return v.each(into(&screenshots), heldShots, before.UnixMilli(), limit)
	})
	return screenshots, all, wrapError(err, "list held deliveries")
}

const (
	logDisowned = logForeign + `?2 FROM inbox WHERE disposition = 'held' AND screenshot_id = +?1 ORDER BY seq`
	disown      = `UPDATE inbox SET disposition = 'foreign' WHERE disposition = 'held' AND screenshot_id = +?1`
)

// Disown implements jobs.Inbox.
func (s *Store) Disown(ctx context.Context, screenshots []string, at time.Time) (disowned int, err error) {
	if len(screenshots) == 0 {
		return 0, nil
	}
	err = s.writeAlone(ctx, func(t *tx) error {
		for _, screenshot := range screenshots {
			n, err := t.exec(logDisowned, screenshot, at.UnixMilli())
			if err == nil && n > 0 {
				_, err = t.exec(disown, screenshot)
			}
			if err != nil {
				return fmt.Errorf("screenshot %s: %w", screenshot, err)
			}
			disowned += int(n)
		}
		return t.heldLess()
	})
	if err != nil {
		return 0, wrapError(err, "disown %s", number.Of(len(screenshots), "screenshot"))
	}
	return disowned, nil
}

// releaseChunk is the number of held deliveries that one transaction releases.
// Many foreign deliveries might have been held because of one doubt.
const releaseChunk = 2000

const releasable = ` FROM inbox WHERE disposition = 'held' AND disposition <> '' AND seq <= coalesce(?1, 9223372036854775807) ORDER BY seq LIMIT +?2`

const (
	logReleased = logForeign + `?3` + releasable
	releaseUpTo = `UPDATE inbox SET disposition = 'foreign' WHERE seq IN (SELECT seq` + releasable + `)`
)

// releaseHeld makes held deliveries foreign that no submission can own any more,
// oldest first and at most releaseChunk of them.
func (t *tx) releaseHeld(at time.Time) (int, error) {
	oldest, err := t.oldestIntent()
	if err != nil {
		return 0, err
	}
	n, err := t.exec(logReleased, oldest, releaseChunk, at.UnixMilli())
	if err == nil && n > 0 {
		if n, err = t.exec(releaseUpTo, oldest, releaseChunk); err == nil {
			err = t.heldLess()
		}
	}
	if err != nil {
		return 0, fmt.Errorf("release held deliveries: %w", err)
	}
	return int(n), nil
}
