package orchestrator

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"shotline/jobs"
)

const (
	closeChunk = 4000
	closeEvery = 250 * time.Millisecond

	// A portion costs a commit, however small it is, and delays the commits of
	// webhooks. If many arrive, the closer pauses, so that its portions get large.
	// Below about 10,000 per second the pause is hardly noticeable.
	closeRest    = 100 * time.Microsecond // for each delivery of the last portion
	closeRestMax = 50 * time.Millisecond

	// correctedLogged is how many corrections of one transaction are logged one
	// by one.
	correctedLogged = 10
)

// StoreDelivery appends a delivery to the inbox and returns when it is on disk. The closer
// applies it right after that. The receiver needs it.
func (o *Orchestrator) StoreDelivery(ctx context.Context, d jobs.Delivery) error {
	if _, err := o.store.AppendDelivery(ctx, d); err != nil {
		return fmt.Errorf("keep delivery: %w", err)
	}
	nudge(o.nudgeCloser)
	return nil
}

// closeLoop applies the inbox whenever a delivery arrived, in this or another
// process.
func (o *Orchestrator) closeLoop(ctx context.Context) {
	o.every(ctx, closeEvery, o.nudgeCloser, func(ctx context.Context) {
		for ctx.Err() == nil {
			applied, err := o.CloseOnce(ctx)
			if err != nil {
				o.logError(ctx, "apply the inbox", err)
				return
			}
			rest := min(time.Duration(applied.Read)*closeRest, closeRestMax)
			if applied.Read == closeChunk {
				rest = 0 // it is behind
			}
			if o.clock.Sleep(ctx, rest) != nil || !applied.More {
				return
			}
		}
	})
}

// CloseOnce applies one portion of the inbox.
func (o *Orchestrator) CloseOnce(ctx context.Context) (jobs.Applied, error) {
	applied, err := o.store.ApplyInbox(ctx, o.clock.Now(), closeChunk)
	if err != nil {
		return applied, err
	}
	o.observer.Applied(applied)
	for _, batch := range applied.Repaired {
		o.log.Error("wrong counters prevented a result from being applied: counters corrected", "batch", batch)
	}
	if applied.Aside > 0 {
		o.log.Error("deliveries set aside after an error, see the inbox", "count", applied.Aside)
	}
	o.report(applied.Effects)
	o.countForeign(applied)
	return applied, nil
}

// report logs the effects of a transaction, passes them to the observer, and
// wakes those that wait for them.
func (o *Orchestrator) report(e jobs.Effects) {
	o.observer.Changed(e)
	if o.log.Enabled(context.Background(), slog.LevelDebug) { // there can be thousands
		for _, c := range e.Closed {
			o.log.Debug("job closed", "job", c.Job.String(), "attempt", c.Attempt, "state", c.State, "by", c.By, "late", c.Late)
		}
	}
	corrected := 0
	for _, c := range e.Closed {
		if !c.Corrected {
			continue
		}
		if corrected++; corrected <= correctedLogged {
			o.log.Warn("job corrected: the vendor refuted its first result",
				"job", c.Job.String(), "attempt", c.Attempt, "state", c.State, "by", c.By)
		}
	}
	if corrected > correctedLogged {
		o.log.Warn("more jobs corrected", "count", corrected-correctedLogged)
	}
	for _, batch := range e.Finished {
		o.log.Info("batch finished", "batch", batch)
	}
	for _, batch := range e.Revised {
		o.log.Info("a late result, correction or charge revised a finished batch", "batch", batch)
	}
	for _, id := range e.DoubleCharged {
		o.log.Warn("double charge: a screenshot in addition to the wanted one", "job", id.String())
	}
	if e.Conflicts > 0 {
		o.log.Warn("contradictory results: the first one stands until the vendor is queried", "count", e.Conflicts)
	}
	if len(e.Closed) > 0 {
		o.feed.Wake()
	}
	if len(e.Finished)+len(e.Revised) > 0 {
		nudge(o.nudgeWatcher)
	}
}
