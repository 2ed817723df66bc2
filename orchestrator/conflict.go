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
	// conflictEvery is when a vendor that could not be asked, or had no result,
	// is asked again.
	conflictEvery = time.Minute
)

// checkConflicts asks the vendor about jobs whose screenshot was told of as
// done and as failed, and keeps what it says beside the result that was
// recorded first, which stands.
func (o *Orchestrator) checkConflicts(ctx context.Context) error {
	now := o.clock.Now()
	claimed, err := o.store.ClaimConflicts(ctx, now, now.Add(o.cfg.RequestTimeout+conflictEvery), conflictChunk)
	if err != nil {
		return fmt.Errorf("check conflicts: %w", err)
	}
	byBatch := map[string][]jobs.Conflict{}
	for _, c := range claimed {
		byBatch[c.Job.Batch] = append(byBatch[c.Job.Batch], c)
	}
	return eachBatch(ctx, "check conflicts", byBatch, func(batch string, conflicts []jobs.Conflict) error {
		return o.checkBatch(ctx, batch, conflicts)
	})
}

func (o *Orchestrator) checkBatch(ctx context.Context, batch string, conflicts []jobs.Conflict) error {
	b, err := o.store.Batch(ctx, batch)
	if err != nil {
		return err
	}
	wanted := make([]jobs.Job, len(conflicts))
	for i, c := range conflicts {
		wanted[i] = jobs.Job{ID: c.Job, Attempt: c.Attempt, ScreenshotID: c.ScreenshotID}
	}
	type shot struct {
		job jobs.ID
		id  string
	}
	says := map[shot]jobs.Outcome{}
	unknown, askErr := o.ask(ctx, b, newMatcher(wanted), wanted, true, func(found []jobs.Observation) error {
		// Not recorded: it would count as one more contradiction.
		for _, told := range found {
			says[shot{told.Job, told.ScreenshotID}] = told.Outcome
		}
		return nil
	})
	for _, j := range unknown {
		says[shot{j.ID, j.ScreenshotID}] = jobs.OutcomeNone // nobody can tell any more
	}
	var told []jobs.Conflict
	for _, c := range conflicts {
		said, answered := says[shot{c.Job, c.ScreenshotID}]
		if answered && said != jobs.OutcomeProcessing {
			c.Says = said
			told = append(told, c)
		}
	}
	settled, err := o.store.SettleConflicts(ctx, told)
	for _, c := range settled {
		if c.Says != c.Recorded && c.Says != jobs.OutcomeNone {
			o.log.Warn("the vendor contradicts what was recorded, which stands",
				"job", c.Job.String(), "screenshot", c.ScreenshotID, "recorded", c.Recorded, "vendor_says", c.Says)
		}
	}
	return errors.Join(askErr, err)
}
