package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"shotline/jobs"
)

// closeChunk is the number of deliveries that one transaction applies ahead of a
// step of afterInbox. The transaction of the step itself then has few deliveries
// left to apply.
const closeChunk = 4000

// shareLimit is the largest number of jobs, and of deliveries to apply before
// them, for which a step of afterInbox shares a transaction with other
// operations. Sharing helps with refused creates: each is closed by its own call,
// and many calls arrive at the same time.
const shareLimit = 64

// closeTries limits how often a step is repeated because a delivery made its
// transaction fail. That delivery is set aside before the step is repeated.
const closeTries = 100

// afterInbox runs a step on n jobs that must not overtake the deliveries in the
// inbox. The transaction of the step applies them first. The returned effects are
// those of the deliveries and of the step.
func (s *Store) afterInbox(ctx context.Context, n int, at time.Time, step func(t *tx, effects *jobs.Effects) error) (jobs.Effects, error) {
	var effects jobs.Effects
	small, err := s.isSmall(ctx, n)
	if err != nil {
		return effects, fmt.Errorf("read inbox: %w", err)
	}
	for try := range closeTries {
		write := s.write
		if !small || try > 0 {
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
		if cause := (*applyError)(nil); errors.As(err, &cause) {
			continue
		}
		if err != nil {
			return effects, err
		}
		return addEffects(effects, stepped), nil
	}
	return effects, fmt.Errorf("%w: deliveries keep making the transaction fail", jobs.ErrUnavailable)
}

// isSmall reports whether a step on n jobs is little work, including the
// deliveries that have to be applied first.
func (s *Store) isSmall(ctx context.Context, n int) (bool, error) {
	if n > shareLimit {
		return false, nil
	}
	var waiting int
	err := s.readDB.QueryRowContext(ctx, `SELECT count(*) FROM (SELECT 1 FROM inbox
		WHERE seq > (SELECT place FROM cursors WHERE name = 'inbox') LIMIT ?)`, shareLimit+1).Scan(&waiting)
	return waiting <= shareLimit, err
}

// drainInbox applies all deliveries in the inbox, closeChunk in each transaction.
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
