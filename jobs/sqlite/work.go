package sqlite

import (
	"context"
	"slices"
	"time"

	"shotline/jobs"
)

// owing is the condition of the index batches_owing, word by word.
const owing = `((state = 'open' AND queued > 0) OR (state = 'finished' AND summarized < revision))`

// owedWork goes by the index batches_owing from one level to the next, and finds
// those of which more may be claimed: ?1 is now, ?2 how many of each may be under
// way. Batches whose rows have priorities of their own are apart, so that an urgent
// row does not wait behind its batch's equals.
const owedWork = `WITH RECURSIVE levels (state, ranked, priority) AS (
		SELECT * FROM (SELECT state, ranked, priority FROM batches WHERE ` + owing + ` ORDER BY state, ranked, priority LIMIT 1)
		UNION ALL SELECT n.state, n.ranked, n.priority FROM levels CROSS JOIN batches n ON n.seq = (SELECT seq FROM batches
			WHERE ` + owing + ` AND (state, ranked, priority) > (levels.state, levels.ranked, levels.priority)
			ORDER BY state, ranked, priority LIMIT 1)),
	owed (state, ranked, priority, under_way) AS (SELECT state, ranked, priority, (SELECT count(*) FROM (SELECT 1 FROM batches u
			WHERE ` + owing + ` AND u.state = levels.state AND u.ranked = levels.ranked AND u.priority = levels.priority
			AND u.wake_at > ?1 LIMIT +?2))
		FROM levels WHERE EXISTS (SELECT 1 FROM batches d
			WHERE ` + owing + ` AND d.state = levels.state AND d.ranked = levels.ranked AND d.priority = levels.priority
			AND d.wake_at <= ?1))
	SELECT state, ranked, priority, ?2 - under_way FROM owed WHERE under_way < ?2`

const claimWork = `UPDATE batches SET generation = generation + 1, wake_at = ? WHERE seq IN (SELECT seq FROM batches
		WHERE ` + owing + ` AND state = ? AND ranked = ? AND priority = ? AND wake_at <= ? ORDER BY wake_at LIMIT ?)
	RETURNING id, state, single, revision, generation, ` + mostUrgent

// Of named batches, which are few, all that owe something are claimed.
const (
	ofBatches    = `id IN (SELECT value FROM json_each(?)) AND wake_at <= ? AND ` + owing
	workOfIsOwed = `SELECT EXISTS (SELECT 1 FROM batches WHERE ` + ofBatches + `)`
	claimWorkOf  = `UPDATE batches SET generation = generation + 1, wake_at = ? WHERE ` + ofBatches + `
	RETURNING id, state, single, revision, generation, ` + mostUrgent
)

// level are batches that owe the same kind of work and have the same priority.
type level struct {
	state            jobs.BatchState
	ranked, priority int
	room             int // how many more may be claimed
}

// urgent is work with the priority by which it is ordered.
type urgent struct {
	jobs.Work
	priority int
}

// ClaimWork implements jobs.Upkeep. Most calls find nothing, so a reader looks
// before the writer is asked.
func (s *Store) ClaimWork(ctx context.Context, at, again time.Time, limit int, batches ...string) ([]jobs.Work, error) {
	claim := s.claimWork
	if len(batches) > 0 {
		claim = func(ctx context.Context, at, again time.Time, _ int) ([]urgent, error) {
			return s.claimWorkOf(ctx, at, again, batches)
		}
	}
	claimed, err := claim(ctx, at, again, limit)
	if err != nil {
		return nil, wrapError(err, "claim work")
	}
	slices.SortStableFunc(claimed, func(a, b urgent) int { return b.priority - a.priority })
	var work []jobs.Work
	for _, c := range claimed {
		work = append(work, c.Work)
	}
	return work, nil
}

func (s *Store) claimWork(ctx context.Context, at, again time.Time, limit int) (claimed []urgent, err error) {
	var levels []level
	read := func(row scanner) error {
		var l level
		err := row.Scan(&l.state, &l.ranked, &l.priority, &l.room)
		levels = append(levels, l)
		return err
	}
	bounds := []any{at.UnixMilli(), max(limit, 0)}
	err = s.look(ctx, func(v view) error { return v.each(read, owedWork, bounds...) })
	if err != nil || len(levels) == 0 {
		return nil, err
	}
	err = s.write(ctx, func(t *tx) error {
		levels = nil
		err := t.each(read, owedWork, bounds...)
		for _, l := range levels {
			if err == nil { // those that have waited the longest
				err = t.each(workInto(&claimed), claimWork, again.UnixMilli(), string(l.state), l.ranked, l.priority, at.UnixMilli(), l.room)
			}
		}
		return err
	})
	return claimed, err
}

func (s *Store) claimWorkOf(ctx context.Context, at, again time.Time, batches []string) (claimed []urgent, err error) {
	asked := []any{jsonOf(batches), at.UnixMilli()}
	var owed bool
	err = s.readDB.QueryRowContext(ctx, workOfIsOwed, asked...).Scan(&owed)
	if err != nil || !owed {
		return nil, err
	}
	err = s.write(ctx, func(t *tx) error {
		return t.each(workInto(&claimed), claimWorkOf, append([]any{again.UnixMilli()}, asked...)...)
	})
	return claimed, err
}

// workInto collects work that was claimed.
func workInto(claimed *[]urgent) func(scanner) error {
	return func(row scanner) error {
		var state jobs.BatchState
		w := urgent{Work: jobs.Work{Kind: jobs.WorkSubmit}}
		if err := row.Scan(&w.Batch, &state, &w.Single, &w.Revision, &w.Generation, &w.priority); err != nil {
			return err
		}
		if state == jobs.BatchFinished {
			w.Kind = jobs.WorkSummarize
		} else {
			w.Revision = 0
		}
		*claimed = append(*claimed, w)
		return nil
	}
}
