package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"time"

	"shotline/client"
	"shotline/jobs"
	"shotline/jobs/summary"
)

// explainFor is how long after a batch's end its summary waits for a vendor that
// cannot be queried. Costs and reasons that a summary lacks are not queried again.
const explainFor = 2 * time.Minute

const countPages = 20

// listAgain is when a listing that lagged behind is repeated.
const listAgain = 2 * time.Second

// conflictWait is when a batch is summarized again whose conflicts are being
// checked.
const conflictWait = 500 * time.Millisecond

// errLags: the vendor's listing does not show all screenshots yet.
var errLags = errors.New("the listing lags behind")

// SummarizeBatch computes and stores the summary of a finished batch's newest
// revision, once. Before that it queries the vendor, in bulk, for the costs and
// reasons that no webhook contains. If a listing does not show all of them yet, it
// is repeated until the settle time is over. If the vendor cannot be queried,
// SummarizeBatch fails, to be called again, until explainFor is over. After that the
// summary does without.
func (o *Orchestrator) SummarizeBatch(ctx context.Context, batch string) error {
	_, err := o.summarize(ctx, o.vendor, batch)
	return err
}

// summarized is the result of summarizing a batch.
type summarized struct {
	stored   bool // the summary was stored
	changed  changes
	repaired []Repaired // the batch, if its counters were wrong
}

func (o *Orchestrator) summarize(ctx context.Context, q queries, batch string) (done summarized, err error) {
	if err = o.summarizeInto(ctx, q, batch, &done); err != nil {
		err = fmt.Errorf("summarize batch %s: %w", batch, err)
	}
	return done, err
}

func (o *Orchestrator) summarizeInto(ctx context.Context, q queries, batch string, result *summarized) error {
	b, err := o.store.Batch(ctx, batch)
	if err != nil || !owesSummary(b) {
		return err
	}
	done, free := o.turns.take("summarize " + batch)
	if !free {
		return nil
	}
	defer done()
	claim, err := o.claim(ctx, "summarize "+batch, claimAgain)
	if err != nil || claim == nil {
		return err
	}
	defer claim.release(ctx)
	if result.repaired, err = o.recount(ctx, batch); err != nil {
		return err
	}
	// The batch might have opened again, or another process summarized it.
	if b, err = o.store.Batch(ctx, batch); err != nil || !owesSummary(b) {
		return err
	}
	l := o.lookup(q, b)
	err = l.explainInTime(ctx, claim)
	result.changed = l.changes
	now := o.clock.Now()
	switch {
	case err == nil:
	case !errors.Is(err, errLags):
		if errors.Is(err, ErrNoKey) || now.Before(b.FinishedAt.Add(explainFor)) {
			return fmt.Errorf("costs and reasons: %w", err)
		}
		o.log.Warn("costs and reasons of the batch remain unknown", "batch", batch, "error", err)
	case now.Before(b.FinishedAt.Add(o.cfg.Settle)):
		_, err := o.store.WakeBatch(ctx, batch, now.Add(listAgain))
		return err
	}
	// Clients that wait for the summary leave with it, so it includes the
	// corrections that are possible by now.
	corrected, err := o.checkConflicts(ctx, q, batch)
	result.changed = result.changed.plus(corrected)
	if err != nil {
		o.logError(ctx, "check conflicts before a summary", err) // the sweep checks them again
	}
	if o.turns.busy(conflictsOf(batch)) && now.Before(b.FinishedAt.Add(explainFor)) {
		_, err := o.store.WakeBatch(ctx, batch, now.Add(conflictWait)) // the sweep is checking them
		return err
	}
	s, err := summary.Compute(ctx, o.store, batch, now)
	if err != nil {
		return err
	}
	// If a retry, a late result or a correction came in between, the summary might be
	// half of this revision and half of the next, which has its own summary.
	if b, err = o.store.Batch(ctx, batch); err != nil || !owesSummary(b) || b.Revision != s.Revision {
		return err
	}
	data, err := s.Encode()
	if err != nil {
		return err
	}
	result.stored, err = o.store.SaveSummary(ctx, batch, s.Revision, jobs.Counts{DoubleCharged: s.DoubleCharged, Cost: s.Cost}, data, now)
	if err != nil {
		return err
	}
	if !result.stored {
		// Another process stored it, or a charge came in between.
		_, err := o.store.WakeBatch(ctx, batch, now)
		return err
	}
	o.log.Info("batch summarized", "batch", batch, "revision", s.Revision, "done", s.Done, "failed", s.Failed,
		"timed_out", s.TimedOut, "canceled", s.Canceled, "rejected", s.Rejected)
	return nil
}

