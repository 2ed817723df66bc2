package sqlite

import (
	"context"
	"slices"
	"time"

	"shotline/jobs"
)

// owing repeats the condition of the index batches_owing exactly, so that SQLite
// uses it.
const owing = `((state = 'open' AND queued > 0) OR (state = 'finished' AND summarized < revision))`

// dueLevels selects the levels from which more work can be claimed, and how much.
// It uses the index batches_owing to go from one level to the next. ?1 is the
// current time, ?2 the most work of each level that can be under way. Ranked
// batches have levels of their own, so that an urgent row does not wait behind
// other batches of its batch's priority.
const dueLevels = `WITH RECURSIVE levels (state, ranked, priority) AS (
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

// If the caller names batches, which are few, all their due work is claimed.
const (
	ofBatches   = `id IN (SELECT value FROM json_each(?)) AND wake_at <= ? AND ` + owing
	hasWorkOf   = `SELECT EXISTS (SELECT 1 FROM batches WHERE ` + ofBatches + `)`
	claimWorkOf = `UPDATE batches SET generation = generation + 1, wake_at = ? WHERE ` + ofBatches + `
	RETURNING id, state, single, revision, generation, ` + mostUrgent
)

// level is a group of batches that need the same kind of work and have the same
// priority.
type level struct {
	state            jobs.BatchState
	ranked, priority int
	room             int // how much more work can be claimed
}

// prioritizedWork is work with the priority by which it is ordered.
type prioritizedWork struct {
	jobs.Work
	priority int
}

// ClaimWork implements jobs.Upkeep. Most calls find no work, so a reader checks
// first whether there is any, without the write lock.
func (s *Store) ClaimWork(ctx context.Context, at, again time.Time, limit int, batches ...string) ([]jobs.Work, error) {
	claim := s.claimWork
	if len(batches) > 0 {
		claim = func(ctx context.Context, at, again time.Time, _ int) ([]prioritizedWork, error) {
			return s.claimWorkOf(ctx, at, again, batches)
		}
	}
	claimed, err := claim(ctx, at, again, limit)
	if err != nil {
		return nil, wrapError(err, "claim work")
	}
	slices.SortStableFunc(claimed, func(a, b prioritizedWork) int { return b.priority - a.priority })
	var work []jobs.Work
	for _, c := range claimed {
		work = append(work, c.Work)
	}
	return work, nil
}

func (s *Store) claimWork(ctx context.Context, at, again time.Time, limit int) (claimed []prioritizedWork, err error) {
	var levels []level
	read := func(row scanner) error {
		var l level
		err := row.Scan(&l.state, &l.ranked, &l.priority, &l.room)
		levels = append(levels, l)
		return err
	}
	bounds := []any{at.UnixMilli(), max(limit, 0)}
	err = s.look(ctx, func(v view) error { return v.each(read, dueLevels, bounds...) })
	if err != nil || len(levels) == 0 {
		return nil, err
	}
	err = s.write(ctx, func(t *tx) error {
		levels = nil
		err := t.each(read, dueLevels, bounds...)
		for _, l := range levels {
			if err == nil { // the batches that have waited the longest
				err = t.each(workInto(&claimed), claimWork, again.UnixMilli(), string(l.state), l.ranked, l.priority, at.UnixMilli(), l.room)
			}
		}
		return err
	})
	return claimed, err
}

func (s *Store) claimWorkOf(ctx context.Context, at, again time.Time, batches []string) (claimed []prioritizedWork, err error) {
	args := []any{jsonOf(batches), at.UnixMilli()}
	var due bool
	err = s.readDB.QueryRowContext(ctx, hasWorkOf, args...).Scan(&due)
	if err != nil || !due {
		return nil, err
	}
	err = s.write(ctx, func(t *tx) error {
		return t.each(workInto(&claimed), claimWorkOf, append([]any{again.UnixMilli()}, args...)...)
	})
	return claimed, err
}

// workInto returns a visit function that appends claimed work.
func workInto(claimed *[]prioritizedWork) func(scanner) error {
	return func(row scanner) error {
		var state jobs.BatchState
		w := prioritizedWork{Work: jobs.Work{Kind: jobs.WorkSubmit}}
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
