package orchestrator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"shotline/client"
	"shotline/jobs"
	"shotline/orchestrator/throttle"
)

// sliceTime is how long one SubmitBatch leases jobs before it lets other batches
// continue.
const sliceTime = 5 * time.Second

// sendsToRefuse is after how many creates of a submission a refusal fails the job,
// although an earlier create might have taken effect: by then two look-ups have not
// found it.
const sendsToRefuse = 3

// SubmitBatch submits queued jobs of a batch until none is left, its time slice
// is over, the vendor asks for a pause or the process stops. The rest is enqueued
// under the batch's next generation. Several calls may run for one batch, since
// leases keep them apart; within a process the second one leaves the work to the
// first. If this worker does not work on the batch, SubmitBatch does nothing.
func (o *Orchestrator) SubmitBatch(ctx context.Context, batch string) error {
	if !o.worksOn(batch) {
		return nil
	}
	done, free := o.turns.take("submit " + batch)
	if !free {
		return nil
	}
	defer done()

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(o.stopping, cancel)()

	b, err := o.store.Batch(ctx, batch)
	if err != nil {
		return fmt.Errorf("submit batch %s: %w", batch, err)
	}
	wait, err := o.submitSlice(ctx, b)
	if err != nil {
		return fmt.Errorf("submit batch %s: %w", batch, err)
	}
	return o.enqueueRest(ctx, batch, wait)
}

// slice is the work of one SubmitBatch.
type slice struct {
	batch   jobs.Batch
	creates sync.WaitGroup // those under way
	halted  atomic.Bool    // an error concerns all jobs of the batch
	refused atomic.Int64   // creates that the vendor refused

	reserved atomic.Bool // the rest of the budget is reserved for creates under way
}

// refusalsLogged is how many refusals of a slice are logged as warnings. Further
// ones are logged for debugging. Only the log has the vendor's request ids: jobs
// keep the reason without them, so that equal reasons can be grouped.
const refusalsLogged = 10

// submitSlice leases and submits for one time slice. It leases the next jobs
// while the creates of the last ones are under way. It returns how long the rest
// has to wait.
func (o *Orchestrator) submitSlice(ctx context.Context, b jobs.Batch) (wait time.Duration, err error) {
	s := &slice{batch: b}
	defer func() {
		s.creates.Wait()
		if s.reserved.Load() {
			wait = budgetWait
		}
	}()
	for end := o.clock.Now().Add(sliceTime); ctx.Err() == nil && o.clock.Now().Before(end); {
		more, err := o.submitOnce(ctx, s)
		if err != nil {
			return 0, err
		}
		if !more && !o.waitOut(ctx, s) {
			return 0, nil
		}
	}
	return 0, nil
}

// waitOut waits for the end of a short pause of the throttle, even beyond the end
// of the slice. If it used the queue instead, a pause of one second would take
// three, and no other batch could use the time.
func (o *Orchestrator) waitOut(ctx context.Context, s *slice) bool {
	until, paused := o.throttle.Paused()
	left := until.Sub(o.clock.Now())
	if !paused || s.halted.Load() || left >= sliceTime {
		return false
	}
	if b, err := o.store.Batch(ctx, s.batch.ID); err != nil || b.Counts.Of(jobs.Queued) == 0 {
		return false // creates under way might be queued again, and are enqueued then
	}
	return o.clock.Sleep(ctx, left) == nil
}

// submitOnce leases one chunk of jobs and sends their creates, each as soon as
// the throttle allows it. It returns when the last one has been started. More is
// false if there was nothing to lease or if nothing may be sent now.
func (o *Orchestrator) submitOnce(ctx context.Context, s *slice) (more bool, err error) {
	if _, paused := o.throttle.Paused(); paused {
		return false, nil
	}
	now := o.clock.Now()
	leases, err := o.store.Lease(ctx, s.batch.ID, o.cfg.Worker.ID, o.leaseSize(), now, now.Add(o.cfg.leaseTime()))
	if err != nil {
		return false, err
	}
	for i, lease := range leases {
		var slot *throttle.Slot
		if late := o.clock.Now().Add(o.cfg.RequestTimeout).After(lease.Expiry); !late {
			slot = o.acquireSlot(ctx, s, lease)
		}
		if slot == nil {
			return false, o.handBack(ctx, leases[i:])
		}
		s.creates.Go(func() { o.submit(ctx, s, lease, slot) })
	}
	return len(leases) > 0, nil
}

