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
	// Batches are the ones about which the vendor is queried, and that are recounted
	// and summarized. None means all. Work that belongs to no batch is done anyway.
	Batches []string
	// Older is how long a job must have been pending before the vendor is queried
	// about it.
	Older time.Duration
}

// Reconciled is the result of one Reconcile, or of a step of it, and the work
// that is left. Its JSON form is that of `reconcile --json`.
type Reconciled struct {
	Deliveries int                `json:"deliveries"` // taken from the inbox
	Requeued   int                `json:"requeued"`   // leases that ended before anything was sent
	Doubted    int                `json:"doubted"`    // leases that ended with a create under way
	Adopted    int                `json:"adopted"`    // creates without an answer that were found
	Resent     int                `json:"resent"`     // creates without an effect, queued again
	Closed     map[jobs.State]int `json:"closed"`     // jobs, by the state they ended in
	Late       int                `json:"late"`       // results of jobs that had ended
	Corrected  int                `json:"corrected"`  // jobs whose first result was false
	Flawed     int                `json:"flawed"`     // closed and corrected jobs without an image
	Calls      int                `json:"api_calls"`  // to the vendor
	Summaries  int                `json:"summaries"`  // computed
	Removed    []string           `json:"removed"`    // unfinished imports
	Repaired   []Repaired         `json:"repaired"`   // batches whose counters were wrong
	Busy       []string           `json:"busy"`       // batches about which another process was querying the vendor

	DoubleCharged int `json:"double_charged"` // screenshots that were charged beyond the wanted ones

	// What is left.
	Queued  int64 `json:"queued"` // jobs of open batches
	Paused  int64 `json:"paused"` // queued jobs of paused batches
	Pending int64 `json:"pending"`
	InDoubt int64 `json:"in_doubt"`
	Held    int64 `json:"held"`           // deliveries that might belong to a job in doubt
	Owed    int   `json:"summaries_owed"` // not computed, or being computed by another process
}

// Repaired is a batch whose counters were wrong, with the effects of the repair.
type Repaired struct {
	Batch    string   `json:"batch_id"`
	Wrong    []string `json:"wrong"`
	Reopened bool     `json:"reopened"`
	Finished bool     `json:"finished"`
	Revised  bool     `json:"revised"`
}

// Did reports whether the pass changed anything.
func (r *Reconciled) Did() bool {
	return r.Deliveries+r.Requeued+r.Doubted+r.Adopted+r.Resent+r.Ended()+r.Late+r.Corrected+r.DoubleCharged+r.Summaries+len(r.Removed)+len(r.Repaired) > 0
}

// Ended returns the number of closed jobs.
func (r *Reconciled) Ended() (n int) {
	for _, closed := range r.Closed {
		n += closed
	}
	return n
}

// add adds the result of a step.
func (r *Reconciled) add(step Reconciled) {
	r.Deliveries += step.Deliveries
	r.Requeued += step.Requeued
	r.Doubted += step.Doubted
	r.Adopted += step.Adopted
	r.Resent += step.Resent
	for state, n := range step.Closed {
		r.Closed[state] += n
	}
	r.Late += step.Late
	r.Corrected += step.Corrected
	r.Flawed += step.Flawed
	r.Calls += step.Calls
	r.Summaries += step.Summaries
	r.Removed = append(r.Removed, step.Removed...)
	r.Repaired = append(r.Repaired, step.Repaired...)
	r.Busy = append(r.Busy, step.Busy...)
	r.DoubleCharged += step.DoubleCharged
	r.Queued += step.Queued
	r.Paused += step.Paused
	r.Pending += step.Pending
	r.InDoubt += step.InDoubt
	r.Held += step.Held
	r.Owed += step.Owed
}

// reconciled returns the changes of a step.
func (c changes) reconciled() Reconciled {
	return Reconciled{Closed: c.closed, Late: c.late, Corrected: c.corrected, Flawed: c.flawed, Adopted: c.adopted, Resent: c.resent, DoubleCharged: c.double}
}

// Reconcile is one thorough pass over all pending work. SweepOnce takes a portion
// and lets the queue do the rest; Reconcile continues until nothing is left that
// can be done now. It recounts unfinished batches, applies the inbox, takes back
// ended leases, looks up all doubts that are due, queries the vendor about
// pending jobs, closes overdue ones, checks contradictory results, looks for
// double charges of batches that finished within the audit window, removes
// unfinished imports and computes summaries, before which a batch is recounted
// once more. It submits nothing and waits for nothing but a rate limit.
//
// It may run beside workers and beside other passes: claims keep two processes
// from sending the vendor the same queries, and guarded updates decide. A step
// that fails does not stop the others. If some work could not be done, Reconcile
// returns an error together with the result.
func (o *Orchestrator) Reconcile(ctx context.Context, options ReconcileOptions) (Reconciled, error) {
	total := Reconciled{
		Closed:  map[jobs.State]int{jobs.Done: 0, jobs.Failed: 0, jobs.TimedOut: 0, jobs.Canceled: 0},
		Removed: []string{}, Repaired: []Repaired{}, Busy: []string{},
	}
	for _, batch := range options.Batches {
		if _, err := o.store.Batch(ctx, batch); err != nil {
			return total, err
		}
	}
	vendor := &reconcileVendor{vendor: o.vendor, clock: o.clock, throttle: o.throttle}
	var failures []error
	add := func(step Reconciled, err error) {
		total.add(step)
		if err != nil {
			failures = append(failures, err)
		}
	}
	addChanges := func(step changes, err error) { add(step.reconciled(), err) }
	add(o.recountUnfinished(ctx, options))
	add(o.drainInbox(ctx))
	add(o.expireAllLeases(ctx))
	addChanges(o.resolveAllDoubts(ctx, vendor))
	add(o.queryAllPending(ctx, vendor, options))
	// Jobs that are overdue although they are not old, or about which the vendor
	// could not be queried.
	addChanges(o.checkDeadlines(ctx, vendor, total.Busy))
	addChanges(o.checkConflicts(ctx, vendor, ""))
	addChanges(o.audit(ctx, vendor, func(b jobs.Batch) (bool, error) { return options.wants(b.ID), nil }))
	removed, err := o.removeStaleImports(ctx)
	add(Reconciled{Removed: removed}, err)
	add(o.summarizeAll(ctx, vendor, options))
	add(o.leftOver(ctx))
	total.Calls = vendor.calls
	return total, joined(ctx, failures, vendor.stopped)
}

