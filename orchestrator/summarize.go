package orchestrator

import (
	"context"
	"fmt"
	"time"

	"shotline/client"
	"shotline/jobs"
	"shotline/jobs/summary"
)

// SummarizeBatch computes and stores the summary of a finished batch's newest
// revision, once. Before that it asks the vendor, in bulk, for the costs and
// reasons that no webhook tells; without an answer it does without.
func (o *Orchestrator) SummarizeBatch(ctx context.Context, batch string) error {
	b, err := o.store.Batch(ctx, batch)
	if err != nil {
		return fmt.Errorf("summarize batch %s: %w", batch, err)
	}
	if b.State != jobs.BatchFinished || b.Summarized >= b.Revision {
		return nil
	}
	if !o.begin("summary of " + batch) {
		return nil
	}
	defer o.end("summary of " + batch)
	if err := o.explainInTime(ctx, b); err != nil {
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
// are unknown, only its failures when just reasons are.
func (o *Orchestrator) explain(ctx context.Context, b jobs.Batch) error {
	costs, reasons, err := o.store.Unexplained(ctx, b.ID)
	if err != nil || costs+reasons == 0 {
		return err
	}
	options := client.ListOptions{Tag: jobs.BatchTag(b.ID)}
	if costs == 0 {
		options.Status = client.StatusError
	}
	return o.list(ctx, options, b.ID, func(shots []client.Screenshot) (bool, error) {
		if err := o.record(ctx, b, newMatcher(nil).match(shots)); err != nil {
			return false, err
		}
		costs, reasons, err := o.store.Unexplained(ctx, b.ID)
		return costs+reasons > 0, err
	})
}
