package sqlite

import (
	"context"

	"shotline/jobs"
)

// markDuplicates marks the rows of an import that are equal to an earlier one. It
// streams the rows in the order of their request keys and marks them in chunks, so
// that memory does not grow with the batch (the sort can spill to disk). If it is
// called again after a crash, it finds the same first rows.
func (s *Store) markDuplicates(ctx context.Context, batch string) error {
	seq, err := s.batchPlace(ctx, batch)
	if err != nil {
		return err
	}
	var chunk [][2]int64 // place of the duplicate, number of the row that it repeats
	flush := func() error {
		err := s.writeAlone(ctx, func(t *tx) error {
			// If the import was removed, another batch can have its place.
			now, _, err := t.importing(batch)
			if err == nil && now != seq {
				err = jobs.ErrNotFound
			}
			if err != nil {
				return err
			}
			return t.markDuplicates(seq, chunk)
		})
		chunk = chunk[:0]
		return err
	}
	var first int64
	var firstKey string
	err = s.read(ctx, func(row scanner) error {
		var place int64
		var key []byte
		if err := row.Scan(&key, &place); err != nil {
			return err
		}
		if first == 0 || string(key) != firstKey {
			firstKey = string(key)
			_, first = splitSeq(place)
			return nil
		}
		chunk = append(chunk, [2]int64{place, first})
		if len(chunk) < importChunk {
			return nil
		}
		if err := flush(); err != nil {
			return err
		}
		return pause(ctx, s.importPause)
	}, `SELECT request_key, seq FROM jobs WHERE seq BETWEEN ? AND ? AND state = 'queued'
		ORDER BY request_key, seq`, rowSeq(seq, 1), rowSeq(seq, maxRow))
	if err != nil || len(chunk) == 0 {
		return err
	}
	return flush()
}

func (t *tx) markDuplicates(batchSeq int64, chunk [][2]int64) error {
	var marked int64
	for _, pair := range chunk {
		n, err := t.exec(`UPDATE jobs SET state = 'duplicate', duplicate_of = ? WHERE seq = ? AND state = 'queued'`, pair[1], pair[0])
		if err != nil {
			return err
		}
		marked += n
	}
	return t.moveCount(batchSeq, jobs.Queued, jobs.Duplicate, marked)
}
