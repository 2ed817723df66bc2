package sqlite

import (
	"context"

	"shotline/jobs"
)

// withJobs returns a query for the batches that have a job in the given open
// state. The query uses the index of that state to go from batch to batch. ?1 is
// maxRow.
func withJobs(state jobs.State) string {
	first := `SELECT min(seq) >> 32 FROM jobs WHERE state = '` + string(state) + `'`
	return `WITH RECURSIVE found (batch_seq) AS (` + first + ` UNION ALL
		SELECT (` + first + ` AND seq > (found.batch_seq << 32) + ?1) FROM found WHERE batch_seq IS NOT NULL)
		SELECT batch_seq FROM found WHERE batch_seq IS NOT NULL`
}

// finishedWithOpenJobs selects batches that are marked as finished although they
// have an open job. It reads only indexes of open jobs.
var finishedWithOpenJobs = `SELECT id FROM batches WHERE state = 'finished' AND seq IN (
	SELECT batch_seq FROM (` + withJobs(jobs.Queued) + `) UNION SELECT batch_seq FROM (` + withJobs(jobs.Pending) + `)
	UNION SELECT jobs.seq >> 32 FROM jobs WHERE lease_until IS NOT NULL
	UNION SELECT job_seq >> 32 FROM submissions WHERE doubt_since IS NOT NULL) ORDER BY seq`

// unfinished uses the index batches_unfinished. unsummarized uses batches_owing:
// it repeats the condition of that index, and the + in its order keeps the
// planner from scanning all batches in primary key order.
const (
	unfinished   = `SELECT id, state, queued, submitting, pending FROM batches WHERE state IN ('open', 'paused') ORDER BY seq`
	unsummarized = `SELECT id FROM batches WHERE ((state = 'open' AND queued > 0) OR (state = 'finished' AND summarized < revision))
		AND state = 'finished' ORDER BY +seq`
)

// Outstanding implements jobs.Reader.
func (s *Store) Outstanding(ctx context.Context) (out jobs.Outstanding, err error) {
	err = s.look(ctx, func(v view) error {
		err := v.each(func(row scanner) error {
			var id string
			var state jobs.BatchState
			var queued, submitting, pending int64
			err := row.Scan(&id, &state, &queued, &submitting, &pending)
			out.Unfinished = append(out.Unfinished, id)
			if state == jobs.BatchPaused {
				out.Paused += queued
			} else {
				out.Queued += queued
			}
			out.Submitting += submitting
			out.Pending += pending
			return err
		}, unfinished)
		if err != nil {
			return err
		}
		if err := v.each(into(&out.Unfinished), finishedWithOpenJobs, int64(maxRow)); err != nil {
			return err
		}
		if err := v.each(into(&out.Unsummarized), unsummarized); err != nil {
			return err
		}
		return v.get([]any{&out.InDoubt, &out.Held}, `SELECT
			(SELECT count(*) FROM submissions WHERE doubt_since IS NOT NULL),
			(SELECT count(*) FROM inbox WHERE disposition = 'held' AND disposition <> '')`)
	})
	return out, wrapError(err, "list outstanding work")
}

// into returns a visit function that appends a column of ids.
func into(ids *[]string) func(scanner) error {
	return func(row scanner) error {
		var id string
		err := row.Scan(&id)
		*ids = append(*ids, id)
		return err
	}
}
