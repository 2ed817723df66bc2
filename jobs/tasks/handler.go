package tasks

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"golang.org/x/time/rate"
)

// Handler does the work of tasks. A method might be called twice, late, at the
// same time in several processes, or never. It reads the store again and decides
// from the store's state. The context ends after the task's timeout, if another
// process might have taken over the task, or if Stop has waited long enough.
type Handler interface {
	// SubmitBatch sends queued jobs of a batch.
	SubmitBatch(ctx context.Context, batch string) error
	// CheckDeadlines processes jobs whose deadline has passed.
	CheckDeadlines(ctx context.Context) error
	// SummarizeBatch computes and stores the summary of the newest revision.
	SummarizeBatch(ctx context.Context, batch string) error
}

// dispatcher calls the Handler for a Queue.
type dispatcher struct {
	*Queue
	handler Handler
	failing rate.Sometimes
}

// newDispatcher returns a dispatcher that logs the first failing tasks and then
// one every ten seconds, because all tasks fail if the store fails.
func newDispatcher(q *Queue, h Handler) *dispatcher {
	return &dispatcher{Queue: q, handler: h, failing: rate.Sometimes{First: 10, Interval: 10 * time.Second}}
}

// ProcessTask runs one task. It implements asynq.Handler.
func (d *dispatcher) ProcessTask(ctx context.Context, task *asynq.Task) error {
	if !d.beginHandler() {
		return context.Canceled
	}
	defer d.running.Done()

	err := d.dispatch(ctx, task)
	if err == nil {
		return nil
	}
	if d.handling.Err() != nil {
		return err // the queue is stopping; the task returns to the queue
	}
	id, _ := asynq.GetTaskID(ctx)
	retried, _ := asynq.GetRetryCount(ctx)
	if _, requested := requestedRetry(err); requested && retried < maxCallbackRetry {
		return err
	}
	d.failing.Do(func() {
		log := d.log
		if p, err := parseTask(task.Payload()); err == nil && p.Batch != "" {
			log = log.With("batch", p.Batch)
		}
		log.Warn("task failed", "task", id, "try", retried+1, "error", err)
	})
	if retried >= maxRetry {
		// asynq would archive the task, and an archived task keeps its id in use for
		// months.
		return errors.Join(asynq.RevokeTask, err)
	}
	return err
}

func (d *dispatcher) dispatch(ctx context.Context, task *asynq.Task) error {
	p, err := parseTask(task.Payload())
	if err != nil {
		return errors.Join(asynq.RevokeTask, err)
	}
	switch task.Type() {
	case TypeSubmit:
		return d.submit(ctx, p)
	case TypeDeadlines:
		return d.handler.CheckDeadlines(ctx)
	case TypeSummary:
		return d.summarize(ctx, p)
	case TypeCallback:
		if d.callbacks != nil {
			return d.callbacks.Deliver(ctx, p.Callback, p.Generation, p.Lane)
		}
	case TypeFiles:
		if d.files != nil {
			return d.files.FetchFiles(ctx)
		}
	}
	// The task is from another version, whose sweeper will enqueue it again.
	return errors.Join(asynq.RevokeTask, fmt.Errorf("unknown task %q", task.Type()))
}

// submit submits all batches of a task at the same time.
func (d *dispatcher) submit(ctx context.Context, p payload) error {
	errs := make([]error, len(p.More))
	var others sync.WaitGroup
	for i, batch := range p.More {
		others.Go(func() {
			defer func() {
				if reason := recover(); reason != nil { // asynq recovers only in the task's own goroutine
					errs[i] = fmt.Errorf("submit batch %s: panic: %v\n%s", batch, reason, debug.Stack())
				}
			}()
			errs[i] = d.handler.SubmitBatch(ctx, batch)
		})
	}
	err := d.handler.SubmitBatch(ctx, p.Batch)
	others.Wait()
	return errors.Join(append(errs, err)...)
}

// summarize summarizes all batches of a task one after the other, because each
// might need requests to the vendor.
func (d *dispatcher) summarize(ctx context.Context, p payload) error {
	err := d.handler.SummarizeBatch(ctx, p.Batch)
	for _, batch := range p.More {
		err = errors.Join(err, d.handler.SummarizeBatch(ctx, batch))
	}
	return err
}

// beginHandler counts a running handler. It returns false if the queue no longer
// accepts any.
func (q *Queue) beginHandler() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.running.Add(1)
	return true
}

// isFailure reports to asynq whether an error uses up a retry. Errors caused by
// Stop do not.
func (q *Queue) isFailure(error) bool { return q.handling.Err() == nil }

// retryDelay returns the delay that the handler requested, or one that doubles
// from one second. If Stop interrupted a task, the delay is zero, so that another
// process can run the task immediately.
func (q *Queue) retryDelay(retried int, err error, _ *asynq.Task) time.Duration {
	if !q.isFailure(err) {
		return 0
	}
	if delay, requested := requestedRetry(err); requested {
		return delay
	}
	return time.Second << min(retried, 5)
}
