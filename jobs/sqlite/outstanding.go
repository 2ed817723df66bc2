package sqlite

import (
	"context"

	"shotline/jobs"
)

// withJobs makes a query of the batches that have a job in an open state: it goes
// from batch to batch by the index of that state. ?1 is maxRow.
func withJobs(state jobs.State) string {
	first := `SELECT min(seq) >> 32 FROM jobs WHERE state = '` + string(state) + `'`
	return `WITH RECURSIVE found (batch_seq) AS (` + first + ` UNION ALL
		SELECT (` + first + ` AND seq > (found.batch_seq << 32) + ?1) FROM found WHERE batch_seq IS NOT NULL)
		SELECT batch_seq FROM found WHERE batch_seq IS NOT NULL`
}

// finishedWithOpenJobs are batches that say that they have finished and hold an
// open job all the same. Only indexes of open jobs are read.
var finishedWithOpenJobs = `SELECT id FROM batches WHERE state = 'finished' AND seq IN (
	SELECT batch_seq FROM (` + withJobs(jobs.Queued) + `) UNION SELECT batch_seq FROM (` + withJobs(jobs.Pending) + `)
	UNION SELECT jobs.seq >> 32 FROM jobs WHERE lease_until IS NOT NULL
	UNION SELECT job_seq >> 32 FROM submissions WHERE doubt_since IS NOT NULL) ORDER BY seq`

// unfinished goes by the index batches_unfinished, unsummarized by
// batches_owing: it has that index's condition, and no order that would make
// the planner prefer all batches in their own.
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
	return out, wrapError(err, "list what is outstanding")
}

// into collects a column of ids.
func into(ids *[]string) func(scanner) error {
	return func(row scanner) error {
		var id string
		err := row.Scan(&id)
		*ids = append(*ids, id)
		return err
	}
}
