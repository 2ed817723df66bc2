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
	// A vendor that cannot be reached, or is still processing, is asked again
	// after conflictAgain, then after twice as long, up to conflictMost.
	conflictAgain = 5 * time.Second
	conflictMost  = 2 * time.Minute
)

// checkConflicts asks the vendor about screenshots that were reported both as
// done and as failed, of one batch or, if that is empty, of all. The answers are
// recorded like those of any look-up: where the first result was false, that
// corrects the job. A vendor that does not know a screenshot, or has processed it
// for longer than a job may be pending, cannot tell: the first result stands.
func (o *Orchestrator) checkConflicts(ctx context.Context, batch string) error {
	now := o.clock.Now()
	claimed, err := o.store.ClaimConflicts(ctx, batch, now, now.Add(o.cfg.RequestTimeout+conflictMost), conflictChunk)
	if err != nil {
		return fmt.Errorf("check conflicts: %w", err)
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
	checks := conflictChecks{}
	asked := eachBatch(ctx, "check conflicts", byBatch, func(batch string, conflicts []jobs.Conflict) error {
		return o.askConflicts(ctx, batch, conflicts, checks)
	})
	if ctx.Err() != nil {
		return asked // they are due again when the claim ends
	}
	rechecks := make([]jobs.ConflictRecheck, 0, len(claimed))
	for _, c := range claimed {
		if r, needed := o.recheck(c, checks); needed {
			rechecks = append(rechecks, r)
		}
	}
	return errors.Join(asked, o.store.RecheckConflicts(ctx, rechecks))
}

// conflictsOf is the turn of asking about a batch's conflicts.
func conflictsOf(batch string) string { return "conflicts of " + batch }

// conflictChecks is what the vendor said, by job: a check is about one
// screenshot of a job at a time.
type conflictChecks map[jobs.ID]conflictAnswer

type conflictAnswer struct {
	says     jobs.Outcome
	patience time.Duration // how long the vendor may go on processing
}

// askConflicts asks about the conflicts of one batch and records what it hears.
func (o *Orchestrator) askConflicts(ctx context.Context, batch string, conflicts []jobs.Conflict, checks conflictChecks) error {
	b, err := o.store.Batch(ctx, batch)
	if err != nil {
		return err
	}
	wanted := make([]jobs.Job, len(conflicts))
	asked := make(map[jobs.ID]jobs.Conflict, len(conflicts))
	for i, c := range conflicts {
		wanted[i] = jobs.Job{ID: c.Job, Attempt: c.Attempt, ScreenshotID: c.ScreenshotID}
		asked[c.Job] = c
	}
	record := o.recorder(ctx, b)
	unknown, err := o.ask(ctx, b, newMatcher(wanted), wanted, true, func(found []jobs.Observation) error {
		if err := record(found); err != nil {
			return err
		}
		for _, told := range found {
			if c, ok := asked[told.Job]; ok && c.ScreenshotID == told.ScreenshotID {
				checks[told.Job] = conflictAnswer{told.Outcome, o.jobTimeout(b, jobs.Job{Timeout: c.Timeout}) + o.cfg.DeadlineGrace}
			}
		}
		return nil
	})
	for _, j := range unknown {
		checks[j.ID] = conflictAnswer{says: jobs.OutcomeUnknown}
	}
	return err
}

// recheck decides what comes after a check; nothing is needed after a result.
func (o *Orchestrator) recheck(c jobs.Conflict, checks conflictChecks) (r jobs.ConflictRecheck, needed bool) {
	now := o.clock.Now()
	again := conflictMost
	if c.Checks < 5 {
		again = min(again, conflictAgain<<c.Checks)
	}
	answer := checks[c.Job]
	r = jobs.ConflictRecheck{Job: c.Job, Attempt: c.Attempt, Says: answer.says, Next: now.Add(again)}
	switch answer.says {
	case jobs.OutcomeDone, jobs.OutcomeFailed:
		return r, false
	case jobs.OutcomeUnknown:
		r.Next = time.Time{}
	case jobs.OutcomeProcessing:
		// Once is not enough: the vendor may have been away until now.
		if c.Says == jobs.OutcomeProcessing && now.Sub(c.Since) >= answer.patience {
			r.Next = time.Time{}
		}
	}
	if r.Next.IsZero() {
		o.log.Warn("contradictory results, and the vendor cannot tell: the first one stands",
			"job", c.Job.String(), "screenshot", c.ScreenshotID, "recorded", c.Recorded, "vendor_says", answer.says)
	}
	return r, true
}
