package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"shotline/jobs"
)

// closeChunk is how many deliveries one transaction applies before a step that must
// come after the inbox. Few are left for the transaction of the step itself.
const closeChunk = 4000

// shareLimit is the highest number of jobs, and of deliveries to apply before them,
// with which such a step shares a transaction with others. Refused creates come one
// by one, and many at a time.
const shareLimit = 64

// closeTries limits how often such a step is repeated after a delivery made its
// transaction fail. Each time that delivery is put aside.
const closeTries = 100

// afterInbox runs a step on n jobs that must not overtake the deliveries in the
// inbox: its transaction applies them first. The effects are those of both.
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

// drainInbox applies the deliveries that wait, closeChunk at a time.
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
