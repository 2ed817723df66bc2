package simulation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	handoverTime = 30 * time.Second // delay after which the task of a dead process is run again
	taskRetries  = 2
)

var errQueue = errors.New("queue unavailable")

// queue simulates Redis with asynq. It wakes processes, and can lose or repeat
// tasks or be unavailable.
type queue struct {
	w *world

	mu    sync.Mutex
	away  bool
	tasks []*task
}

// task is a queued task. No other task can have its id while it exists.
type task struct {
	id     string
	kind   string
	batch  string
	more   []string // batches that share the task
	at     time.Time
	active bool
	stuck  bool // archived: it never runs, but its id stays in use
	failed int

	callback, generation int64
	lane                 string
}

// queuePort is one process's connection to the queue.
type queuePort struct{ w *world }

func (p queuePort) enqueue(ctx context.Context, t *task) error {
	p.w.stops.at(ctx, "enqueue %s", t.id)
	err := p.w.queue.add(t)
	p.w.stops.at(ctx, "enqueued %s", t.id)
	return err
}

// EnqueueSubmit implements orchestrator.Queue.
func (p queuePort) EnqueueSubmit(ctx context.Context, batch string, generation int64, at time.Time) error {
	return p.enqueue(ctx, &task{id: fmt.Sprintf("submit:%s:%d", batch, generation), kind: "submit", batch: batch, at: at})
}

// EnqueueSubmits implements orchestrator.Queue.
func (p queuePort) EnqueueSubmits(ctx context.Context, batches []string, generation int64) error {
	t := &task{id: fmt.Sprintf("submit:%s:%d", batches[0], generation), kind: "submit", batch: batches[0], more: batches[1:]}
	return p.enqueue(ctx, t)
}

// EnqueueSummaries implements orchestrator.Queue.
func (p queuePort) EnqueueSummaries(ctx context.Context, batches []string, generation int64) error {
	t := &task{id: fmt.Sprintf("summaries:%s:%d", batches[0], generation), kind: "summary", batch: batches[0], more: batches[1:]}
	return p.enqueue(ctx, t)
}

// EnqueueDeadlines implements orchestrator.Queue.
func (p queuePort) EnqueueDeadlines(ctx context.Context, bucket time.Time, generation int64) error {
	return p.enqueue(ctx, &task{id: fmt.Sprintf("deadlines:%d:%d", bucket.UnixMilli(), generation), kind: "deadlines", at: bucket})
}

// EnqueueSummary implements orchestrator.Queue.
func (p queuePort) EnqueueSummary(ctx context.Context, batch string, revision int, generation int64) error {
	return p.enqueue(ctx, &task{id: fmt.Sprintf("summary:%s:%d:%d", batch, revision, generation), kind: "summary", batch: batch})
}

// Lag implements orchestrator.Queue.
func (p queuePort) Lag(context.Context) (time.Duration, error) { return 0, nil }

// EnqueueCallback implements callback.Queue.
func (p queuePort) EnqueueCallback(ctx context.Context, seq, generation int64, lane string) error {
	t := &task{id: fmt.Sprintf("callback:%d:%d", seq, generation), kind: "callback", callback: seq, generation: generation, lane: lane}
	p.w.stops.at(ctx, "enqueue %s", t.id)
	return p.w.queue.add(t)
}

func (q *queue) add(t *task) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.away {
		return errQueue
	}
	if slices.ContainsFunc(q.tasks, func(other *task) bool { return other.id == t.id }) {
		return nil
	}
	// An archived task keeps its id, so later tasks with this id never run.
	t.stuck = !q.w.faultFree && q.w.random.chance(q.w.profile.stuckTasks)
	q.tasks = append(q.tasks, t)
	return nil
}

// ready returns the tasks that a worker would take now, in the order of their
// ids.
func (q *queue) ready() []*task {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.away {
		return nil
	}
	now := time.Now()
	var found []*task
	for _, t := range q.tasks {
		if !t.stuck && !t.active && !now.Before(t.at) {
			found = append(found, t)
		}
	}
	slices.SortFunc(found, func(a, b *task) int { return strings.Compare(a.id, b.id) })
	return found
}

// run lets a process run a task.
func (q *queue) run(t *task, by *process) {
	q.mu.Lock()
	t.active = true
	q.mu.Unlock()
	var again interface{ RetryIn() time.Duration } // a requested repeat, which is not a failure
	by.begin("task "+t.id, func(ctx context.Context) error {
		err := by.handle(ctx, t)
		if errors.As(err, &again) {
			return nil
		}
		return err
	}, func(finished bool, err error) {
		q.mu.Lock()
		defer q.mu.Unlock()
		t.active = false
		switch {
		case !finished: // the process died before it finished the task
			t.at = time.Now().Add(handoverTime)
		case again != nil:
			t.at = time.Now().Add(again.RetryIn())
		case err != nil && t.failed < taskRetries:
			t.failed++
			t.at = time.Now().Add(time.Second << t.failed)
		default:
			q.tasks = slices.DeleteFunc(q.tasks, func(other *task) bool { return other == t })
		}
	})
}

// flush removes all tasks. Handlers that are running continue.
func (q *queue) flush() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.tasks = nil
}

func (q *queue) setAway(away bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.away = away
}
