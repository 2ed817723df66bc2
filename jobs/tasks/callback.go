package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
)

// CallbackSlots is the default, and the maximum, number of callbacks that are
// delivered at the same time. Callbacks have their own queue and server, so that
// slow targets do not delay other tasks.
const CallbackSlots = 32

const (
	callbackTimeout = time.Minute
	// A callback's task repeats it for a few minutes at most, so this limit is
	// never reached.
	maxCallbackRetry = 50
	// The interval is short, because a target gets a few callbacks at a time and
	// the next ones after these were delivered. Polling costs about 1 % of a core.
	callbackCheckEvery = 50 * time.Millisecond
)

// Deliverer makes one attempt to deliver a callback. The rules for a [Handler]
// apply. If the error has a method RetryIn() time.Duration, the task runs again
// after that time, and the attempt does not count as a failure.
type Deliverer interface {
	Deliver(ctx context.Context, seq, generation int64, lane string) error
}

// HandleCallbacks sets the Deliverer. Call it before Start. If it is not called,
// no callbacks are taken from the queue.
func (q *Queue) HandleCallbacks(d Deliverer) { q.callbacks = d }

// EnqueueCallback enqueues a call of Deliver for now. It does nothing if this
// generation of the callback is already queued.
func (q *Queue) EnqueueCallback(ctx context.Context, seq, generation int64, lane string) error {
	id := fmt.Sprintf("callback:%d:%d", seq, generation)
	return q.enqueue(ctx, TypeCallback, payload{Callback: seq, Generation: generation, Lane: lane}, id, time.Time{}, callbackTimeout)
}

func (q *Queue) callbackQueue() string { return q.name + "-callbacks" }

// queueOf returns the asynq queue for a type of task.
func (q *Queue) queueOf(kind string) string {
	if kind == TypeCallback {
		return q.callbackQueue()
	}
	return q.name
}

func (q *Queue) callbackConfig() asynq.Config {
	config := q.config()
	config.Concurrency = q.slots
	config.Queues = map[string]int{q.callbackQueue(): 1}
	config.TaskCheckInterval = callbackCheckEvery
	return config
}

// requestedRetry returns the time after which a handler requests another run of
// its task, and false if it does not.
func requestedRetry(err error) (time.Duration, bool) {
	var later interface{ RetryIn() time.Duration }
	if errors.As(err, &later) {
		return later.RetryIn(), true
	}
	return 0, false
}