func owesSummary(b jobs.Batch) bool {
	return b.State == jobs.BatchFinished && b.Summarized < b.Revision
}

// explainInTime leaves half of the task's time to the summary itself.
func (l *lookup) explainInTime(ctx context.Context, claim *claim) error {
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/2)
		defer cancel()
	}
	return l.explain(ctx, claim)
}

// explain fills in costs and reasons. It lists all screenshots of the batch if costs
// are unknown, and only the failed ones if only reasons are. A vendor might match a
// screenshot's first tag alone. So if the batch's tag shows nothing, explain reads
// the account's newest screenshots, as many pages as the batch could fill.
func (l *lookup) explain(ctx context.Context, claim *claim) error {
	x := explanation{lookup: l, claim: claim}
	if err := x.count(ctx); err != nil || x.complete() {
		return err
	}
	options := client.ListOptions{Tag: jobs.BatchTag(l.batch.ID)}
	if x.costs == 0 {
		options.Status = client.StatusError
	}
	take := func(shots []client.Screenshot) (bool, error) { return x.take(ctx, shots) }
	if err := l.list(ctx, options, take); err != nil {
		return err
	}
	if x.pages == 0 {
		options.Tag = ""
		x.most = int(l.batch.Counts.Accepted())/listPage + 1 + countPages
		if err := l.list(ctx, options, take); err != nil {
			return err
		}
	}
	if !x.counted {
		if err := x.count(ctx); err != nil {
			return err
		}
	}
	if x.costs > x.costless {
		return errLags
	}
	return nil
}

// explanation counts the costs and reasons that a batch lacks. Counting takes a
// scan of the batch. So it is repeated only when the pages have shown enough, and
// then less and less often, up to countPages pages later.
type explanation struct {
	*lookup
	claim          *claim
	costs, reasons int  // missing
	pages, next    int  // seen, and at which to count again
	most           int  // pages to read; 0: all
	costless       int  // shown without a cost
	counted        bool // no page was read since the last count
}

func (x *explanation) complete() bool { return x.costs <= 0 && x.reasons <= 0 }

func (x *explanation) count(ctx context.Context) (err error) {
	x.counted = true
	x.costs, x.reasons, err = x.store.Unexplained(ctx, x.batch.ID)
	return err
}

// take records a page and reports whether more are needed.
func (x *explanation) take(ctx context.Context, shots []client.Screenshot) (more bool, err error) {
	x.claim.renew(ctx)
	x.counted = false
	observations := newMatcher(nil).match(shots)
	if err := x.record(ctx, observations); err != nil {
		return false, err
	}
	for _, seen := range observations {
		switch {
		case seen.Job.Batch != x.batch.ID: // of a listing without the tag
			continue
		case seen.Cost != nil:
			x.costs--
		default:
			x.costless++
		}
		if seen.Error != "" {
			x.reasons--
		}
	}
	x.pages++
	if x.most > 0 && x.pages >= x.most {
		return false, nil
	}
	if x.costs > 0 || x.reasons > 0 || x.pages < x.next {
		return true, nil
	}
	x.next = x.pages + min(x.pages, countPages)
	err = x.count(ctx)
	return !x.complete(), err
}
