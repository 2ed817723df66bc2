package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"shotline/jobs"
)

// ReconcileOptions narrow a Reconcile.
type ReconcileOptions struct {
	// Batches limits what the vendor is asked about, what is recounted and what
	// is summed up; none means all. What belongs to no batch is done anyway.
	Batches []string
	// Older is how long jobs have to have been pending to be asked about.
	Older time.Duration
}

// Reconciled is what one Reconcile did, and what is left. Its JSON form is that
// of `reconcile --json`.
type Reconciled struct {
	Deliveries int                `json:"deliveries"` // taken from the inbox
	Requeued   int                `json:"requeued"`   // leases that ended before anything was sent
	Doubted    int                `json:"doubted"`    // leases that ended with a create under way
	Adopted    int                `json:"adopted"`    // creates without an answer that were found
	Resent     int                `json:"resent"`     // and those that had no effect: queued again
	Closed     map[jobs.State]int `json:"closed"`     // jobs, by the state they ended in
	Late       int                `json:"late"`       // results of jobs that had ended
	Corrected  int                `json:"corrected"`  // jobs whose first result was false
	Flawed     int                `json:"flawed"`     // of the closed and corrected: without a picture
	Calls      int                `json:"api_calls"`  // of the vendor
	Summaries  int                `json:"summaries"`  // computed
	Removed    []string           `json:"removed"`    // imports that were left half-way
	Repaired   []Repaired         `json:"repaired"`   // batches whose counters were wrong
	Busy       []string           `json:"busy"`       // batches that another process was just asking about

	Double int `json:"double_charged"` // screenshots found that were charged beyond the wanted ones

	Queued  int64 `json:"queued"`  // left: jobs that wait for a worker,
	Paused  int64 `json:"paused"`  // and those of paused batches,
	Pending int64 `json:"pending"` // jobs that wait for their result,
	InDoubt int64 `json:"in_doubt"`
	Held    int64 `json:"held"`           // deliveries that may belong to a job in doubt
	Owed    int   `json:"summaries_owed"` // that could not be computed, or another process is at
}

// Repaired is a batch whose counters were wrong, and what followed.
type Repaired struct {
	Batch    string   `json:"batch_id"`
	Wrong    []string `json:"wrong"`
	Reopened bool     `json:"reopened"`
	Finished bool     `json:"finished"`
	Revised  bool     `json:"revised"`
}

// Did reports whether anything was put right.
func (r *Reconciled) Did() bool {
	return r.Deliveries+r.Requeued+r.Doubted+r.Adopted+r.Resent+r.Ended()+r.Late+r.Corrected+r.Double+r.Summaries+len(r.Removed)+len(r.Repaired) > 0
}

// Ended is how many jobs were closed.
func (r *Reconciled) Ended() (n int) {
	for _, closed := range r.Closed {
		n += closed
	}
	return n
}

func (r *Reconciled) took(e jobs.Effects) {
	r.Adopted += e.Adopted
	r.Double += len(e.DoubleCharged)
	for _, c := range e.Closed {
		switch {
		case c.Corrected:
			r.Corrected++
			if c.State != jobs.Done {
				r.Flawed++
			}
			continue
		case c.Late:
			r.Late++
			continue
		case c.State != jobs.Done:
			r.Flawed++
		}
		r.Closed[c.State]++
	}
}

// Reconcile is one thorough pass over everything that is owed. Where SweepOnce
// takes a portion and has the queue do the rest, it goes on until nothing is
// left that can be done now: it counts what unfinished batches hold, applies
// the inbox, takes back ended leases, looks up all doubts that are due, asks
// the vendor about pending jobs, closes what is overdue, has the vendor
// decide on contradictory results, looks for double charges of batches that have
// finished within the audit window, removes imports that were left half-way and
// computes summaries, before which a batch is counted once more. It submits
// nothing and waits for nothing but a rate limit.
//
// It may run beside workers and beside itself: claims keep two from asking the
// vendor the same, and guarded updates decide. A step that fails does not keep
// the others from their turn; the error, with what was done all the same, says
// that something owed could not be put right.
func (o *Orchestrator) Reconcile(ctx context.Context, options ReconcileOptions) (Reconciled, error) {
	report := Reconciled{
		Closed:  map[jobs.State]int{jobs.Done: 0, jobs.Failed: 0, jobs.TimedOut: 0, jobs.Canceled: 0},
		Removed: []string{}, Repaired: []Repaired{}, Busy: []string{},
	}
	for _, batch := range options.Batches {
		if _, err := o.store.Batch(ctx, batch); err != nil {
			return report, err
		}
	}
	p, vendor := o.pass(&report)
	var failures []error
	did := func(err error) {
		if err != nil {
			failures = append(failures, err)
		}
	}
	did(p.recountUnfinished(ctx, options))
	did(p.drainInbox(ctx))
	did(p.expireAllLeases(ctx))
	did(p.resolveAllDoubts(ctx))
	did(p.askAll(ctx, options, &report))
	// What is overdue although it is not old, or could not be asked about.
	did(p.checkDeadlines(ctx, report.Busy))
	did(p.checkConflicts(ctx, ""))
	did(p.audit(ctx, func(b jobs.Batch) (bool, error) { return options.wants(b.ID), nil }))
	did(p.removeStaleImports(ctx))
	did(p.summarizeAll(ctx, options))
	did(p.leftOver(ctx, &report))
	return report, joined(ctx, failures, vendor.away)
}