// leaseSize returns how many jobs to lease: no more than can be sent before the
// leases end.
func (o *Orchestrator) leaseSize() int {
	n := 2 * o.throttle.Width()
	if o.cfg.Rate > 0 {
		n = min(n, max(1, int(o.cfg.Rate*(o.cfg.leaseTime()-o.cfg.RequestTimeout).Seconds())))
	}
	return n
}

// acquireSlot waits for a slot of the throttle. It returns nil if this lease and
// those after it must wait.
func (o *Orchestrator) acquireSlot(ctx context.Context, s *slice, lease jobs.Lease) *throttle.Slot {
	slot, err := o.throttle.Acquire(ctx, priority(s.batch, lease.Job))
	if err != nil {
		return nil
	}
	if o.mustWait(s) {
		slot.End(throttle.Unused)
		return nil
	}
	return slot
}

// mustWait reports whether no further create of a slice may be sent: the process
// stops, the vendor asked for a pause, or the batch was paused.
func (o *Orchestrator) mustWait(s *slice) bool {
	_, paused := o.throttle.Paused()
	return paused || s.halted.Load() || o.stopping.Err() != nil
}

// maySend waits until the slot is ready, and reports whether the create of the
// intent that was just opened may be sent now. It must not be sent on a lease that
// has become too short: another worker could take the job over while the create is
// under way.
func (o *Orchestrator) maySend(ctx context.Context, s *slice, lease jobs.Lease, slot *throttle.Slot) bool {
	if slot.Ready(ctx) != nil {
		return false
	}
	return !o.mustWait(s) && !o.clock.Now().Add(o.cfg.RequestTimeout).After(lease.Expiry)
}

// submit opens the intent of one lease and sends its create. It ends the slot. Only
// the wait for the slot is canceled when stoppable ends: a create that was begun
// ends within the request timeout, or the end of its lease settles it.
func (o *Orchestrator) submit(stoppable context.Context, s *slice, lease jobs.Lease, slot *throttle.Slot) {
	defer slot.End(throttle.Unused) // unless it has ended before
	ctx := context.WithoutCancel(stoppable)

	now := o.clock.Now()
	lease.Options = optionSet(s.batch, lease.Job)
	opened, err := o.store.OpenIntent(ctx, lease, now, now.Add(o.cfg.leaseTime()))
	if err != nil {
		lost := errors.Is(err, jobs.ErrLeaseLost) || o.overBudget(s, lease, err)
		if !lost {
			s.halted.Store(true) // the store fails, and the other leases would fail, too
		}
		slot.End(throttle.Unused)
		// Nothing was sent. A lost lease might still be ours, if the batch was paused.
		back := o.handBack(ctx, []jobs.Lease{lease})
		if lost {
			err = back
		}
		o.logError(ctx, "open intent", err)
		return
	}
	lease = opened
	if !o.maySend(stoppable, s, lease, slot) {
		slot.End(throttle.Unused)
		o.logError(ctx, "withdraw intent", o.handBack(ctx, []jobs.Lease{lease}))
		return
	}
	if err := o.create(ctx, s, lease, slot); err != nil {
		// The intent stays open. When the lease ends, the job is in doubt and is
		// looked up.
		o.logError(ctx, "record the create's answer", fmt.Errorf("job %s: %w", lease.Job.ID, err))
	}
}

