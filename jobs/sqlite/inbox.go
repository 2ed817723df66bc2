package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"shotline/jobs"
)

// inboxHasWork is true if there is a delivery to apply or to release. Here and
// below, the condition that the disposition is not empty allows SQLite to use the
// index inbox_unapplied.
const inboxHasWork = `SELECT EXISTS (SELECT 1 FROM inbox WHERE seq > (SELECT place FROM cursors WHERE name = 'inbox'))
	OR EXISTS (SELECT 1 FROM inbox WHERE disposition = 'held' AND disposition <> ''
		AND seq <= coalesce((SELECT min(open_after) FROM submissions WHERE open_after IS NOT NULL), 9223372036854775807))`

// ApplyInbox implements jobs.Inbox. It takes the write lock only if a read finds
// work. One call is one transaction unless a delivery makes it fail.
func (s *Store) ApplyInbox(ctx context.Context, at time.Time, limit int) (jobs.Applied, error) {
	var found bool
	err := s.readDB.QueryRowContext(ctx, inboxHasWork).Scan(&found)
	if err != nil || !found {
		return jobs.Applied{}, wrapError(err, "apply inbox")
	}
	applied, err := s.applyInbox(ctx, at, max(limit, 1))
	return applied, wrapError(err, "apply inbox")
}

// applyInbox applies up to limit deliveries. If one of them makes the transaction
// fail, it applies the first half and then the second one, and so on, until the
// failing delivery is found.
func (s *Store) applyInbox(ctx context.Context, at time.Time, limit int) (jobs.Applied, error) {
	var applied jobs.Applied
	err := s.writeAlone(ctx, func(t *tx) (err error) {
		applied, err = s.applyNext(t, at, limit)
		return err
	})
	var cause *applyError
	if !errors.As(err, &cause) {
		return applied, err
	}
	read := applied.Read // number of deliveries in the failed range
	if read <= 1 {
		repaired, err := s.repairFor(ctx, cause.last, at)
		if err != nil {
			return jobs.Applied{Repaired: repaired}, err
		}
		if len(repaired) == 0 {
			return s.putAside(ctx, cause)
		}
		again, err := s.applyInbox(ctx, at, 1)
		again.Repaired = append(repaired, again.Repaired...)
		return again, err
	}
	first, err := s.applyInbox(ctx, at, read/2)
	if err != nil {
		return first, err
	}
	second, err := s.applyInbox(ctx, at, read-read/2)
	return addApplied(first, second), err
}

func addApplied(a, b jobs.Applied) jobs.Applied {
	return jobs.Applied{
		Effects: addEffects(a.Effects, b.Effects),
		Read:    a.Read + b.Read,
		Held:    a.Held + b.Held,
		Foreign: a.Foreign + b.Foreign,
		Noted:   a.Noted + b.Noted,
		Aside:   a.Aside + b.Aside,
		More:    b.More,

		Repaired: append(a.Repaired, b.Repaired...),
	}
}

func addEffects(a, b jobs.Effects) jobs.Effects {
	return jobs.Effects{
		Closed:        append(a.Closed, b.Closed...),
		Finished:      append(a.Finished, b.Finished...),
		Revised:       append(a.Revised, b.Revised...),
		Retried:       append(a.Retried, b.Retried...),
		Amended:       append(a.Amended, b.Amended...),
		Separated:     append(a.Separated, b.Separated...),
		Reopened:      append(a.Reopened, b.Reopened...),
		Requeued:      a.Requeued + b.Requeued,
		Canceling:     a.Canceling + b.Canceling,
		Adopted:       a.Adopted + b.Adopted,
		DoubleCharged: append(a.DoubleCharged, b.DoubleCharged...),
		Conflicts:     a.Conflicts + b.Conflicts,
	}
}

// inboxRange is a range of deliveries right after the cursor.
type inboxRange struct {
	cursor, last int64
	count        int
	more         bool
}

const nextDeliveries = `SELECT coalesce(max(seq), ?1), count(*) FROM (SELECT seq FROM inbox WHERE seq > ?1 ORDER BY seq LIMIT +?2)`

func (t *tx) nextRange(limit int) (r inboxRange, err error) {
	if err := t.get([]any{&r.cursor}, `SELECT place FROM cursors WHERE name = 'inbox'`); err != nil {
		return r, fmt.Errorf("read cursor: %w", err)
	}
	err = t.get([]any{&r.last, &r.count}, nextDeliveries, r.cursor, limit)
	if err != nil {
		return r, err
	}
	err = t.get([]any{&r.more}, `SELECT EXISTS (SELECT 1 FROM inbox WHERE seq > ?)`, r.last)
	return r, err
}

