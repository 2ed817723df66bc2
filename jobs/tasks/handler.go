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

// Handler does what tasks ask for. Every method may be called twice, late, at
// the same time in several processes, or never; it reads the store again and
// decides there. The context ends when the task's time is up, when another
// process may have taken the task over, and when Stop has waited long enough.
type Handler interface {
	// SubmitBatch sends queued jobs of a batch.
	SubmitBatch(ctx context.Context, batch string) error
	// CheckDeadlines looks after jobs whose deadline has passed.
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

// newDispatcher tells of the first tasks that fail, and then of one in a while:
// when the store is in trouble all of them do.
func newDispatcher(q *Queue, h Handler) *dispatcher {
	return &dispatcher{Queue: q, handler: h, failing: rate.Sometimes{First: 10, Interval: 10 * time.Second}}
}

// ProcessTask runs one task; it is the handler that asynq sees.
func (d *dispatcher) ProcessTask(ctx context.Context, task *asynq.Task) error {
	if !d.enter() {
		return context.Canceled
	}
	defer d.running.Done()

	err := d.dispatch(ctx, task)
	if err == nil {
		return nil
	}
	if d.handling.Err() != nil {
		return err // stopping: back to the queue
	}
	id, _ := asynq.GetTaskID(ctx)
	retried, _ := asynq.GetRetryCount(ctx)
	if _, asked := retryAsked(err); asked && retried < maxCallbackRetry {
		return err
	}
	d.failing.Do(func() {
		log := d.log
		if what, err := parseTask(task.Payload()); err == nil && what.Batch != "" {
			log = log.With("batch", what.Batch)
		}
		log.Warn("task failed", "task", id, "try", retried+1, "error", err)
	})
	if retried >= maxRetry {
		// asynq would archive it, and the archive keeps its id taken for months.
		return errors.Join(asynq.RevokeTask, err)
	}
	return err
}

func (d *dispatcher) dispatch(ctx context.Context, task *asynq.Task) error {
	what, err := parseTask(task.Payload())
	if err != nil {
		return errors.Join(asynq.RevokeTask, err)
	}
	switch task.Type() {
	case TypeSubmit:
		return d.submit(ctx, what)
	case TypeDeadlines:
		return d.handler.CheckDeadlines(ctx)
	case TypeSummary:
		return d.summarize(ctx, what)
	case TypeCallback:
		if d.callbacks != nil {
			return d.callbacks.Deliver(ctx, what.Callback, what.Generation, what.Lane)
		}
	}
	// From another version; its sweeper will ask again.
	return errors.Join(asynq.RevokeTask, fmt.Errorf("unknown task %q", task.Type()))
}

// submit has all batches of a task submitted at the same time.
func (d *dispatcher) submit(ctx context.Context, what about) error {
	errs := make([]error, len(what.More))
	var others sync.WaitGroup
	for i, batch := range what.More {
		others.Go(func() {
			defer func() {
				if reason := recover(); reason != nil { // asynq recovers in the task's own goroutine alone
					errs[i] = fmt.Errorf("submit batch %s: panic: %v\n%s", batch, reason, debug.Stack())
				}
			}()
			errs[i] = d.handler.SubmitBatch(ctx, batch)
		})
	}
	err := d.handler.SubmitBatch(ctx, what.Batch)
	others.Wait()
	return errors.Join(append(errs, err)...)
}

// summarize has all batches of a task summarized, one after the other: the vendor
// may be asked about each.
func (d *dispatcher) summarize(ctx context.Context, what about) error {
	err := d.handler.SummarizeBatch(ctx, what.Batch)
	for _, batch := range what.More {
		err = errors.Join(err, d.handler.SummarizeBatch(ctx, batch))
	}
	return err
}

// enter counts a running handler, unless everything has been counted already.
func (q *Queue) enter() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.running.Add(1)
	return true
}

// isFailure tells asynq which errors use up a retry: not those of a stop.
func (q *Queue) isFailure(error) bool { return q.handling.Err() == nil }

// retryDelay is what the handler asked for, or doubles from one second. A task
// that a stop interrupted is ready for the next process at once.
func (q *Queue) retryDelay(retried int, err error, _ *asynq.Task) time.Duration {
	if !q.isFailure(err) {
		return 0
	}
	if delay, asked := retryAsked(err); asked {
		return delay
	}
	return time.Second << min(retried, 5)
}
