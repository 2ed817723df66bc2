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

// CheckDeadlines asks the vendor about jobs that are overdue. What has ended is
// closed; what is still processing, or could not be asked about, is given more
// time until its grace is over, and then closed as timed out. Within a process
// a second call leaves the work to the first.
func (o *Orchestrator) CheckDeadlines(ctx context.Context) error {
	return o.checkDeadlines(ctx, nil)
}

// checkDeadlines leaves out batches that another process is just asking about.
func (o *Orchestrator) checkDeadlines(ctx context.Context, busy []string) error {
	done, free := o.turns.take("check deadlines")
	if !free {
		return nil
	}
	defer done()
	for ctx.Err() == nil && o.stopping.Err() == nil {
		overdue, err := o.store.Overdue(ctx, o.clock.Now(), deadlineChunk, o.cfg.Batches...)
		if err != nil {
			return fmt.Errorf("check deadlines: %w", err)
		}
		byBatch := map[string][]jobs.Job{}
		for _, j := range overdue {
			if !slices.Contains(busy, j.ID.Batch) {
				byBatch[j.ID.Batch] = append(byBatch[j.ID.Batch], j)
			}
		}
		if len(byBatch) == 0 {
			return nil
		}
		err = eachBatch(ctx, "check deadlines", byBatch, func(batch string, overdue []jobs.Job) error {
			return o.settleOverdue(ctx, batch, overdue)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// settleOverdue leaves no job of overdue both pending and overdue.
func (o *Orchestrator) settleOverdue(ctx context.Context, batch string, overdue []jobs.Job) error {
	b, err := o.store.Batch(ctx, batch)
	if err != nil {
		return err
	}
	missing, err := o.lookUp(ctx, b, overdue, true)
	if err != nil {
		if errors.Is(err, ErrNoKey) {
			return err
		}
		// The grace goes on running: a vendor that stays away must not keep a
		// job open for ever.
		o.log.Warn("overdue jobs could not be looked up", "batch", batch, "error", err)
	}
	return o.closeOverdue(ctx, b, overdue, missing)
}

// closeOverdue gives the overdue ones among jobs that the vendor was asked
// about more time, or, when their grace is over or the vendor does not know
// them, closes them as timed out. Those that closed meanwhile are passed over.
func (o *Orchestrator) closeOverdue(ctx context.Context, b jobs.Batch, asked, missing []jobs.Job) error {
	unknown := map[jobs.ID]bool{}
	for _, j := range missing {
		unknown[j.ID] = true
	}

	now := o.clock.Now()
	extend := map[time.Time][]jobs.ID{}
	var closings []jobs.Closing
	for _, j := range asked {
		if j.Deadline.After(now) {
			continue
		}
		end := o.graceEnd(b, j)
		if now.Before(end) && !unknown[j.ID] {
			// No further than the end of the grace, for a bucket of jobs at once.
			until := earlier(now.Add(deadlineExtend), end).Truncate(deadlineBucket).Add(deadlineBucket)
			extend[until] = append(extend[until], j.ID)
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
	for _, until := range slices.SortedFunc(maps.Keys(extend), time.Time.Compare) {
		if err := o.store.ExtendDeadlines(ctx, extend[until], until); err != nil {
			return err
		}
		o.scheduleDeadline(ctx, until)
	}
	if len(closings) == 0 {
		return nil
	}
	effects, err := o.store.CloseJobs(ctx, closings, now)
	if err != nil {
		return err
	}
	o.took(effects)
	return nil
}

// graceEnd is when a job is given up, even while the vendor is still working on it.
func (o *Orchestrator) graceEnd(b jobs.Batch, j jobs.Job) time.Time {
	return j.SubmittedAt.Add(o.jobTimeout(b, j) + o.cfg.DeadlineGrace)
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// scheduleDeadline has the queue call CheckDeadlines when the bucket that
// holds a deadline is over. A job needs no task of its own: a bucket has one,
// however many jobs end in it.
func (o *Orchestrator) scheduleDeadline(ctx context.Context, deadline time.Time) {
	bucket := deadline.Truncate(deadlineBucket).Add(deadlineBucket)
	if !o.buckets.add(bucket, o.clock.Now()) {
		return
	}
	if err := o.queue.EnqueueDeadlines(ctx, bucket, 0); err != nil {
		o.log.Warn("enqueue deadlines, the sweeper will see to it", "bucket", bucket, "error", err)
	}
}