func (t *tx) moveCursor(place int64) error {
	_, err := t.exec(`UPDATE cursors SET place = ? WHERE name = 'inbox'`, place)
	return err
}

// applyNext applies the next deliveries in the caller's transaction. If a
// delivery causes an error, applyNext returns an *applyError and still sets Read.
func (s *Store) applyNext(t *tx, at time.Time, limit int) (jobs.Applied, error) {
	next, err := t.nextRange(limit)
	if err != nil {
		return jobs.Applied{}, err
	}
	applied := jobs.Applied{Read: next.count, More: next.more}
	if next.count > 0 {
		err = t.applyRange(next, at, &applied)
		if err == nil && s.failApply != nil {
			err = s.failApply(next.cursor+1, next.last)
		}
		if err != nil && ofData(err) {
			return jobs.Applied{Read: next.count}, &applyError{err, next.last}
		}
		if err != nil {
			return jobs.Applied{}, err
		}
		if err := t.moveCursor(next.last); err != nil {
			return jobs.Applied{}, err
		}
	}
	released, err := t.releaseHeld(at)
	applied.Foreign += released
	applied.More = applied.More || released == releaseChunk
	return applied, err
}

// loadDeliveries copies deliveries to outcomes and joins final results to their
// submissions.
const loadDeliveries = `INSERT INTO outcomes
	(delivery, job_seq, attempt, extra, recorded, screenshot_id, outcome, image_url, error, closed_by)
	SELECT i.seq, s.job_seq, s.attempt, s.extra, s.outcome, i.screenshot_id, i.outcome, i.image_url, i.error, 'webhook'
	FROM inbox i LEFT JOIN submissions s ON s.screenshot_id = i.screenshot_id AND i.outcome IN ('done', 'failed')
	WHERE i.seq > ? AND i.seq <= ? AND i.disposition = '' ORDER BY i.seq`

// classifyUnknown sets the disposition of deliveries without a submission.
const classifyUnknown = `UPDATE inbox SET disposition = CASE
	WHEN screenshot_id = '' OR outcome NOT IN ('done', 'failed') THEN 'noted'
	WHEN seq > ?1 THEN 'held' ELSE 'foreign' END
	WHERE seq IN (SELECT delivery FROM outcomes WHERE job_seq IS NULL) RETURNING disposition`

func (t *tx) applyRange(r inboxRange, at time.Time, applied *jobs.Applied) error {
	if err := t.control(`DELETE FROM outcomes`); err != nil {
		return err
	}
	if _, err := t.exec(loadDeliveries, r.cursor, r.last); err != nil {
		return fmt.Errorf("load deliveries: %w", err)
	}
	var unknown bool
	if err := t.get([]any{&unknown}, `SELECT EXISTS (SELECT 1 FROM outcomes WHERE job_seq IS NULL)`); err != nil {
		return fmt.Errorf("look for unknown screenshots: %w", err)
	}
	if unknown {
		if err := t.classify(at, applied); err != nil {
			return fmt.Errorf("classify deliveries: %w", err)
		}
	}
	return t.settle(at, &applied.Effects)
}

// classify sets the disposition of deliveries without a submission and removes
// them from outcomes.
func (t *tx) classify(at time.Time, applied *jobs.Applied) error {
	oldest, err := t.oldestIntent()
	if err != nil {
		return err
	}
	err = t.each(func(row scanner) error {
		var d jobs.Disposition
		if err := row.Scan(&d); err != nil {
			return err
		}
		switch d {
		case jobs.DispositionHeld:
			applied.Held++
		case jobs.DispositionNoted:
			applied.Noted++
		default:
			applied.Foreign++
		}
		return nil
	}, classifyUnknown, oldest)
	if err == nil && applied.Held > 0 {
		err = t.heldMore()
	}
	if err == nil && applied.Foreign > 0 {
		_, err = t.exec(logUnknown, at.UnixMilli())
	}
	if err != nil {
		return err
	}
	return t.control(`DELETE FROM outcomes WHERE job_seq IS NULL`)
}

const firstIntent = `SELECT min(open_after) FROM submissions WHERE open_after IS NOT NULL`

// oldestIntent returns the place in the inbox after which a delivery might belong
// to a submission whose screenshot id is not known yet. It is NULL if there is no
// such submission.
func (t *tx) oldestIntent() (oldest sql.NullInt64, err error) {
	err = t.get([]any{&oldest}, firstIntent)
	if err != nil {
		err = fmt.Errorf("find oldest intent: %w", err)
	}
	return oldest, err
}
