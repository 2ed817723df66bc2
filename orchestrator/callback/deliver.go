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
	// attemptTime bounds one attempt, answer included.
	attemptTime = 15 * time.Second
	// beginTime is for how long an attempt keeps others off.
	beginTime = attemptTime + 10*time.Second
	// drainTime is how long an answer's body is read, which lets the connection be
	// used again, and maxAnswer how much of it.
	drainTime = time.Second
	maxAnswer = 64 << 10

	// claimTime is how long a claimed callback may wait for its task; while the
	// queue is away, unqueuedTime.
	claimTime    = 10 * time.Second
	unqueuedTime = 2 * time.Second
	claimLimit   = 500

	// taskRetry is up to what interval a task stays for the next attempt. Those
	// further off are left to the store.
	taskRetry = 10 * time.Minute
	// wakeGrace is how much later the store looks after what a task should do.
	wakeGrace = 30 * time.Second
	// turnsTime is for how long a task begins further attempts, within the minute
	// that the queue gives it.
	turnsTime = 30 * time.Second
	// busyTime is after what a task looks again for a place in its lane.
	busyTime = 2 * time.Second
)

// later has a task run again. asynq cuts its times to the second, and an attempt
// that comes before its time is none.
type later time.Duration

func (later) Error() string { return "to be tried again" }

// RetryIn is what package tasks asks for.
func (l later) RetryIn() time.Duration { return time.Duration(l) + time.Second }

// claimOnce enqueues callbacks that are due. A task that cannot be enqueued, or
// is lost, is claimed again after the claim's time.
func (c *Deliverer) claimOnce(ctx context.Context) error {
	now, again := c.now(), c.claimFor
	if c.unqueued.Load() {
		again = unqueuedTime
	}
	due, err := c.store.ClaimCallbacks(ctx, now, now.Add(again), c.cfg.Concurrency, claimLimit)
	if err != nil {
		return err
	}
	for _, owed := range due {
		err := c.queue.EnqueueCallback(ctx, owed.Seq, owed.Generation, owed.Lane)
		c.unqueued.Store(err != nil)
		if err != nil {
			return fmt.Errorf("enqueue callback %d: %w", owed.Seq, err)
		}
	}
	return nil
}

// Deliver makes one attempt at a callback, if this generation of it is still
// owed. One that ctx cuts short is put back, to be delivered again at once. While
// callbacks wait in line, it makes the attempts of those whose turn it is.
func (c *Deliverer) Deliver(ctx context.Context, seq, generation int64, lane string) error {
	own := turn{seq, generation, lane}
	place, entry := c.lanes.enter(own)
	if entry == busy {
		return later(busyTime)
	}
	until := c.now().Add(turnsTime)
	var err error
	for place != nil && err == nil {
		place, err = c.take(ctx, place, own, until)
	}
	return err // one that waits is claimed again by the store
}

// take makes the attempt of a place, and returns that of the next callback in
// line, if there is time for it.
func (c *Deliverer) take(ctx context.Context, at *place, own turn, until time.Time) (next *place, err error) {
	defer at.leave()
	began := c.now()
	owed, err := c.store.BeginCallback(ctx, at.turn.seq, at.turn.generation, began, began.Add(beginTime))
	if errors.Is(err, jobs.ErrLeaseLost) {
		at.leave()
		return c.next(ctx, until), nil
	}
	if err != nil {
		return nil, err
	}
	end, outcome := c.attempt(ctx, owed)
	now := c.now()
	if outcome == "" {
		end = jobs.CallbackEnd{State: jobs.CallbackOwed, DueAt: now}
		return nil, errors.Join(context.Cause(ctx), c.store.SettleCallback(context.WithoutCancel(ctx), owed, end, now, now))
	}
	took := now.Sub(began)
	isCrowded, woken := at.ended(end.State != jobs.CallbackDelivered, took)
	at.leave()
	next = c.next(ctx, until)
	// The task itself comes back, unless that is far off, many do, or it has to do
	// with another callback.
	byTask := at.turn == own && next == nil && end.State == jobs.CallbackOwed && end.DueAt.Sub(now) <= taskRetry && !isCrowded
	wake := end.DueAt
	if byTask {
		wake = wake.Add(wakeGrace)
	}
	// What the target has taken is recorded also when this process is to stop.
	err = c.store.SettleCallback(context.WithoutCancel(ctx), owed, end, now, wake)
	if errors.Is(err, jobs.ErrLeaseLost) {
		return next, nil
	}
	if err != nil {
		if next != nil {
			next.leave()
		}
		return nil, err
	}
	c.tell(owed, end, outcome, took)
	c.wake(ctx, woken)
	c.nudge()
	if byTask {
		return nil, later(end.DueAt.Sub(now))
	}
	return next, nil
}

