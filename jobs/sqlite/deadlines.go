package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"shotline/jobs"
)

// closeChunk is how many deliveries are applied at a time before a step that
// comes after the inbox; its own transaction then has few left.
const closeChunk = 4000

// shareLimit is up to how many jobs, and deliveries to apply before them, such a
// step goes into a transaction with others: refused creates come one by one, and
// many at a time.
const shareLimit = 64

// closeTries bounds how often such a step begins anew after a delivery made its
// transaction fail; each time that delivery is put aside.
const closeTries = 100

// CloseJobs implements jobs.Closures. The effects include those of the
// deliveries that it applied first.
func (s *Store) CloseJobs(ctx context.Context, closings []jobs.Closing, at time.Time) (jobs.Effects, error) {
	for _, c := range closings {
		if err := checkClosing(c); err != nil {
			return jobs.Effects{}, fmt.Errorf("close job %s: %w", c.Job, err)
		}
	}
	effects, err := s.afterInbox(ctx, len(closings), at, func(t *tx, effects *jobs.Effects) error {
		return t.closeJobs(closings, at, effects)
	})
	return effects, wrapError(err, "close %d jobs", len(closings))
}

// afterInbox takes a step on n jobs that must not overtake what the inbox
// holds: its transaction applies that first. The effects are those of both.
func (s *Store) afterInbox(ctx context.Context, n int, at time.Time, step func(t *tx, effects *jobs.Effects) error) (jobs.Effects, error) {
	var effects jobs.Effects
	few, err := s.isLittle(ctx, n)
	if err != nil {
		return effects, fmt.Errorf("read inbox: %w", err)
	}
	for try := range closeTries {
		write := s.write
		if !few || try > 0 {
			write = s.writeAlone
			if err := s.drainInbox(ctx, at, &effects); err != nil {
				return effects, fmt.Errorf("apply inbox first: %w", err)
			}
		}
		var stepped jobs.Effects
		err := write(ctx, func(t *tx) error {
			applied, err := s.applyNext(t, at, -1)
			if err != nil {
				return err
			}
			stepped = applied.Effects
			return step(t, &stepped)
		})
		if culprit := (*applyError)(nil); errors.As(err, &culprit) {
			continue
		}
		if err != nil {
			return effects, err
		}
		return addEffects(effects, stepped), nil
	}
	return effects, fmt.Errorf("%w: deliveries keep making the transaction fail", jobs.ErrUnavailable)
}

func checkClosing(c jobs.Closing) error {
	switch {
	case c.To != jobs.Failed && c.To != jobs.TimedOut && c.To != jobs.Canceled:
		return fmt.Errorf("%w: it cannot be closed as %q without a result", jobs.ErrInvalid, c.To)
	case !slices.Contains(jobs.Provenances, c.By):
		return fmt.Errorf("%w: provenance %q", jobs.ErrInvalid, c.By)
	}
	for _, from := range c.From {
		if !from.Open() {
			return fmt.Errorf("%w: %q is final", jobs.ErrInvalid, from)
		}
	}
	return nil
}

// isLittle reports whether a step on n jobs is little work, the inbox included.
func (s *Store) isLittle(ctx context.Context, n int) (bool, error) {
	if n > shareLimit {
		return false, nil
	}
	var waiting int
	err := s.readDB.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM inbox
		WHERE seq > (SELECT place FROM cursors WHERE name = 'inbox') LIMIT ?)`, shareLimit+1).Scan(&waiting)
	return waiting <= shareLimit, err
}

func (s *Store) drainInbox(ctx context.Context, at time.Time, effects *jobs.Effects) error {
	for {
		var waiting bool
		err := s.readDB.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM inbox
			WHERE seq > (SELECT place FROM cursors WHERE name = 'inbox'))`).Scan(&waiting)
		if err != nil || !waiting {
			return err
		}
		applied, err := s.applyInbox(ctx, at, closeChunk)
		*effects = addEffects(*effects, applied.Effects)
		if err != nil || !applied.More {
			return err
		}
	}
}

const pickAsked = `INSERT OR IGNORE INTO closing
	(job_seq, ord, attempt, from_state, to_state, late, was_late, was_by, screenshot_id, image_url, error, closed_by)
	SELECT seq, ?, attempt, state, ?, 0, late, closed_by, '', '', ?, ? FROM jobs
	WHERE seq = ? AND instr(?, state) > 0 AND ? IN (0, attempt)`

func (t *tx) closeJobs(closings []jobs.Closing, at time.Time, effects *jobs.Effects) error {
	if err := t.control(`DELETE FROM closing`); err != nil {
		return err
	}
	var picked int64
	for i, c := range closings {
		seq, err := t.jobSeq(c.Job)
		if err != nil {
			return err
		}
		// No open state's name is part of another's.
		n, err := t.exec(pickAsked, i, string(c.To), c.Error, string(c.By), seq, joinStates(c.From), c.Attempt)
		if err != nil {
			return fmt.Errorf("job %s: %w", c.Job, err)
		}
		picked += n
	}
	return t.finish(picked, at, effects)
}

// ExtendDeadlines implements jobs.Closures.
func (s *Store) ExtendDeadlines(ctx context.Context, ids []jobs.ID, until time.Time) error {
	err := s.write(ctx, func(t *tx) error {
		for _, id := range ids {
			seq, err := t.jobSeq(id)
			if err != nil {
				return err
			}
			if _, err := t.exec(`UPDATE jobs SET deadline = ? WHERE seq = ? AND state = 'pending'`, until.UnixMilli(), seq); err != nil {
				return fmt.Errorf("job %s: %w", id, err)
			}
		}
		return nil
	})
	return wrapError(err, "extend %d deadlines", len(ids))
}

const nextDeadline = `SELECT min(deadline) FROM jobs WHERE state = 'pending'`

// NextDeadline implements jobs.Reader.
func (s *Store) NextDeadline(ctx context.Context) (time.Time, error) {
	var deadline sql.NullInt64
	err := s.readDB.QueryRowContext(ctx, nextDeadline).Scan(&deadline)
	return fromMillis(deadline), wrapError(err, "find next deadline")
}

// pendingBatches has the batches with a pending job; ?1 is maxRow.
var pendingBatches = `SELECT id, (SELECT count(*) FROM jobs WHERE state = 'pending' AND submitted_at <= ?2
		AND jobs.seq BETWEEN (batches.seq << 32) AND (batches.seq << 32) + ?1)
	FROM (` + withJobs(jobs.Pending) + `) CROSS JOIN batches ON batches.seq = batch_seq`

// PendingBatches implements jobs.Reader.
func (s *Store) PendingBatches(ctx context.Context, before time.Time) (map[string]int, error) {
	counts := make(map[string]int)
	err := s.read(ctx, func(row scanner) error {
		var id string
		var n int
		err := row.Scan(&id, &n)
		counts[id] = n
		return err
	}, pendingBatches, int64(maxRow), before.UnixMilli())
	if err != nil {
		return nil, wrapError(err, "list pending batches")
	}
	return counts, nil
}
