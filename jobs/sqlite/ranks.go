package sqlite

import (
	"context"

	"shotline/jobs"
)

// Rows of a batch can have their own priorities. Most batches have no such row,
// and their jobs are leased in row order. A batch that has one is ranked. Once a
// ranked batch is open, every row has a priority, so that the index jobs_ranked
// gives the order of all rows.

// rankRows gives a range of the rows without a priority the priority of their
// batch.
const rankRows = `UPDATE jobs SET priority = (SELECT priority FROM batches WHERE seq = ?1 >> 32)
	WHERE seq BETWEEN ?1 AND ?2 AND state = 'queued' AND priority IS NULL`

// rankRows completes the priorities of a ranked batch at the end of its import,
// in chunks. If it is called again after a crash, it continues.
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

// mostUrgent selects the highest priority of the queued rows of a batch.
const mostUrgent = `CASE ranked WHEN 0 THEN priority ELSE coalesce((SELECT j.priority FROM jobs j
	WHERE j.state = 'queued' AND j.priority IS NOT NULL AND j.batch_seq = batches.seq ORDER BY j.priority DESC, j.seq LIMIT 1), priority) END`

// byRank compares jobs of a batch in the order in which they are leased.
func byRank(a, b jobs.Job) int {
	if a.Priority != nil && b.Priority != nil && *a.Priority != *b.Priority {
		return *b.Priority - *a.Priority
	}
	return int(a.ID.Row - b.ID.Row)
}
