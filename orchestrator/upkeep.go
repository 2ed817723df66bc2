package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"shotline/jobs"
)

const (
	upkeepEvery  = time.Minute
	recountEvery = 10 * time.Minute
	foreignEvery = time.Hour
	pruneEvery   = 24 * time.Hour
	recountTick  = "recount"
	foreignTick  = "prune foreign"
	pruneTick    = "prune"

	// How long a repeated request is recognized, and how long callbacks that were
	// delivered or are dead can be looked up.
	keepKeys      = 7 * 24 * time.Hour
	keepDelivered = 7 * 24 * time.Hour
	keepDead      = 30 * 24 * time.Hour

	// traceTime is how long workers that are gone, and ticks that are no longer
	// claimed, are kept.
	traceTime = 24 * time.Hour
	// floodSize is how many deliveries that moved no job make the closer request
	// retention before its hour.
	floodSize = 20_000
)

// upkeepLoop does work that is seldom due and can take long. It is not a part of
// the sweeper, which must not wait for it.
func (o *Orchestrator) upkeepLoop(ctx context.Context) {
	o.every(ctx, upkeepEvery, o.nudgeUpkeep, func(ctx context.Context) {
		o.logError(ctx, "recount batches", o.RecountOnce(ctx))
		o.logError(ctx, "prune", o.PruneOnce(ctx))
		o.logError(ctx, "audit", o.AuditOnce(ctx))
	})
}

// RecountOnce compares the counters of all unfinished batches with their rows,
// in one process every ten minutes.
func (o *Orchestrator) RecountOnce(ctx context.Context) error {
	now := o.clock.Now()
	claimed, err := o.store.ClaimTick(ctx, recountTick, now, now.Add(recountEvery))
	if err != nil || !claimed {
		return err
	}
	out, err := o.store.Outstanding(ctx)
	if err != nil {
		return err
	}
	_, err = o.recountAll(ctx, out.Unfinished)
	return err
}

// recountAll returns the batches whose counters were wrong.
func (o *Orchestrator) recountAll(ctx context.Context, batches []string) (repaired []Repaired, err error) {
	var failures []error
	for _, batch := range batches {
		wrong, err := o.recount(ctx, batch)
		repaired = append(repaired, wrong...)
		// A batch that was removed meanwhile is not an error.
		if err != nil && !errors.Is(err, jobs.ErrNotFound) {
			failures = append(failures, err)
		}
	}
	return repaired, errors.Join(failures...)
}

// recount sets the counters of a batch right and returns the batch if they were
// wrong. That is a bug, or somebody changed the database, and is logged as such.
func (o *Orchestrator) recount(ctx context.Context, batch string) (repaired []Repaired, err error) {
	repair, err := o.store.Recount(ctx, batch, o.clock.Now())
	if len(repair.Wrong) > 0 {
		repaired = []Repaired{{Batch: batch, Wrong: repair.Wrong, Reopened: repair.Reopened, Finished: repair.Finished, Revised: repair.Revised}}
	}
	if err != nil {
		return repaired, err
	}
	if len(repair.Wrong) > 0 {
		o.log.Error("counters differed from the rows and were corrected", "batch", batch, "wrong", repair.Wrong,
			"reopened", repair.Reopened, "finished", repair.Finished, "revised", repair.Revised)
	}
	if repair.Reopened || repair.Finished || repair.Revised {
		nudge(o.nudgeWatcher)
	}
	return repaired, nil
}

// PruneOnce removes data after its retention: everything once a day, and
// deliveries that moved no job every hour, or sooner if there are very many. One
// process does it at a time.
func (o *Orchestrator) PruneOnce(ctx context.Context) error {
	now := o.clock.Now()
	keep := jobs.Retention{Foreign: now.Add(-o.cfg.KeepForeign), MaxForeign: o.cfg.MaxForeign}
	due, err := o.store.ClaimTick(ctx, pruneTick, now, now.Add(pruneEvery))
	if err != nil {
		return err
	}
	if due {
		keep.Deliveries = now.Add(-o.cfg.KeepDeliveries)
		keep.Events = now.Add(-o.cfg.KeepEvents)
		keep.Keys, keep.Callbacks, keep.Dead = now.Add(-keepKeys), now.Add(-keepDelivered), now.Add(-keepDead)
		keep.Workers, keep.Ticks = now.Add(-traceTime), now.Add(-traceTime)
	} else if o.foreign.Load() < floodSize {
		due, err = o.store.ClaimTick(ctx, foreignTick, now, now.Add(foreignEvery))
		if err != nil || !due {
			return err
		}
	}
	o.foreign.Store(0)
	pruned, err := o.store.Prune(ctx, keep)
	if pruned != (jobs.Pruned{}) {
		o.log.Info("pruned", "foreign", pruned.Foreign, "deliveries", pruned.Deliveries, "events", pruned.Events,
			"summaries", pruned.Summaries, "keys", pruned.Keys, "callbacks", pruned.Callbacks, "workers", pruned.Workers)
	}
	if err != nil {
		return fmt.Errorf("retention: %w", err)
	}
	return nil
}

// countForeign counts deliveries that moved no job. If there are very many, it
// wakes the upkeep loop to remove them.
func (o *Orchestrator) countForeign(applied jobs.Applied) {
	if n := int64(applied.Foreign + applied.Noted); n > 0 && o.foreign.Add(n) >= floodSize {
		nudge(o.nudgeUpkeep)
	}
}
