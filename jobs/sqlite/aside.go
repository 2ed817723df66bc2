package sqlite

import (
	"context"
	"time"

	"shotline/jobs"
)

// applyError is an error that some delivery of a range brought about.
type applyError struct {
	err  error
	last int64 // of the range
}

func (e *applyError) Error() string { return "apply deliveries: " + e.err.Error() }
func (e *applyError) Unwrap() error { return e.err }

// batchesOf are those with a job that a delivery is for.
const batchesOf = `SELECT DISTINCT b.id FROM inbox i CROSS JOIN submissions s ON s.screenshot_id = i.screenshot_id
	JOIN batches b ON b.seq = s.job_seq >> 32 WHERE i.seq = ?`

// repairFor recounts the batches that a delivery is for: counters that are too
// low let no job leave their state, which is no fault of the delivery. It
// returns those that it set right.
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

// putAside takes the delivery behind the cursor out of the way, with what it
// did. Another process may have done so already; then nothing is left to do.
func (s *Store) putAside(ctx context.Context, culprit *applyError) (jobs.Applied, error) {
	var applied jobs.Applied
	err := s.writeAlone(ctx, func(t *tx) error {
		next, err := t.nextRange(1)
		if err != nil || next.count == 0 || next.last != culprit.last {
			return err
		}
		_, err = t.exec(`UPDATE inbox SET disposition = 'aside', aside_error = ? WHERE seq = ?`, culprit.err.Error(), next.last)
		if err != nil {
			return err
		}
		applied = jobs.Applied{Read: 1, Aside: 1, More: next.more}
		return t.moveCursor(next.last)
	})
	return applied, err
}
