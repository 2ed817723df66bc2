package sqlite

import (
	"context"

	"shotline/jobs"
)

// finishedWithOpenJobs are batches that say that they have finished and hold an
// open job all the same. Only indexes of open jobs are read.
const finishedWithOpenJobs = `SELECT id FROM batches WHERE state = 'finished' AND (
	EXISTS (SELECT 1 FROM jobs WHERE jobs.state = 'queued' AND jobs.seq BETWEEN batches.seq << 32 AND (batches.seq << 32) + ?1)
	OR EXISTS (SELECT 1 FROM jobs WHERE jobs.state = 'pending' AND jobs.seq BETWEEN batches.seq << 32 AND (batches.seq << 32) + ?1)
	OR seq IN (SELECT jobs.seq >> 32 FROM jobs WHERE lease_until IS NOT NULL)
	OR seq IN (SELECT job_seq >> 32 FROM submissions WHERE doubt_since IS NOT NULL)) ORDER BY seq`

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
		}, `SELECT id, state, queued, submitting, pending FROM batches WHERE state IN ('open', 'paused') ORDER BY seq`)
		if err != nil {
			return err
		}
		if err := v.each(into(&out.Unfinished), finishedWithOpenJobs, int64(maxRow)); err != nil {
			return err
		}
		err = v.each(into(&out.Unsummarized), `SELECT id FROM batches WHERE state = 'finished' AND summarized < revision ORDER BY seq`)
		if err != nil {
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