// joined tells once that the vendor could not be asked, however many steps met
// that.
func joined(ctx context.Context, failures []error, away error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("interrupted: %w", err)
	}
	for _, err := range failures {
		if errors.Is(err, jobs.ErrCorrupt) {
			return err // every step meets it, and nothing else matters
		}
	}
	if away != nil {
		failures = slices.DeleteFunc(failures, func(err error) bool {
			return errors.Is(err, errAway) || errors.Is(err, away)
		})
		failures = append(failures, fmt.Errorf("ask the vendor: %w", away))
	}
	return errors.Join(failures...)
}

// wants reports whether a batch is among those asked for.
func (r ReconcileOptions) wants(batch string) bool {
	return len(r.Batches) == 0 || slices.Contains(r.Batches, batch)
}

// recountUnfinished goes first: counters that are wrong hide work.
func (o *Orchestrator) recountUnfinished(ctx context.Context, options ReconcileOptions) error {
	batches := options.Batches
	if len(batches) == 0 {
		out, err := o.store.Outstanding(ctx)
		if err != nil {
			return err
		}
		batches = out.Unfinished
	}
	return o.recountAll(ctx, batches)
}

func (o *Orchestrator) drainInbox(ctx context.Context) error {
	for {
		applied, err := o.CloseOnce(ctx)
		if err != nil || !applied.More {
			return err
		}
	}
}

func (o *Orchestrator) expireAllLeases(ctx context.Context) error {
	for {
		expired, err := o.expireLeases(ctx)
		if err != nil || expired < leaseChunk {
			return err
		}
	}
}

// resolveAllDoubts looks each up once: the next look-up of one that stays in
// doubt is due after the pass began.
func (o *Orchestrator) resolveAllDoubts(ctx context.Context) error {
	began := o.clock.Now()
	var failures []error
	for ctx.Err() == nil {
		claimed, err := o.resolveDue(ctx, began)
		if err != nil {
			failures = append(failures, err)
		}
		if claimed == 0 {
			break
		}
	}
	return errors.Join(failures...)
}

func (o *Orchestrator) askAll(ctx context.Context, options ReconcileOptions, report *Reconciled) error {
	before := o.clock.Now().Add(-options.Older)
	pending, err := o.store.PendingBatches(ctx, before)
	if err != nil {
		return err
	}
	return eachBatch(ctx, "ask about jobs", pending, func(batch string, old int) error {
		if old == 0 || !options.wants(batch) {
			return nil
		}
		free, err := o.askPending(ctx, batch, before, old)
		if err == nil && !free {
			report.Busy = append(report.Busy, batch)
		}
		return err
	})
}

func (o *Orchestrator) summarizeAll(ctx context.Context, options ReconcileOptions) error {
	out, err := o.store.Outstanding(ctx)
	if err != nil {
		return err
	}
	var failures []error
	for _, batch := range out.Unsummarized {
		if options.wants(batch) {
			failures = append(failures, o.SummarizeBatch(ctx, batch))
		}
	}
	return errors.Join(failures...)
}

// leftOver tells what has not ended.
func (o *Orchestrator) leftOver(ctx context.Context, report *Reconciled) error {
	out, err := o.store.Outstanding(ctx)
	report.Queued, report.Paused, report.Pending = out.Queued, out.Paused, out.Pending
	report.InDoubt, report.Held, report.Owed = out.InDoubt, out.Held, len(out.Unsummarized)
	return err
}
