package orchestrator

import (
	"context"
	"fmt"
	"time"

	"shotline/jobs"
)

// PollMode says whether a process asks the vendor about pending jobs before
// their deadline.
type PollMode int

const (
	// PollNever leaves it to webhooks and deadlines.
	PollNever PollMode = iota
	// PollBackup trusts in webhooks, and polls sooner the longer none comes.
	PollBackup
	// PollOnly is for accounts without a webhook.
	PollOnly
)

const (
	quickPoll  = time.Second
	slowPoll   = 15 * time.Second
	backupPoll = time.Minute
	pollChunk  = 1000
)

// pace is how long to wait between two polls: always the same answer to the
// same history, so that it can be reasoned about.
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

// next takes what the last poll closed. With webhooks expected, a poll that
// closes something shows that they do not arrive, so the next comes sooner;
// without them, one that closes nothing was too early.
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

// PollOnce asks the vendor about all jobs that have been pending for at least
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
		n, err := o.pollBatch(ctx, batch, before, old)
		closed += n
		return err
	})
	return closed, err
}

// pollBatch leaves the batch to whoever else is just asking about it.
func (o *Orchestrator) pollBatch(ctx context.Context, batch string, before time.Time, pending int) (closed int, err error) {
	claim, err := o.claim(ctx, askAbout+batch, askTime)
	if err != nil || claim == nil {
		return 0, err
	}
	defer claim.release(ctx)
	b, err := o.store.Batch(ctx, batch)
	if err != nil {
		return 0, err
	}
	pending = min(pending, int(b.Counts.Of(jobs.Pending))) // after whoever had the claim before
	if pending > pollChunk {
		_, err = o.listBatch(ctx, b, claim)
	} else {
		var wanted []jobs.Job
		if wanted, err = o.store.Pending(ctx, batch, before, 0, pollChunk); err == nil {
			_, err = o.lookUp(ctx, b, wanted, false)
		}
	}
	if err != nil {
		return 0, err
	}
	now, err := o.store.Batch(ctx, batch)
	if err != nil {
		return 0, err
	}
	return int(now.Counts.ByProvenance[jobs.ByPoll] - b.Counts.ByProvenance[jobs.ByPoll]), nil
}
