package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"shotline/jobs"
)

const (
	conflictChunk = 500
	// If the vendor cannot be reached, or is still processing, it is queried again
	// after conflictAgain, then after twice as long, up to conflictMost.
	conflictAgain = 5 * time.Second
	conflictMost  = 2 * time.Minute
)

// checkConflicts queries the vendor about screenshots that were reported both as
// done and as failed, of one batch or, if that is empty, of all. The answers are
// recorded like those of any look-up. If the first result was false, that corrects
// the job. If the vendor does not know a screenshot, or has processed it for longer
// than a job can be pending, the first result stands.
func (o *Orchestrator) checkConflicts(ctx context.Context, q queries, batch string) (changed changes, err error) {
	now := o.clock.Now()
	claimed, err := o.store.ClaimConflicts(ctx, batch, now, now.Add(o.cfg.RequestTimeout+conflictMost), conflictChunk)
	if err != nil {
		return changes{}, fmt.Errorf("check conflicts: %w", err)
	}
	byBatch := map[string][]jobs.Conflict{}
	for _, c := range claimed {
		byBatch[c.Job.Batch] = append(byBatch[c.Job.Batch], c)
	}
	for batch := range byBatch {
		if done, free := o.turns.take(conflictsOf(batch)); free {
			defer done()
		}
	}
	answers := conflictAnswers{}
	queryErr := eachBatch(ctx, "check conflicts", byBatch, func(batch string, conflicts []jobs.Conflict) error {
		part, err := o.queryConflicts(ctx, q, batch, conflicts, answers)
		changed = changed.plus(part)
		return err
	})
	if ctx.Err() != nil {
		return changed, queryErr // they are due again when the claim ends
	}
	rechecks := make([]jobs.ConflictRecheck, 0, len(claimed))
	for _, c := range claimed {
		if r, needed := o.recheck(c, answers); needed {
			rechecks = append(rechecks, r)
		}
	}
	return changed, errors.Join(queryErr, o.store.RecheckConflicts(ctx, rechecks))
}

// conflictsOf returns the key of the turn of checking a batch's conflicts.
func conflictsOf(batch string) string { return "conflicts of " + batch }

// conflictAnswers holds the vendor's answers by job. A check is about one
// screenshot of a job at a time.
type conflictAnswers map[jobs.ID]conflictAnswer

type conflictAnswer struct {
	says          jobs.Outcome
	maxProcessing time.Duration // how long a screenshot may be processing
}

// queryConflicts queries the vendor about the conflicts of one batch and records
// the answers.
func (o *Orchestrator) queryConflicts(ctx context.Context, q queries, batch string, conflicts []jobs.Conflict, answers conflictAnswers) (changes, error) {
	b, err := o.store.Batch(ctx, batch)
	if err != nil {
		return changes{}, err
	}
	wanted := make([]jobs.Job, len(conflicts))
	byJob := make(map[jobs.ID]jobs.Conflict, len(conflicts))
	for i, c := range conflicts {
		wanted[i] = jobs.Job{ID: c.Job, Attempt: c.Attempt, ScreenshotID: c.ScreenshotID}
		byJob[c.Job] = c
	}
	l := o.lookup(q, b)
	unknown, err := l.query(ctx, newMatcher(wanted), wanted, true, func(found []jobs.Observation) error {
		if err := l.record(ctx, found); err != nil {
			return err
		}
		for _, seen := range found {
			if c, ok := byJob[seen.Job]; ok && c.ScreenshotID == seen.ScreenshotID {
				answers[seen.Job] = conflictAnswer{seen.Outcome, o.jobTimeout(b, jobs.Job{Timeout: c.Timeout}) + o.cfg.DeadlineGrace}
			}
		}
		return nil
	})
	for _, j := range unknown {
		answers[j.ID] = conflictAnswer{says: jobs.OutcomeUnknown}
	}
	return l.changes, err
}

// recheck decides when a conflict is checked again. After a result no further check
// is needed.
func (o *Orchestrator) recheck(c jobs.Conflict, answers conflictAnswers) (r jobs.ConflictRecheck, needed bool) {
	now := o.clock.Now()
	again := conflictMost
	if c.Checks < 5 {
		again = min(again, conflictAgain<<c.Checks)
	}
	answer := answers[c.Job]
	r = jobs.ConflictRecheck{Job: c.Job, Attempt: c.Attempt, Says: answer.says, Next: now.Add(again)}
	switch answer.says {
	case jobs.OutcomeDone, jobs.OutcomeFailed:
		return r, false
	case jobs.OutcomeUnknown:
		r.Next = time.Time{}
	case jobs.OutcomeProcessing:
		// One answer is not enough: the vendor might have been unreachable until now.
		if c.Says == jobs.OutcomeProcessing && now.Sub(c.Since) >= answer.maxProcessing {
			r.Next = time.Time{}
		}
	}
	if r.Next.IsZero() {
		o.log.Warn("contradictory results, and the vendor has no result: the first one stands",
			"job", c.Job.String(), "screenshot", c.ScreenshotID, "recorded", c.Recorded, "vendor_says", answer.says)
	}
	return r, true
}
