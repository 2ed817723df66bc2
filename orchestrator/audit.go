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
	// auditFirst is how long a worker waits after a batch's end, and the shortest
	// time between two audits. The pause grows with the age of the batch, since
	// most screenshots that a lagging listing omits appear soon.
	auditFirst = time.Minute
)

// AuditOnce looks for screenshots of lost creates that the vendor charged for and
// shows only after their batch was summarized. It audits a batch less and less
// often, and no more once the audit window is over.
func (o *Orchestrator) AuditOnce(ctx context.Context) error {
	_, err := o.audit(ctx, o.vendor, func(b jobs.Batch) (due bool, err error) {
		now := o.clock.Now()
		age := now.Sub(b.FinishedAt)
		if age < auditFirst {
			return false, nil
		}
		return o.store.ClaimTick(ctx, "audit "+b.ID, now, now.Add(max(auditFirst, age/2)))
	})
	return err
}

// audit queries the vendor about the lost creates of the batches that are due.
func (o *Orchestrator) audit(ctx context.Context, q queries, due func(jobs.Batch) (bool, error)) (changed changes, err error) {
	if o.cfg.AuditWindow < 0 {
		return changes{}, nil
	}
	var failures []error
	since := o.clock.Now().Add(-o.cfg.AuditWindow)
	isDue := map[string]bool{}
	for after := (jobs.Submission{}); ctx.Err() == nil; {
		page, err := o.store.LostCreates(ctx, since, after, auditChunk)
		if err != nil || len(page) == 0 {
			return changed, errors.Join(append(failures, err)...)
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
			if _, known := isDue[batch]; !known {
				if isDue[batch], err = due(b); err != nil {
					return err
				}
			}
			if !isDue[batch] {
				return nil
			}
			l := o.lookup(q, b)
			err = l.audit(ctx, lost)
			changed = changed.plus(l.changes)
			return err
		})
		if err != nil {
			failures = append(failures, err)
			if stopsAll(ctx, err) {
				break
			}
		}
	}
	return changed, errors.Join(failures...)
}

// audit records all screenshots of the submissions. If a listing shows no
// screenshot with a tag, the vendor might not match it, since it is not the first
// one: then audit searches by URL.
func (l *lookup) audit(ctx context.Context, lost []jobs.Submission) error {
	seen := map[string]bool{}
	take := func(shots []client.Screenshot) (bool, error) {
		tags, err := l.adopt(ctx, shots)
		maps.Copy(seen, tags)
		return true, err
	}
	tags := []string{jobs.BatchTag(l.batch.ID)}
	if !listingPays(l.batch.Counts, len(lost)) {
		tags = tags[:0]
		for _, s := range lost {
			tags = append(tags, s.Tag())
		}
	}
	for _, tag := range tags {
		if err := l.list(ctx, client.ListOptions{Tag: tag}, take); err != nil {
			return err
		}
	}
	var failures []error
	for _, s := range lost {
		if seen[s.Tag()] {
			continue
		}
		if err := l.findByURL(ctx, s, take); err != nil && !refusedForGood(err) {
			failures = append(failures, fmt.Errorf("job %s: %w", s.Job, err))
			if stopsAll(ctx, err) {
				break
			}
		}
	}
	return errors.Join(failures...)
}
