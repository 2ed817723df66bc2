package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"shotline/client"
	"shotline/jobs"
)

// DefaultAuditWindow is for how long after its end a batch is audited.
const DefaultAuditWindow = 24 * time.Hour

const (
	auditChunk = 500
	// auditFirst is how long a worker waits after a batch's end, and at the least
	// between two audits. The pause grows with the age of the batch: a listing
	// that lags shows most of what it lacks soon.
	auditFirst = time.Minute
)

// AuditOnce looks for screenshots of lost creates that the vendor has come to
// show, and charged for, after their batch was summed up. Of a batch it asks
// less and less often, and not at all once the audit window is over.
func (o *Orchestrator) AuditOnce(ctx context.Context) error {
	return o.audit(ctx, func(b jobs.Batch) (due bool, err error) {
		now := o.clock.Now()
		age := now.Sub(b.FinishedAt)
		if age < auditFirst {
			return false, nil
		}
		return o.store.ClaimTick(ctx, "audit "+b.ID, now, now.Add(max(auditFirst, age/2)))
	})
}

// audit asks the vendor about the lost creates of the batches that are due.
func (o *Orchestrator) audit(ctx context.Context, due func(jobs.Batch) (bool, error)) error {
	if o.cfg.AuditWindow < 0 {
		return nil
	}
	var failures []error
	since := o.clock.Now().Add(-o.cfg.AuditWindow)
	asked := map[string]bool{} // whether the batch was due
	for after := (jobs.Submission{}); ctx.Err() == nil; {
		page, err := o.store.LostCreates(ctx, since, after, auditChunk)
		if err != nil || len(page) == 0 {
			return errors.Join(append(failures, err)...)
		}
		after = page[len(page)-1]
		byBatch := map[string][]jobs.Submission{}
		for _, s := range page {
			byBatch[s.Job.Batch] = append(byBatch[s.Job.Batch], s)
		}
		err = eachBatch(ctx, "audit", byBatch, func(batch string, lost []jobs.Submission) error {
			b, err := o.store.Batch(ctx, batch)
			if err != nil {
				return err
			}
			if _, known := asked[batch]; !known {
				if asked[batch], err = due(b); err != nil {
					return err
				}
			}
			if !asked[batch] {
				return nil
			}
			return o.auditBatch(ctx, b, lost)
		})
		if err != nil {
			failures = append(failures, err)
			if stopsAll(ctx, err) {
				break
			}
		}
	}
	return errors.Join(failures...)
}

// auditBatch records all screenshots of the submissions. A tag that a listing
// does not show at all may be one that the vendor does not match, since it is
// not the screenshot's first: then it searches by URL.
func (o *Orchestrator) auditBatch(ctx context.Context, b jobs.Batch, lost []jobs.Submission) error {
	seen := map[string]bool{}
	take := func(shots []client.Screenshot) (bool, error) {
		tags, err := o.adopt(ctx, b, shots)
		maps.Copy(seen, tags)
		return true, err
	}
	tags := []string{jobs.BatchTag(b.ID)}
	if !listingPays(b.Counts, len(lost)) {
		tags = tags[:0]
		for _, s := range lost {
			tags = append(tags, s.Tag())
		}
	}
	for _, tag := range tags {
		if err := o.list(ctx, client.ListOptions{Tag: tag}, b.ID, take); err != nil {
			return err
		}
	}
	var failures []error
	for _, s := range lost {
		if seen[s.Tag()] {
			continue
		}
		if err := o.findByURL(ctx, b, s, take); err != nil && !refusedForGood(err) {
			failures = append(failures, fmt.Errorf("job %s: %w", s.Job, err))
			if stopsAll(ctx, err) {
				break
			}
		}
	}
	return errors.Join(failures...)
}
