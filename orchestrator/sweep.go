package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"shotline/jobs"
)

const (
	// claimAgain is how long enqueued work may show no progress before it is
	// enqueued again, under the next generation. If tasks wait for a worker, it
	// takes longer, up to claimMost: otherwise a batch would only get more tasks of
	// the same kind.
	claimAgain = 10 * time.Second
	claimMost  = time.Minute
	// mostUnderWay is how many tasks of a kind and priority are in the queue at a
	// time. When some of them are done, others follow. So the queue stays small
	// however many batches have work; the rest of the work waits in the store.
	mostUnderWay = 200
	// singlesChunk is how many single jobs share a task. A task costs the queue
	// more than a job of a batch costs altogether.
	singlesChunk = 25
	newsDelay    = 50 * time.Millisecond // between two looks for work that commits cause
	watchAgain   = time.Second           // after an error
	sweepTick    = "sweep"
	leaseChunk   = 1000
)

// sweepLoop repairs the effects of the loss of a process, of the queue or of a
// response. It is a plain ticker and not a task, because it repairs the loss of
// the queue.
func (o *Orchestrator) sweepLoop(ctx context.Context) {
	o.every(ctx, o.cfg.SweepEvery, nil, func(ctx context.Context) {
		o.logError(ctx, "sweep", o.SweepOnce(ctx))
	})
}

// newsLoop wakes the watcher within newsDelay after this or another process has
// committed something, such as a new batch.
func (o *Orchestrator) newsLoop(ctx context.Context) {
	var seen jobs.Version
	for ctx.Err() == nil {
		version, err := o.store.News(ctx, seen, newsDelay)
		if err != nil {
			o.logError(ctx, "watch for work", err)
			seen = 0 // look as soon as the store can be read again
			_ = o.clock.Sleep(ctx, watchAgain)
			continue
		}
		seen = version
		nudge(o.nudgeWatcher)
	}
}

// watchLoop calls WatchOnce at the start and whenever it is woken. After an error
// it tries again by itself.
func (o *Orchestrator) watchLoop(ctx context.Context) {
	for ctx.Err() == nil {
		if err := o.WatchOnce(ctx); err != nil {
			o.logError(ctx, "watch for work", err)
			_ = o.clock.Sleep(ctx, watchAgain)
			continue
		}
		select {
		case <-ctx.Done():
		case <-o.nudgeWatcher:
		}
	}
}

// SweepOnce makes one pass over all pending work. One worker does it at a time:
// the tick is claimed in the store. A step that fails does not stop the others.
func (o *Orchestrator) SweepOnce(ctx context.Context) error {
	o.measureLag(ctx)
	now := o.clock.Now()
	left := o.removeFailedImports(ctx) // of this process alone: other workers do not know them
	claimed, err := o.store.ClaimTick(ctx, o.sweepTick(), now, now.Add(o.cfg.SweepEvery/2))
	if err != nil || !claimed {
		return errors.Join(left, err)
	}
	_, _, leases := o.expireLeases(ctx)
	return errors.Join(
		left,
		leases,
		o.resolveDoubts(ctx),
		o.WatchOnce(ctx),
		o.enqueueOverdue(ctx),
		o.settleHeld(ctx),
		o.resumeDue(ctx),
		onlyError(o.removeStaleImports(ctx)),
		onlyError(o.checkConflicts(ctx, o.vendor, "")),
	)
}

// onlyError drops the result of a step, which a sweep does not use.
func onlyError[T any](_ T, err error) error { return err }

// sweepTick returns the name of the tick. A worker that works only on some
// batches has its own tick, since its sweep does not replace a sweep of all
// batches.
func (o *Orchestrator) sweepTick() string {
	if len(o.cfg.Batches) > 0 {
		return sweepTick + " of " + o.cfg.Batches[0]
	}
	return sweepTick
}

// worksOn reports whether this worker works on a batch.
func (o *Orchestrator) worksOn(batch string) bool {
	return len(o.cfg.Batches) == 0 || slices.Contains(o.cfg.Batches, batch)
}

