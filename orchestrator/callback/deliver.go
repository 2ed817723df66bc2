package callback

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"shotline/client/outward"
	"shotline/jobs"
)

const (
	// attemptTime bounds one attempt, including the response.
	attemptTime = 15 * time.Second
	// beginTime is how long an attempt has the callback to itself. If the process
	// dies, the callback is attempted again after that.
	beginTime = attemptTime + 10*time.Second
	// drainTime and maxBody bound how long and how much of a response's body is
	// read. It is read so that the connection can be used again.
	drainTime = time.Second
	maxBody   = 64 << 10

	// claimTime is how long a claimed callback may wait for its task before it is
	// claimed again. If the last task could not be enqueued, it is queueDownTime.
	claimTime     = 10 * time.Second
	queueDownTime = 2 * time.Second
	claimLimit    = 500

	// taskRetry is the longest interval for which the task itself waits for the
	// next attempt. If the interval is longer, the store claims the callback again.
	taskRetry = 10 * time.Minute
	// wakeGrace is how much later than the task the store claims a callback, since
	// the task might be lost.
	wakeGrace = 30 * time.Second
	// moreTime is how long a task begins attempts of further callbacks. The queue
	// gives a task one minute.
	moreTime = 30 * time.Second
	// busyTime is when a task whose lane is busy runs again.
	busyTime = 2 * time.Second
)

// retryError makes the queue run a task again. asynq cuts times to the second,
// and an attempt before its time does nothing, so RetryIn adds a second.
type retryError time.Duration

func (retryError) Error() string { return "callback will be retried" }

// RetryIn returns when the task runs again. Package tasks calls it.
func (e retryError) RetryIn() time.Duration { return time.Duration(e) + time.Second }

// claimOnce enqueues the callbacks that are due. If a task cannot be enqueued, or
// is lost, its callback is claimed again after the claim's time.
func (d *Deliverer) claimOnce(ctx context.Context) error {
	now, again := d.now(), d.claimFor
	if d.queueFailed.Load() {
		again = queueDownTime
	}
	due, err := d.store.ClaimCallbacks(ctx, now, now.Add(again), d.cfg.Concurrency, claimLimit)
	if err != nil {
		return err
	}
	for _, cb := range due {
		err := d.queue.EnqueueCallback(ctx, cb.Seq, cb.Generation, cb.Lane)
		d.queueFailed.Store(err != nil)
		if err != nil {
			return fmt.Errorf("enqueue callback %d: %w", cb.Seq, err)
		}
	}
	return nil
}

// Deliver makes one attempt at a callback, if this generation of it is still
// undelivered. If ctx ends the attempt, the callback is due again at once. If
// callbacks wait in the queue of the lanes, Deliver then makes their attempts,
// too.
func (d *Deliverer) Deliver(ctx context.Context, seq, generation int64, lane string) error {
	own := task{seq, generation, lane}
	s, result := d.lanes.acquire(own)
	if result == busy {
		return retryError(busyTime)
	}
	stopAt := d.now().Add(moreTime)
	var err error
	for s != nil && err == nil {
		s, err = d.run(ctx, s, own, stopAt)
	}
	return err // if the callback waits, the store claims it again
}

// run makes the attempt of a slot. It returns the slot of the next waiting
// callback, if there is time for it.
func (d *Deliverer) run(ctx context.Context, s *slot, own task, stopAt time.Time) (next *slot, err error) {
	defer s.release()
	began := d.now()
	cb, err := d.store.BeginCallback(ctx, s.task.seq, s.task.generation, began, began.Add(beginTime))
	if errors.Is(err, jobs.ErrLeaseLost) {
		s.release()
		return d.nextSlot(ctx, stopAt), nil
	}
	if err != nil {
		return nil, err
	}
	end, outcome := d.attempt(ctx, cb)
	now := d.now()
	if outcome == "" {
		end = jobs.CallbackEnd{State: jobs.CallbackOwed, DueAt: now}
		return nil, errors.Join(context.Cause(ctx), d.store.SettleCallback(context.WithoutCancel(ctx), cb, end, now, now))
	}
	took := now.Sub(began)
	isLongFailing, ready := s.record(end.State != jobs.CallbackDelivered, took)
	s.release()
	next = d.nextSlot(ctx, stopAt)
	// The task itself makes the next attempt. The store does so instead if the
	// attempt is far off, if the lane has been failing for long, or if the task
	// attempts another callback next.
	byTask := s.task == own && next == nil && end.State == jobs.CallbackOwed && end.DueAt.Sub(now) <= taskRetry && !isLongFailing
	wakeAt := end.DueAt
	if byTask {
		wakeAt = wakeAt.Add(wakeGrace)
	}
	// Record the result even if the process stops: the target has the callback.
	err = d.store.SettleCallback(context.WithoutCancel(ctx), cb, end, now, wakeAt)
	if errors.Is(err, jobs.ErrLeaseLost) {
		return next, nil
	}
	if err != nil {
		if next != nil {
			next.release()
		}
		return nil, err
	}
	d.report(cb, end, outcome, took)
	d.enqueueReady(ctx, ready)
	d.wake()
	if byTask {
		return nil, retryError(end.DueAt.Sub(now))
	}
	return next, nil
}

