package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"shotline/jobs"
)

const (
	deadlineChunk  = 500
	deadlineExtend = 30 * time.Second
)

// CheckDeadlines queries the vendor about overdue jobs. Jobs that have ended are
// closed. Jobs that are still processing, or about which the vendor could not be
// queried, get more time until their grace is over, and are then closed as timed
// out. Within a process a second call leaves the work to the first.
func (o *Orchestrator) CheckDeadlines(ctx context.Context) error {
	_, err := o.checkDeadlines(ctx, o.vendor, nil)
	return err
}

// checkDeadlines leaves out busy batches, about which another process is just
// querying the vendor.
func (o *Orchestrator) checkDeadlines(ctx context.Context, q queries, busy []string) (changed changes, err error) {
	done, free := o.turns.take("check deadlines")
	if !free {
		return changes{}, nil
	}
	defer done()
	for ctx.Err() == nil && o.stopping.Err() == nil {
		overdue, err := o.store.Overdue(ctx, o.clock.Now(), deadlineChunk, o.cfg.Batches...)
		if err != nil {
			return changed, fmt.Errorf("check deadlines: %w", err)
		}
		byBatch := map[string][]jobs.Job{}
		for _, j := range overdue {
			if !slices.Contains(busy, j.ID.Batch) {
				byBatch[j.ID.Batch] = append(byBatch[j.ID.Batch], j)
			}
		}
		if len(byBatch) == 0 {
			break
		}
		err = eachBatch(ctx, "check deadlines", byBatch, func(batch string, overdue []jobs.Job) error {
			part, err := o.settleOverdue(ctx, q, batch, overdue)
			changed = changed.plus(part)
			return err
		})
		if err != nil {
			return changed, err
		}
	}
	return changed, nil
}

// settleOverdue leaves no job of overdue both pending and overdue.
func (o *Orchestrator) settleOverdue(ctx context.Context, q queries, batch string, overdue []jobs.Job) (changes, error) {
	b, err := o.store.Batch(ctx, batch)
	if err != nil {
		return changes{}, err
	}
	l := o.lookup(q, b)
	unknown, err := l.lookUp(ctx, overdue, true)
	if err != nil {
		if errors.Is(err, ErrNoKey) {
			return l.changes, err
		}
		// The grace still ends. Otherwise a vendor that stays unreachable would keep
		// a job open forever.
		o.log.Warn("overdue jobs could not be looked up", "batch", batch, "error", err)
	}
	closed, err := o.closeOverdue(ctx, b, overdue, unknown)
	return l.changes.plus(closed), err
}

// closeOverdue gives the overdue ones among the jobs more time or, if their grace is
// over or the vendor does not know them, closes them as timed out. Jobs that closed
// meanwhile are skipped.
func (o *Orchestrator) closeOverdue(ctx context.Context, b jobs.Batch, queried, unknownJobs []jobs.Job) (changes, error) {
	unknown := idsOf(unknownJobs)
	now := o.clock.Now()
	extend := map[time.Time][]jobs.ID{}
	var closings []jobs.Closing
	for _, j := range queried {
		if j.Deadline.After(now) {
			continue
		}
		end := o.graceEnd(b, j)
		if now.Before(end) && !unknown[j.ID] {
			// Up to the end of the grace, and for a bucket of jobs at once.
			deadline := earlier(now.Add(deadlineExtend), end).Truncate(deadlineBucket).Add(deadlineBucket)
			extend[deadline] = append(extend[deadline], j.ID)
			continue
		}
		reason := "no result within " + now.Sub(j.SubmittedAt).Round(time.Second).String()
		if unknown[j.ID] {
			reason = "the vendor does not know screenshot " + j.ScreenshotID
		}
		closings = append(closings, jobs.Closing{
			Job: j.ID, Attempt: j.Attempt, From: []jobs.State{jobs.Pending},
			To: jobs.TimedOut, By: jobs.ByDeadline, Error: reason,
		})
	}
	for _, deadline := range slices.SortedFunc(maps.Keys(extend), time.Time.Compare) {
		if err := o.store.ExtendDeadlines(ctx, extend[deadline], deadline); err != nil {
			return changes{}, err
		}
		o.scheduleDeadline(ctx, deadline)
	}
	if len(closings) == 0 {
		return changes{}, nil
	}
	effects, err := o.store.CloseJobs(ctx, closings, now)
	if err == nil {
		o.report(effects)
	}
	return changesOf(effects), err
}

// graceEnd returns when a job times out even if the vendor is still processing it.
func (o *Orchestrator) graceEnd(b jobs.Batch, j jobs.Job) time.Time {
	return j.SubmittedAt.Add(o.jobTimeout(b, j) + o.cfg.DeadlineGrace)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// scheduleDeadline has the queue call CheckDeadlines when the bucket that holds a
// deadline is over. All jobs of a bucket share one task.
func (o *Orchestrator) scheduleDeadline(ctx context.Context, deadline time.Time) {
	bucket := deadline.Truncate(deadlineBucket).Add(deadlineBucket)
	if !o.buckets.add(bucket, o.clock.Now()) {
		return
	}
	if err := o.queue.EnqueueDeadlines(ctx, bucket, 0); err != nil {
		o.log.Warn("enqueue deadlines, the sweeper will try again", "bucket", bucket, "error", err)
	}
}