// create sends the one paid request, ends the slot with its result, and then
// records the result.
func (o *Orchestrator) create(ctx context.Context, s *slice, lease jobs.Lease, slot *throttle.Slot) error {
	b := s.batch
	request, cancel := context.WithTimeout(ctx, o.cfg.RequestTimeout)
	lease.Sent = true
	began := o.clock.Now()
	shot, err := o.vendor.Create(request, o.createRequest(b, lease))
	took := o.clock.Now().Sub(began)
	cancel()

	id := lease.Job.ID
	var (
		limited *client.RateLimitError
		unsent  *client.NotSentError
		doubt   *client.InDoubtError
		refused *client.APIError
	)
	switch {
	case err == nil:
		slot.End(throttle.Answered(took))
		o.troubles.answered()
		now := o.clock.Now()
		deadline := now.Add(o.jobTimeout(b, lease.Job))
		observation := observe(id, lease.Attempt, shot)
		effects, err := o.store.Observe(ctx, []jobs.Observation{observation}, jobs.ByCreate, now, deadline)
		if err != nil {
			return err
		}
		o.report(effects)
		o.scheduleDeadline(ctx, deadline)
		return nil
	case errors.As(err, &doubt): // first, since it can wrap the others
		o.log.Warn("create in doubt", "job", id.String(), "error", err)
		slot.End(throttle.Unanswered(took))
		return o.doubt(ctx, lease)
	case errors.As(err, &limited):
		pause := slot.End(throttle.Limited(limited.Delay))
		if !pause.Until.IsZero() {
			o.troubles.limited(o.clock.Now(), pause.Until)
		}
		if pause.Began {
			o.log.Warn("vendor rate limit reached: submission paused", "job", id.String(), "until", pause.Until)
		}
		return o.handBack(ctx, []jobs.Lease{lease})
	case errors.As(err, &unsent):
		lease.Sent = false
		pause := slot.End(throttle.Unreached)
		o.troubles.unreached(o.clock.Now(), pause.Until, err)
		if pause.Began {
			o.log.Warn("vendor not reachable: submission paused", "job", id.String(), "until", pause.Until, "error", err)
		}
		return o.handBack(ctx, []jobs.Lease{lease})
	case concernsAll(err):
		first := s.halted.CompareAndSwap(false, true) // before another create gets the slot
		slot.End(throttle.Unused)
		return o.pauseByError(ctx, b.ID, lease, err, first)
	case errors.As(err, &refused):
		slot.End(throttle.Answered(took))
		o.troubles.answered()
		if lease.Sends > 1 && lease.Sends < sendsToRefuse {
			// An earlier create of this submission might have taken effect. It is
			// looked up once more before the job fails.
			o.log.Warn("create refused after an earlier one was in doubt", "job", id.String(), "error", err)
			return o.doubt(ctx, lease)
		}
		level := slog.LevelWarn
		if s.refused.Add(1) > refusalsLogged {
			level = slog.LevelDebug
		}
		o.log.Log(ctx, level, "create refused", "job", id.String(), "error", err)
		return o.closeRefused(ctx, lease, refused.Reason())
	default:
		// The request could not be built, because of a forbidden parameter, say.
		slot.End(throttle.Unused)
		return o.closeRefused(ctx, lease, err.Error())
	}
}

// doubt puts the submission in doubt: later look-ups find out whether the create
// took effect.
func (o *Orchestrator) doubt(ctx context.Context, lease jobs.Lease) error {
	err := o.store.Doubt(ctx, []jobs.Lease{lease}, o.clock.Now())
	if err == nil {
		o.observer.Doubts(1, 0, 0)
	}
	return err
}

// concernsAll reports whether all other jobs would be refused as well: the key is
// wrong, credits have run out, or there is no such API behind the base URL.
func concernsAll(err error) bool {
	var refused *client.APIError
	return errors.Is(err, client.ErrUnauthorized) || errors.Is(err, client.ErrNoCredits) ||
		errors.As(err, &refused) && slices.Contains(statusOfAll, refused.Status)
}

var statusOfAll = []int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone}

// pauseByError stops the batch for a reason that concerns all its jobs, such as a
// refused key, and queues the job again. If several creates are refused at the
// same time, the first one pauses the batch.
func (o *Orchestrator) pauseByError(ctx context.Context, batch string, lease jobs.Lease, reason error, first bool) error {
	if err := o.handBack(ctx, []jobs.Lease{lease}); err != nil || !first {
		return err
	}
	err := o.store.Pause(ctx, batch, reason.Error(), o.clock.Now())
	if errors.Is(err, jobs.ErrState) {
		return nil
	}
	if err == nil {
		o.log.Error("batch paused", "batch", batch, "job", lease.Job.ID.String(), "reason", reason)
	}
	return err
}

