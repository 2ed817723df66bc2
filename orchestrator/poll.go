package orchestrator

import (
	"context"
	"fmt"
	"time"
)

// PollMode says whether a process queries the vendor about pending jobs before their
// deadline.
type PollMode int

const (
	// PollNever leaves it to webhooks and deadlines.
	PollNever PollMode = iota
	// PollBackup relies on webhooks, and polls more often the longer none arrives.
	PollBackup
	// PollOnly is for accounts without a webhook.
	PollOnly
)

const (
	quickPoll  = time.Second
	slowPoll   = 15 * time.Second
	backupPoll = time.Minute
)

// pace is how long to wait between two polls. It depends on the results of the polls
// before alone.
type pace struct {
	mode PollMode
	wait time.Duration
}

func newPace(mode PollMode) pace {
	if mode == PollOnly {
		return pace{mode, quickPoll}
	}
	return pace{mode, slowPoll}
}

// next returns the pace after a poll that closed so many jobs. If webhooks are
// expected, a poll that closes jobs shows that they do not arrive, so the next poll
// comes sooner. If none are expected, a poll that closes nothing was too early.
func (p pace) next(closed int) pace {
	sooner := closed > 0
	switch {
	case p.mode == PollOnly && sooner:
		p.wait = quickPoll
	case p.mode == PollOnly:
		p.wait = min(p.wait*3/2, slowPoll)
	case sooner:
		p.wait = max(p.wait/2, quickPoll)
	default:
		p.wait = min(p.wait*3/2, backupPoll)
	}
	return p
}

func (o *Orchestrator) pollLoop(ctx context.Context) {
	if o.cfg.Poll == PollNever {
		return
	}
	for p := newPace(o.cfg.Poll); o.clock.Sleep(ctx, p.wait) == nil; {
		closed, err := o.PollOnce(ctx, p.wait)
		o.logError(ctx, "poll pending jobs", err)
		p = p.next(closed)
	}
}

// PollOnce queries the vendor about all jobs that have been pending for at least
// age, and returns how many it closed.
func (o *Orchestrator) PollOnce(ctx context.Context, age time.Duration) (closed int, err error) {
	if _, paused := o.throttle.Paused(); paused {
		return 0, nil
	}
	before := o.clock.Now().Add(-age)
	pending, err := o.store.PendingBatches(ctx, before)
	if err != nil {
		return 0, fmt.Errorf("poll: %w", err)
	}
	err = eachBatch(ctx, "poll", pending, func(batch string, old int) error {
		if old == 0 || !o.worksOn(batch) {
			return nil
		}
		n, err := o.pollPending(ctx, batch, before, old)
		closed += n
		return err
	})
	return closed, err
}