// nextSlot returns the slot of the next waiting callback. It returns nil if there
// is none, or no time for its attempt.
func (d *Deliverer) nextSlot(ctx context.Context, stopAt time.Time) *slot {
	if ctx.Err() != nil || !d.now().Before(stopAt) {
		return nil
	}
	return d.lanes.next()
}

// enqueueReady enqueues callbacks that no longer need a shared slot. If one
// cannot be enqueued, the store claims it again.
func (d *Deliverer) enqueueReady(ctx context.Context, ready []task) {
	for _, t := range ready {
		if d.queue.EnqueueCallback(ctx, t.seq, t.generation, t.lane) != nil {
			return
		}
	}
}

// report logs and counts the result of an attempt.
func (d *Deliverer) report(cb jobs.Callback, end jobs.CallbackEnd, outcome Outcome, took time.Duration) {
	kind := kindURL
	if cb.Target.Sink != "" {
		kind = cb.Target.Sink
	}
	d.observer.Attempted(kind, outcome, took)
	log, text := d.log.Debug, "callback attempted"
	if end.State == jobs.CallbackDead {
		log, text = d.log.Warn, "callback given up"
	}
	attrs := []any{"callback", cb.Seq, "event", cb.EventID, "type", cb.Type, "to", kind, "outcome", outcome, "attempt", cb.Attempts}
	attrs = append(attrs, logIDs(cb.Job, cb.Batch)...)
	if end.Error != "" {
		attrs = append(attrs, "error", end.Error)
	}
	log(text, attrs...)
}

// logIDs returns the log attributes for the job and the batch, if there are any.
func logIDs(job jobs.ID, batch string) (attrs []any) {
	if !job.IsZero() {
		attrs = append(attrs, "job", job.String())
	}
	if batch != "" {
		attrs = append(attrs, "batch", batch)
	}
	return attrs
}

// attempt sends the callback and decides its next state. It returns an empty
// outcome if ctx ended before a response arrived.
func (d *Deliverer) attempt(ctx context.Context, cb jobs.Callback) (jobs.CallbackEnd, Outcome) {
	status, wait, err := d.post(ctx, cb)
	switch {
	case err == nil:
		return jobs.CallbackEnd{State: jobs.CallbackDelivered, Status: status}, Delivered
	case status == 0 && ctx.Err() != nil:
		return jobs.CallbackEnd{}, ""
	case status == http.StatusGone:
		return jobs.CallbackEnd{State: jobs.CallbackDead, Status: status, Error: err.Error()}, Gone
	}
	now := d.now()
	due := now.Add(max(interval(cb.Attempts, d.random()), wait))
	if due.After(cb.FirstAt.Add(d.cfg.Retry)) {
		return jobs.CallbackEnd{State: jobs.CallbackDead, Status: status, Error: err.Error()}, Dead
	}
	return jobs.CallbackEnd{State: jobs.CallbackOwed, DueAt: due, Status: status, Error: err.Error()}, Retried
}

// post sends the callback. The error is nil if the target accepted it. It
// contains neither the target's address nor its response. The result wait is the
// target's Retry-After, and status is 0 if no response arrived.
func (d *Deliverer) post(ctx context.Context, cb jobs.Callback) (status int, wait time.Duration, err error) {
	url, err := d.targetURL(cb.Target)
	if err != nil {
		return 0, 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(cb.Body))
	if err != nil {
		return 0, 0, errors.New("not a URL")
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", d.cfg.UserAgent)
	now := d.now()
	if err := d.signer.sign(request.Header, cb.EventID, now, cb.Body); err != nil {
		return 0, 0, errors.New("cannot be signed")
	}
	response, err := d.client.Do(request)
	if err != nil {
		return 0, 0, errors.New(outward.Reason(err))
	}
	defer response.Body.Close()
	drained := time.AfterFunc(drainTime, cancel)
	defer drained.Stop()
	_, _ = io.Copy(io.Discard, response.Body)
	status = response.StatusCode
	switch {
	case status >= 200 && status <= 299:
		return status, 0, nil
	case status >= 300 && status <= 399:
		return status, 0, fmt.Errorf("answered %d: redirects are not followed", status)
	default:
		return status, retryAfter(response, now), fmt.Errorf("answered %d", status)
	}
}

// targetURL returns the URL to send a callback to.
func (d *Deliverer) targetURL(to jobs.Target) (string, error) {
	if to.Sink != "" {
		sink, known := d.sinks[to.Sink]
		if !known {
			return "", fmt.Errorf("sink %s is not configured", to.Sink)
		}
		return sink.url, nil
	}
	if len(d.signer) == 0 {
		return "", errors.New("no secret to sign it with")
	}
	return to.URL, nil
}