// closeRefused ends a job whose create the vendor refused.
func (o *Orchestrator) closeRefused(ctx context.Context, lease jobs.Lease, reason string) error {
	effects, err := o.store.CloseJobs(ctx, []jobs.Closing{{
		Job: lease.Job.ID, Attempt: lease.Attempt, From: []jobs.State{jobs.Submitting},
		To: jobs.Failed, By: jobs.BySubmit, Error: reason,
	}}, o.clock.Now())
	o.report(effects)
	return err
}

// handBack queues the jobs of leases again whose creates certainly took no
// effect.
func (o *Orchestrator) handBack(ctx context.Context, leases []jobs.Lease) error {
	effects, err := o.store.Requeue(context.WithoutCancel(ctx), leases, o.clock.Now())
	o.report(effects)
	return err
}

// enqueueRest has the queue continue a batch that still has queued jobs, at once
// or after the vendor's pause or the given time.
func (o *Orchestrator) enqueueRest(ctx context.Context, batch string, wait time.Duration) error {
	if o.stopping.Err() != nil {
		// Another worker, or the next start, finds the batch by its wake time.
		_, err := o.store.WakeBatch(context.WithoutCancel(ctx), batch, o.clock.Now())
		return err
	}
	b, err := o.store.Batch(ctx, batch)
	if err != nil || b.State != jobs.BatchOpen || b.Counts.Of(jobs.Queued) == 0 {
		return err
	}
	now := o.clock.Now()
	wake, at := now, time.Time{} // a given time costs asynq up to two seconds
	if wait > 0 {
		wake, at = now.Add(wait), now.Add(wait)
	}
	if until, paused := o.throttle.Paused(); paused {
		// Other workers, and this process after a restart, may submit earlier.
		wake, at = now.Add(min(until.Sub(now), time.Minute)), until
	}
	generation, err := o.store.WakeBatch(ctx, batch, wake.Add(claimAgain))
	if err != nil {
		return err
	}
	err = o.queue.EnqueueSubmit(ctx, batch, generation, at)
	o.unqueued.Store(err != nil)
	if err == nil {
		return nil
	}
	o.log.Warn("enqueue submission, the sweeper will try again", "batch", batch, "error", err)
	_, err = o.store.WakeBatch(ctx, batch, wake.Add(o.claimTime()))
	return err
}

// createRequest joins the options of batch and row. The user's tags come first,
// since the vendor's path templates use the first one.
func (o *Orchestrator) createRequest(b jobs.Batch, lease jobs.Lease) client.CreateRequest {
	tags := make([]string, 0, len(b.Tags)+len(lease.Job.Tags)+2)
	tags = append(tags, b.Tags...)
	tags = append(tags, lease.Job.Tags...)
	tags = append(tags, jobs.SubmissionTag(lease.Job.ID, lease.Attempt), jobs.BatchTag(b.ID))

	from := b.Apps
	if len(from) == 0 {
		from = o.cfg.Apps
	}
	apps := make([]client.App, len(from))
	for i, app := range from {
		apps[i] = client.App{ID: app.ID, PathTemplate: app.PathTemplate}
	}
	return client.CreateRequest{URL: lease.Job.URL, Params: params(b, lease.Job), Tags: tags, Apps: apps}
}

// jobTimeout returns how long the job may take. Its own timeout wins over that of
// its batch.
func (o *Orchestrator) jobTimeout(b jobs.Batch, j jobs.Job) time.Duration {
	return cmp.Or(j.Timeout, b.JobTimeout, o.cfg.JobTimeout)
}

// priority returns the priority of the job. Its own wins over that of its batch.
func priority(b jobs.Batch, j jobs.Job) int {
	if j.Priority != nil {
		return *j.Priority
	}
	return b.Priority
}
