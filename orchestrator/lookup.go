package orchestrator

import (
	"context"
	"errors"
	"fmt"

	"shotline/client"
	"shotline/jobs"
)

const (
	// listPage is what we ask for; the vendor's largest page is unknown, so a
	// shorter one does not mean the end, only an empty one does.
	listPage = 100
	// listEnd stops a listing that never gives an empty page.
	listEnd = 20_000
)

// lookUp asks the vendor about jobs of one batch and records what it says. It
// returns the jobs that the vendor says it does not know. An error means that
// it could not be asked; what was heard before that is recorded all the same.
func (o *Orchestrator) lookUp(ctx context.Context, b jobs.Batch, wanted []jobs.Job, thorough bool) (missing []jobs.Job, err error) {
	return o.ask(ctx, b, newMatcher(wanted), wanted, thorough, o.recorder(ctx, b))
}

// ask asks the vendor about jobs of one batch, by listing the batch's tag or
// one by one, whichever takes fewer calls, and hands on what it says. A listing
// may lag: only a thorough look-up asks singly for each job that it left out.
// Jobs without any answer are left in the matcher as missing; of those it
// returns the ones that the vendor says it does not know.
func (o *Orchestrator) ask(ctx context.Context, b jobs.Batch, m *matcher, wanted []jobs.Job, thorough bool, take func([]jobs.Observation) error) (unknown []jobs.Job, err error) {
	singly := true
	if listingPays(b.Counts, len(wanted)) {
		err = o.list(ctx, client.ListOptions{Tag: jobs.BatchTag(b.ID)}, b.ID, func(shots []client.Screenshot) (bool, error) {
			err := take(m.match(shots))
			return len(m.missing) > 0, err
		})
		// A listing that shows none of ours means a vendor that does not match
		// the batch's tag when it is not the first.
		singly = thorough || len(m.missing) == len(wanted)
	}
	if err != nil || !singly {
		return nil, err
	}
	return o.askSingly(ctx, b, m, wanted, take)
}

// askSingly asks for each of the jobs that m has not seen yet, and hands on
// what it hears. It returns those that the vendor does not know.
func (o *Orchestrator) askSingly(ctx context.Context, b jobs.Batch, m *matcher, wanted []jobs.Job, take func([]jobs.Observation) error) (unknown []jobs.Job, err error) {
	for _, j := range wanted {
		if err != nil || !m.missing[j.ID] {
			continue
		}
		shot, known, infoErr := o.info(ctx, b, j)
		var answer *client.APIError
		var limited *client.RateLimitError
		switch {
		case infoErr == nil && known:
			err = take(m.match([]client.Screenshot{shot}))
		case infoErr == nil:
			unknown = append(unknown, j)
		case errors.As(infoErr, &answer) && !errors.As(infoErr, &limited) && !errors.Is(infoErr, client.ErrUnauthorized):
			// The vendor is there and stumbles over this one.
			o.log.Warn("look up screenshot", "job", j.ID.String(), "error", infoErr)
		default:
			err = infoErr
		}
	}
	return unknown, err
}

// listingPays compares the pages of a whole listing with single calls.
func listingPays(c jobs.Counts, singles int) bool {
	submitted := c.Accepted() - c.Of(jobs.Queued)
	return submitted/listPage+1 < int64(singles)
}

// info asks for one screenshot. That the vendor does not know it is no error.
func (o *Orchestrator) info(ctx context.Context, b jobs.Batch, j jobs.Job) (shot client.Screenshot, known bool, err error) {
	shot, err = o.vendor.Info(ctx, j.ScreenshotID)
	if !errors.Is(err, ErrNoKey) { // without a key nothing was sent
		if err := o.store.CountCalls(context.WithoutCancel(ctx), b.ID, 1); err != nil {
			return shot, false, err
		}
	}
	switch {
	case errors.Is(err, client.ErrNotFound):
		return shot, false, nil
	case err != nil:
		return shot, false, o.vendorError("look up screenshot "+j.ScreenshotID, err)
	}
	return shot, true, nil
}

// list pages through a listing, newest first, until an empty page or until
// take wants no more.
func (o *Orchestrator) list(ctx context.Context, options client.ListOptions, batch string, take func([]client.Screenshot) (more bool, err error)) error {
	options.Limit = listPage
	return o.pages(ctx, batch, "list screenshots", func(offset int) ([]client.Screenshot, error) {
		options.Offset = offset
		return o.vendor.List(ctx, options)
	}, take)
}

// pages reads pages until an empty one, or until take wants no more. Calls are
// counted for the batch; an empty one is none.
func (o *Orchestrator) pages(ctx context.Context, batch, what string, page func(offset int) ([]client.Screenshot, error), take func([]client.Screenshot) (bool, error)) error {
	calls := 0
	defer func() {
		if calls == 0 || batch == "" {
			return
		}
		if err := o.store.CountCalls(context.WithoutCancel(ctx), batch, calls); err != nil {
			o.logError(ctx, "count vendor calls", fmt.Errorf("batch %s: %w", batch, err))
		}
	}()
	for offset := 0; calls < listEnd; {
		shots, err := page(offset)
		if !errors.Is(err, ErrNoKey) { // without a key nothing was sent
			calls++
		}
		if err != nil {
			return o.vendorError(what, err)
		}
		if len(shots) == 0 {
			return nil
		}
		o.warnOdd(batch, what, shots)
		offset += len(shots)
		if more, err := take(shots); err != nil || !more {
			return err
		}
	}
	return fmt.Errorf("%s: no end after %d pages", what, calls)
}

// warnOdd logs how many rows of a page could not be read, and why not the first.
func (o *Orchestrator) warnOdd(batch, what string, shots []client.Screenshot) {
	var first *client.RowError
	odd := 0
	for _, shot := range shots {
		if shot.Odd == nil {
			continue
		}
		if odd++; first == nil {
			first = shot.Odd
		}
	}
	if odd > 0 {
		o.log.Warn(what+": rows left out that cannot be read", "batch", batch, "rows", odd, "error", first)
	}
}

// recorder is for ask: it records whatever it is handed.
func (o *Orchestrator) recorder(ctx context.Context, b jobs.Batch) func([]jobs.Observation) error {
	return func(found []jobs.Observation) error { return o.record(ctx, b, found) }
}

// record stores observations that came from asking about a batch.
func (o *Orchestrator) record(ctx context.Context, b jobs.Batch, observations []jobs.Observation) error {
	if len(observations) == 0 {
		return nil
	}
	now := o.clock.Now()
	// A job with a timeout of its own gets its own deadline.
	effects, err := o.store.Observe(ctx, observations, jobs.ByPoll, now, now.Add(o.jobTimeout(b, jobs.Job{})))
	if err != nil {
		return err
	}
	o.observer.Doubts(0, effects.Adopted, 0)
	o.took(effects)
	return nil
}

// vendorError lets a rate limit on reads slow the creates down as well: the
// account is one.
func (o *Orchestrator) vendorError(what string, err error) error {
	var limited *client.RateLimitError
	if errors.As(err, &limited) {
		o.throttle.PauseFor(limited.Delay)
	}
	return fmt.Errorf("%s: %w", what, err)
}