// expireLeases takes back a portion of the leases that have ended.
func (o *Orchestrator) expireLeases(ctx context.Context) (requeued, doubted int, err error) {
	requeued, doubted, err = o.store.ExpireLeases(ctx, o.clock.Now(), leaseChunk)
	o.observer.Doubts(doubted, 0, 0)
	if requeued+doubted > 0 {
		o.log.Info("leases expired", "requeued", requeued, "in_doubt", doubted)
	}
	return requeued, doubted, err
}

// claimTime returns how long a claim of work lasts. While the queue is
// unavailable, it lasts only until the next sweep, so that work continues soon
// after its return.
func (o *Orchestrator) claimTime() time.Duration {
	if o.unqueued.Load() {
		return min(o.cfg.SweepEvery, claimAgain)
	}
	return min(claimAgain+2*time.Duration(o.lag.Load()), claimMost)
}

// measureLag measures the lag for claimTime. A queue that does not answer counts
// as without a lag: the next enqueueing reports its error.
func (o *Orchestrator) measureLag(ctx context.Context) {
	lag, err := o.queue.Lag(ctx)
	if err != nil {
		lag = 0
	}
	o.lag.Store(int64(lag))
}

// WatchOnce turns the pending work of batches into tasks. If a task cannot be
// enqueued, or is lost, its work is claimed again after the claim's time.
func (o *Orchestrator) WatchOnce(ctx context.Context) error {
	now := o.clock.Now()
	work, err := o.store.ClaimWork(ctx, now, now.Add(o.claimTime()), mostUnderWay, o.cfg.Batches...)
	if err != nil {
		return fmt.Errorf("enqueue pending work: %w", err)
	}
	for len(work) > 0 {
		w := work[0]
		n := singles(work)
		switch {
		case n > 1 && w.Kind == jobs.WorkSubmit:
			err = o.queue.EnqueueSubmits(ctx, batchesOf(work[:n]), w.Generation)
		case n > 1:
			err = o.queue.EnqueueSummaries(ctx, batchesOf(work[:n]), w.Generation)
		case w.Kind == jobs.WorkSubmit:
			err = o.queue.EnqueueSubmit(ctx, w.Batch, w.Generation, time.Time{})
		case w.Kind == jobs.WorkSummarize:
			err = o.queue.EnqueueSummary(ctx, w.Batch, w.Revision, w.Generation)
		}
		o.unqueued.Store(err != nil)
		if err != nil {
			return fmt.Errorf("enqueue %s of batch %s: %w", w.Kind, w.Batch, err)
		}
		work = work[max(n, 1):]
	}
	return nil
}

// singles counts the single jobs at the beginning of work that need the same
// work. Up to singlesChunk of them share a task.
func singles(work []jobs.Work) (n int) {
	for n < min(len(work), singlesChunk) && work[n].Single && work[n].Kind == work[0].Kind {
		n++
	}
	return n
}

func batchesOf(work []jobs.Work) []string {
	ids := make([]string, len(work))
	for i, w := range work {
		ids[i] = w.Batch
	}
	return ids
}

// enqueueOverdue enqueues deadlines whose task was lost. The generation grows
// with the clock, so that a task that is stuck in the queue blocks only its own
// period.
func (o *Orchestrator) enqueueOverdue(ctx context.Context) error {
	next, err := o.store.NextDeadline(ctx)
	if err != nil {
		return fmt.Errorf("enqueue overdue: %w", err)
	}
	now := o.clock.Now()
	if next.IsZero() || now.Before(next.Add(deadlineBucket+o.cfg.SweepEvery)) {
		return nil
	}
	generation := 1 + now.UnixNano()/int64(claimAgain)
	return o.queue.EnqueueDeadlines(ctx, now.Truncate(deadlineBucket), generation)
}

// removeStaleImports returns the imports that it removed.
func (o *Orchestrator) removeStaleImports(ctx context.Context) (removed []string, err error) {
	stale, err := o.store.StaleImports(ctx, o.clock.Now().Add(-staleImport))
	if err != nil {
		return nil, err
	}
	for _, batch := range stale {
		done, err := o.removeImport(ctx, batch)
		if done {
			removed = append(removed, batch)
		}
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}
