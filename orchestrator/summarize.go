package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"shotline/client"
	"shotline/jobs"
	"shotline/jobs/summary"
)

// explainFor is how long after a batch's end its summary waits for a vendor
// that cannot be asked: what the summary lacks nobody asks for again.
const explainFor = 2 * time.Minute

const countPages = 20

// SummarizeBatch computes and stores the summary of a finished batch's newest
// revision, once. Before that it asks the vendor, in bulk, for the costs and
// reasons that no webhook tells. Without an answer it fails, to be called
// again, until explainFor is over, and then does without.
func (o *Orchestrator) SummarizeBatch(ctx context.Context, batch string) error {
	b, err := o.store.Batch(ctx, batch)
	if err != nil {
		return fmt.Errorf("summarize batch %s: %w", batch, err)
	}
	if !owesSummary(b) {
		return nil
	}
	done, free := o.turns.take("summarize " + batch)
	if !free {
		return nil
	}
	defer done()
	claim, err := o.claim(ctx, "summarize "+batch, claimAgain)
	if err != nil || claim == nil {
		return err
	}
	defer claim.release(ctx)
	if err := o.recount(ctx, batch); err != nil {
		return fmt.Errorf("summarize batch %s: %w", batch, err)
	}
	// The batch may have opened again, or been summarized by another.
	if b, err = o.store.Batch(ctx, batch); err != nil || !owesSummary(b) {
		return err
	}
	if err := o.explainInTime(ctx, b); err != nil {
		if errors.Is(err, ErrNoKey) || o.clock.Now().Before(b.FinishedAt.Add(explainFor)) {
			return fmt.Errorf("summarize batch %s: costs and reasons: %w", batch, err)
		}
		o.log.Warn("costs and reasons of the batch remain unknown", "batch", batch, "error", err)
	}
	now := o.clock.Now()
	s, err := summary.Compute(ctx, o.store, batch, now)
	if err != nil {
		return fmt.Errorf("summarize batch %s: %w", batch, err)
	}
	data, err := s.Encode()
	if err != nil {
		return fmt.Errorf("summarize batch %s: %w", batch, err)
	}
	told, err := o.store.SaveSummary(ctx, batch, s.Revision, data, now)
	if err != nil {
		return fmt.Errorf("summarize batch %s: %w", batch, err)
	}
	if told {
		o.log.Info("batch summarized", "batch", batch, "revision", s.Revision, "done", s.Done, "failed", s.Failed,
			"timed_out", s.TimedOut, "canceled", s.Canceled, "rejected", s.Rejected)
	}
	return nil
}

func owesSummary(b jobs.Batch) bool {
	return b.State == jobs.BatchFinished && b.Summarized < b.Revision
}

// explainInTime leaves half of the task's time to the summary itself.
func (o *Orchestrator) explainInTime(ctx context.Context, b jobs.Batch) error {
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/2)
		defer cancel()
	}
	return o.explain(ctx, b)
}

// explain fills in costs and reasons: all screenshots of the batch when costs
// are unknown, only its failures when just reasons are. What is missing takes a
// scan of the batch to count, so it is counted again only once the pages have
// told enough, and ever more rarely, up to countPages pages later.
func (o *Orchestrator) explain(ctx context.Context, b jobs.Batch) error {
	costs, reasons, err := o.store.Unexplained(ctx, b.ID)
	if err != nil || costs+reasons == 0 {
		return err
	}
	options := client.ListOptions{Tag: jobs.BatchTag(b.ID)}
	if costs == 0 {
		options.Status = client.StatusError
	}
	pages, next := 0, 0
	return o.list(ctx, options, b.ID, func(shots []client.Screenshot) (bool, error) {
		observations := newMatcher(nil).match(shots)
		if err := o.record(ctx, b, observations); err != nil {
			return false, err
		}
		for _, told := range observations {
			if told.Cost != nil {
				costs--
			}
			if told.Error != "" {
				reasons--
			}
		}
		if pages++; costs > 0 || reasons > 0 || pages < next {
			return true, nil
		}
		next = pages + min(pages, countPages)
		costs, reasons, err = o.store.Unexplained(ctx, b.ID)
		return costs+reasons > 0, err
	})
}
