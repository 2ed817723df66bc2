package sqlite

import (
	"context"

	"shotline/jobs"
)

// Rows of a batch may have priorities of their own. In most batches none has, and
// leases go by the rows alone. In a ranked one every row has a priority once the
// batch is open, so that the index jobs_ranked knows the order of all of them.

// rankRows gives a portion of the rows without a priority that of their batch.
const rankRows = `UPDATE jobs SET priority = (SELECT priority FROM batches WHERE seq = ?1 >> 32)
	WHERE seq BETWEEN ?1 AND ?2 AND state = 'queued' AND priority IS NULL`

// rankRows ends the import of a ranked batch, in chunks; called again after a crash
// it goes on.
func (s *Store) rankRows(ctx context.Context, batch string) error {
	var ranked bool
	err := s.readDB.QueryRowContext(ctx, `SELECT ranked FROM batches WHERE id = ?`, batch).Scan(&ranked)
	if err != nil || !ranked {
		return err
	}
	for first, done := int64(1), false; !done; first += importChunk {
		err := s.writeAlone(ctx, func(t *tx) error {
			seq, rows, err := t.importing(batch)
			if err != nil {
				return err
			}
			done = first+importChunk > rows
			_, err = t.exec(rankRows, rowSeq(seq, first), rowSeq(seq, first+importChunk-1))
			return err
		})
		if err == nil && !done {
			err = pause(ctx, s.importPause)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mostUrgent is the highest priority among the queued rows of a batch.
const mostUrgent = `CASE ranked WHEN 0 THEN priority ELSE coalesce((SELECT j.priority FROM jobs j
	WHERE j.state = 'queued' AND j.priority IS NOT NULL AND j.batch_seq = batches.seq ORDER BY j.priority DESC, j.seq LIMIT 1), priority) END`

// byRank compares jobs of a batch by the order of their leases.
func byRank(a, b jobs.Job) int {
	if a.Priority != nil && b.Priority != nil && *a.Priority != *b.Priority {
		return *b.Priority - *a.Priority
	}
	return int(a.ID.Row - b.ID.Row)
}
