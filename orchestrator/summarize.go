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

// explainFor is how long after a batch's end its summary waits for a vendor
// that cannot be asked: what the summary lacks nobody asks for again.
const explainFor = 2 * time.Minute

const countPages = 20

// listAgain is when a listing that lagged behind is asked again.
const listAgain = 2 * time.Second

// conflictWait is when a batch is looked at again about whose conflicts the vendor
// is being asked.
const conflictWait = 500 * time.Millisecond

// errLags: the vendor's listing does not show all screenshots yet.
var errLags = errors.New("the listing lags behind")

// SummarizeBatch computes and stores the summary of a finished batch's newest
// revision, once. Before that it asks the vendor, in bulk, for the costs and
// reasons that no webhook tells. A listing that does not show all of it yet is
// asked again until the settle time is over. Without an answer it fails, to be
// called again, until explainFor is over, and then does without.
func (o *Orchestrator) SummarizeBatch(ctx context.Context, batch string) error {
	if err := o.summarize(ctx, batch); err != nil {
		return fmt.Errorf("summarize batch %s: %w", batch, err)
	}
	return nil
}

func (o *Orchestrator) summarize(ctx context.Context, batch string) error {
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
	if err := o.recount(ctx, batch); err != nil {
		return err
	}
	// The batch may have opened again, or been summarized by another.
	if b, err = o.store.Batch(ctx, batch); err != nil || !owesSummary(b) {
		return err
	}
	err = o.explainInTime(ctx, b, claim)
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
	// Whoever waits for the summary leaves with it: what is corrected by now is in it.
	if err := o.checkConflicts(ctx, batch); err != nil {
		o.logError(ctx, "check conflicts before a summary", err) // the sweep goes on asking
	}
	if o.turns.busy(conflictsOf(batch)) && now.Before(b.FinishedAt.Add(explainFor)) {
		_, err := o.store.WakeBatch(ctx, batch, now.Add(conflictWait)) // the sweep asks about it just now
		return err
	}
	s, err := summary.Compute(ctx, o.store, batch, now)
	if err != nil {
		return err
	}
	// A retry, a late result or a correction in between: what was read may be half of this
	// revision and half of the next, which has its own summary.
	if b, err = o.store.Batch(ctx, batch); err != nil || !owesSummary(b) || b.Revision != s.Revision {
		return err
	}
	data, err := s.Encode()
	if err != nil {
		return err
	}
	told, err := o.store.SaveSummary(ctx, batch, s.Revision, jobs.Counts{DoubleCharged: s.DoubleCharged, Cost: s.Cost}, data, now)
	if err != nil {
		return err
	}
	if !told {
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
func (o *Orchestrator) explainInTime(ctx context.Context, b jobs.Batch, claim *claim) error {
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/2)
		defer cancel()
	}
	return o.explain(ctx, b, claim)
}

// explain fills in costs and reasons: all screenshots of the batch when costs
// are unknown, only its failures when just reasons are. A vendor may match a
// screenshot's first tag alone: where the batch's tag shows nothing, as many of
// the account's newest screenshots are gone through as the batch could fill.
func (o *Orchestrator) explain(ctx context.Context, b jobs.Batch, claim *claim) error {
	x := explanation{Orchestrator: o, batch: b, claim: claim}
	take := func(shots []client.Screenshot) (bool, error) { return x.take(ctx, shots) }
	if err := x.count(ctx); err != nil || x.complete() {
		return err
	}
	options := client.ListOptions{Tag: jobs.BatchTag(b.ID)}
	if x.costs == 0 {
		options.Status = client.StatusError
	}
	if err := o.list(ctx, options, b.ID, take); err != nil {
		return err
	}
	if x.pages == 0 {
		options.Tag = ""
		x.most = int(b.Counts.Accepted())/listPage + 1 + countPages
		if err := o.list(ctx, options, b.ID, take); err != nil {
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

// explanation is what is still missing of a batch. To count that takes a scan
// of the batch, so it is counted again only once the pages have told enough,
// and ever more rarely, up to countPages pages later.
type explanation struct {
	*Orchestrator
	batch          jobs.Batch
	claim          *claim
	costs, reasons int  // missing
	pages, next    int  // seen, and at which to count again
	most           int  // pages to be seen at the most; 0: all
	costless       int  // shown without a cost
	counted        bool // nothing was told since the last count
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
	if err := x.record(ctx, x.batch, observations); err != nil {
		return false, err
	}
	for _, told := range observations {
		switch {
		case told.Job.Batch != x.batch.ID: // of an untagged listing
			continue
		case told.Cost != nil:
			x.costs--
		default:
			x.costless++
		}
		if told.Error != "" {
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