// next is the place of the next callback in line, nil when there is none or no
// time for its attempt.
func (c *Deliverer) next(ctx context.Context, until time.Time) *place {
	if ctx.Err() != nil || !c.now().Before(until) {
		return nil
	}
	return c.lanes.next()
}

// wake enqueues callbacks that need not wait any more. One that cannot be enqueued
// is claimed again by the store.
func (c *Deliverer) wake(ctx context.Context, woken []turn) {
	for _, t := range woken {
		if c.queue.EnqueueCallback(ctx, t.seq, t.generation, t.lane) != nil {
			return
		}
	}
}

// tell logs and counts how an attempt ended.
func (c *Deliverer) tell(owed jobs.Callback, end jobs.CallbackEnd, outcome Outcome, took time.Duration) {
	kind := kindURL
	if owed.Target.Sink != "" {
		kind = owed.Target.Sink
	}
	c.observer.Attempted(kind, outcome, took)
	log, text := c.log.Debug, "callback attempted"
	if end.State == jobs.CallbackDead {
		log, text = c.log.Warn, "callback given up"
	}
	about := []any{"callback", owed.Seq, "event", owed.EventID, "type", owed.Type, "to", kind, "outcome", outcome, "attempt", owed.Attempts}
	about = append(about, of(owed.Job, owed.Batch)...)
	if end.Error != "" {
		about = append(about, "error", end.Error)
	}
	log(text, about...)
}

// of names the job and the batch in a log line, as far as there are any.
func of(job jobs.ID, batch string) (about []any) {
	if !job.IsZero() {
		about = append(about, "job", job.String())
	}
	if batch != "" {
		about = append(about, "batch", batch)
	}
	return about
}

// attempt sends the callback and decides what its end is; no outcome when ctx
// has ended.
func (c *Deliverer) attempt(ctx context.Context, owed jobs.Callback) (jobs.CallbackEnd, Outcome) {
	status, wait, err := c.post(ctx, owed)
	switch {
	case err == nil:
		return jobs.CallbackEnd{State: jobs.CallbackDelivered, Status: status}, Delivered
	case status == 0 && ctx.Err() != nil:
		return jobs.CallbackEnd{}, ""
	case status == http.StatusGone:
		return jobs.CallbackEnd{State: jobs.CallbackDead, Status: status, Error: err.Error()}, Gone
	}
	now := c.now()
	due := now.Add(max(interval(owed.Attempts, c.random()), wait))
	if due.After(owed.FirstAt.Add(c.cfg.Retry)) {
		return jobs.CallbackEnd{State: jobs.CallbackDead, Status: status, Error: err.Error()}, Dead
	}
	return jobs.CallbackEnd{State: jobs.CallbackOwed, DueAt: due, Status: status, Error: err.Error()}, Retried
}

// post sends the callback. The error is nil when it was taken, and has no word
// of the target's address or answer; wait is how long the target asks to be left
// alone; status is 0 without an answer.
func (c *Deliverer) post(ctx context.Context, owed jobs.Callback) (status int, wait time.Duration, err error) {
	url, err := c.address(owed.Target)
	if err != nil {
		return 0, 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(owed.Body))
	if err != nil {
		return 0, 0, errors.New("not a URL")
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("User-Agent", c.cfg.UserAgent)
	now := c.now()
	if err := c.signer.sign(request.Header, owed.EventID, now, owed.Body); err != nil {
		return 0, 0, errors.New("it cannot be signed")
	}
	answer, err := c.client.Do(request)
	if err != nil {
		return 0, 0, errors.New(outward.Reason(err))
	}
	defer answer.Body.Close()
	drained := time.AfterFunc(drainTime, cancel)
	defer drained.Stop()
	_, _ = io.Copy(io.Discard, answer.Body)
	status = answer.StatusCode
	switch {
	case status >= 200 && status <= 299:
		return status, 0, nil
	case status >= 300 && status <= 399:
		return status, 0, fmt.Errorf("answered %d: redirects are not followed", status)
	default:
		return status, retryAfter(answer, now), fmt.Errorf("answered %d", status)
	}
}

// address is where a callback goes.
func (c *Deliverer) address(to jobs.Target) (string, error) {
	if to.Sink != "" {
		sink, known := c.sinks[to.Sink]
		if !known {
			return "", fmt.Errorf("sink %s is not configured", to.Sink)
		}
		return sink.url, nil
	}
	if len(c.signer) == 0 {
		return "", errors.New("there is no secret to sign it with")
	}
	return to.URL, nil
}