// joined joins the failures of the steps. It reports only once that the vendor
// could not be queried.
func joined(ctx context.Context, failures []error, stopped error) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("interrupted: %w", err)
	}
	for _, err := range failures {
		if errors.Is(err, jobs.ErrCorrupt) {
			return err // every step fails with it, and nothing else matters
		}
	}
	if stopped != nil {
		failures = slices.DeleteFunc(failures, func(err error) bool {
			return errors.Is(err, errStopped) || errors.Is(err, stopped)
		})
		failures = append(failures, fmt.Errorf("query the vendor: %w", stopped))
	}
	return errors.Join(failures...)
}

// wants reports whether the pass includes a batch.
func (r ReconcileOptions) wants(batch string) bool {
	return len(r.Batches) == 0 || slices.Contains(r.Batches, batch)
}

// recountUnfinished is the first step, since wrong counters hide work.
func (o *Orchestrator) recountUnfinished(ctx context.Context, options ReconcileOptions) (Reconciled, error) {
	batches := options.Batches
	if len(batches) == 0 {
		out, err := o.store.Outstanding(ctx)
		if err != nil {
			return Reconciled{}, err
		}
		batches = out.Unfinished
	}
	repaired, err := o.recountAll(ctx, batches)
	return Reconciled{Repaired: repaired}, err
}

func (o *Orchestrator) drainInbox(ctx context.Context) (Reconciled, error) {
	deliveries := 0
	var changed changes
	for {
		applied, err := o.CloseOnce(ctx)
		deliveries += applied.Read
		changed = changed.plus(changesOf(applied.Effects))
		if err != nil || !applied.More {
			step := changed.reconciled()
			step.Deliveries = deliveries
			return step, err
		}
	}
}

func (o *Orchestrator) expireAllLeases(ctx context.Context) (step Reconciled, err error) {
	for {
		requeued, doubted, err := o.expireLeases(ctx)
		step.Requeued += requeued
		step.Doubted += doubted
		if err != nil || requeued+doubted < leaseChunk {
			return step, err
		}
	}
}

// resolveAllDoubts looks up each doubt once: the next look-up of one that stays in
// doubt is due after the pass began.
func (o *Orchestrator) resolveAllDoubts(ctx context.Context, q queries) (changed changes, err error) {
	began := o.clock.Now()
	var failures []error
	for ctx.Err() == nil {
		claimed, part, err := o.resolveDue(ctx, q, began)
		changed = changed.plus(part)
		if err != nil {
			failures = append(failures, err)
		}
		if claimed == 0 {
			break
		}
	}
	return changed, errors.Join(failures...)
}

func (o *Orchestrator) queryAllPending(ctx context.Context, q queries, options ReconcileOptions) (Reconciled, error) {
	before := o.clock.Now().Add(-options.Older)
	pending, err := o.store.PendingBatches(ctx, before)
	if err != nil {
		return Reconciled{}, err
	}
	var changed changes
	var busy []string
	err = eachBatch(ctx, "query pending jobs", pending, func(batch string, old int) error {
		if old == 0 || !options.wants(batch) {
			return nil
		}
		part, free, err := o.queryPending(ctx, q, batch, before, old)
		changed = changed.plus(part)
		if err == nil && !free {
			busy = append(busy, batch)
		}
		return err
	})
	step := changed.reconciled()
	step.Busy = busy
	return step, err
}

func (o *Orchestrator) summarizeAll(ctx context.Context, q queries, options ReconcileOptions) (Reconciled, error) {
	out, err := o.store.Outstanding(ctx)
	if err != nil {
		return Reconciled{}, err
	}
	var changed changes
	var repaired []Repaired
	summaries := 0
	var failures []error
	for _, batch := range out.Unsummarized {
		if !options.wants(batch) {
			continue
		}
		s, err := o.summarize(ctx, q, batch)
		changed = changed.plus(s.changed)
		repaired = append(repaired, s.repaired...)
		if s.stored {
			summaries++
		}
		failures = append(failures, err)
	}
	step := changed.reconciled()
	step.Repaired, step.Summaries = repaired, summaries
	return step, errors.Join(failures...)
}

// leftOver returns the work that is left.
func (o *Orchestrator) leftOver(ctx context.Context) (Reconciled, error) {
	out, err := o.store.Outstanding(ctx)
	return Reconciled{
		Queued: out.Queued, Paused: out.Paused, Pending: out.Pending,
		InDoubt: out.InDoubt, Held: out.Held, Owed: len(out.Unsummarized),
	}, err
}
