package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hibiken/asynq"
)

// CallbackSlots is how many callbacks are delivered at the same time by default,
// and at most. They have
// a queue and a server of their own: however slow their targets are, other
// tasks do not wait for them.
const CallbackSlots = 32

const (
	callbackTimeout = time.Minute
	// A callback is tried again by its task for minutes at most, so that this is
	// never reached.
	maxCallbackRetry = 50
	// callbackCheckEvery is short, because a target gets a few callbacks at a time
	// and the next ones when these are delivered. It costs a hundredth of a core.
	callbackCheckEvery = 50 * time.Millisecond
)

// Deliverer makes one attempt at a callback, as a [Handler] does its work. An
// error with a method RetryIn() time.Duration has the task run again after that
// time; it is no failure.
type Deliverer interface {
	Deliver(ctx context.Context, seq, generation int64, lane string) error
}

// HandleCallbacks says who delivers callbacks. Call it before Start; without it
// no callback is taken from the queue.
func (q *Queue) HandleCallbacks(d Deliverer) { q.callbacks = d }

// EnqueueCallback asks for Deliver now. A generation of the callback that is
// queued already is left as it is.
func (q *Queue) EnqueueCallback(ctx context.Context, seq, generation int64, lane string) error {
	id := fmt.Sprintf("callback:%d:%d", seq, generation)
	return q.enqueue(ctx, TypeCallback, about{Callback: seq, Generation: generation, Lane: lane}, id, time.Time{}, callbackTimeout)
}

func (q *Queue) callbackQueue() string { return q.name + "-callbacks" }

// queueOf is the asynq queue of a kind of tasks.
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

// retryAsked is after what time a handler wants its task to run again.
func retryAsked(err error) (time.Duration, bool) {
	var later interface{ RetryIn() time.Duration }
	if errors.As(err, &later) {
		return later.RetryIn(), true
	}
	return 0, false
}
