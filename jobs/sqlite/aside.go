package sqlite

import (
	"context"
	"time"

	"shotline/jobs"
)

// applyError is an error that one of the deliveries in a range caused.
type applyError struct {
	err  error
	last int64 // place of the last delivery in the range
}

func (e *applyError) Error() string { return "apply deliveries: " + e.err.Error() }
func (e *applyError) Unwrap() error { return e.err }

// batchesOf selects the batches that have a submission with the screenshot of a
// delivery.
const batchesOf = `SELECT DISTINCT b.id FROM inbox i CROSS JOIN submissions s ON s.screenshot_id = i.screenshot_id
	JOIN batches b ON b.seq = s.job_seq >> 32 WHERE i.seq = ?`

// repairFor recounts the batches that a delivery belongs to. If the counter of a
// state is too low, no job can leave that state, although the delivery is correct.
// It returns the batches whose counters it corrected.
func (s *Store) repairFor(ctx context.Context, delivery int64, at time.Time) (repaired []string, err error) {
	var batches []string
	err = s.read(ctx, func(row scanner) error {
		var id string
		err := row.Scan(&id)
		batches = append(batches, id)
		return err
	}, batchesOf, delivery)
	if err != nil {
		return nil, err
	}
	for _, batch := range batches {
		repair, err := s.Recount(ctx, batch, at)
		if err != nil {
			return repaired, err
		}
		if len(repair.Wrong) > 0 {
			repaired = append(repaired, batch)
		}
	}
	return repaired, nil
}

// putAside sets the next delivery after the cursor aside, together with the error
// that it caused. If another process has already done so, putAside changes
// nothing.
func (s *Store) putAside(ctx context.Context, cause *applyError) (jobs.Applied, error) {
	var applied jobs.Applied
	err := s.writeAlone(ctx, func(t *tx) error {
		next, err := t.nextRange(1)
		if err != nil || next.count == 0 || next.last != cause.last {
			return err
		}
		_, err = t.exec(`UPDATE inbox SET disposition = 'aside', aside_error = ? WHERE seq = ?`, cause.err.Error(), next.last)
		if err != nil {
			return err
		}
		applied = jobs.Applied{Read: 1, Aside: 1, More: next.more}
		return t.moveCursor(next.last)
	})
	return applied, err
}
