package tasks

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/hibiken/asynq"
)

// ErrUnavailable means that the queue server cannot be reached now. The task was
// not enqueued and will be derived again from the store.
var ErrUnavailable = errors.New("queue unavailable")

// Options select the queue server and its settings.
type Options struct {
	RedisURL    string       // as for asynq.ParseRedisURI; empty means embedded
	Name        string       // name of the queue; empty means "shotline". Databases that share one Redis must use different names
	Exclusive   bool         // no other process uses a queue of this name, so Stop removes it
	Concurrency int          // number of handlers that run at the same time; 0 means 8
	Callbacks   int          // number of callbacks delivered at the same time; 0 means CallbackSlots
	Logger      *slog.Logger // nil means slog.Default
}

// Queue enqueues tasks and, after Start, runs them. All methods are safe for
// concurrent use.
type Queue struct {
	connection  connection
	embedded    *embedded // nil if Redis is used
	name        string
	own         bool
	concurrency int
	slots       int // number of callbacks at the same time
	log         *slog.Logger
	callbacks   Deliverer   // nil if callbacks are not handled
	files       FileFetcher // nil if files are not fetched

	handling       context.Context // context of all handlers
	cancelHandlers context.CancelFunc
	running        sync.WaitGroup // running handlers
	abandoned      sync.WaitGroup // abandoned sessions that have not ended
	supervised     chan struct{}  // closed when the supervisor has ended; nil before Start
	stopSupervisor context.CancelFunc
	stopOnce       sync.Once
	stopErr        error

	mu      sync.Mutex
	session *session // nil during an outage and after Stop
	outage  error    // reason of the current outage; nil if there is none
	closed  bool     // no further handler can begin
	stopped bool
}

// Open prepares a queue. It fails only if the URL is malformed. If Redis is not
// available, Open logs this, and the queue uses Redis when it becomes available.
// Stop must be called even if Start was not.
func Open(ctx context.Context, o Options) (*Queue, error) {
	silenceRedis()
	q := &Queue{name: o.Name, own: o.Exclusive, concurrency: o.Concurrency, slots: o.Callbacks, log: o.Logger}
	if q.name == "" {
		q.name = "shotline"
	}
	if q.concurrency <= 0 {
		q.concurrency = 8
	}
	if q.slots <= 0 {
		q.slots = CallbackSlots
	}
	if q.log == nil {
		q.log = slog.Default()
	}
	if o.RedisURL == "" {
		q.embedded = startEmbedded()
		q.connection = q.embedded.connection()
	} else {
		c, err := parseURL(o.RedisURL)
		if err != nil {
			return nil, err
		}
		q.connection = c
	}
	q.handling, q.cancelHandlers = context.WithCancel(context.Background())
	q.session = newSession(q.connection)
	if _, err := q.session.probe(ctx, q.queues()...); err != nil {
		q.outage = err
		q.log.Warn("queue server is not available yet: webhooks are stored, and tasks start when it is", "queue", q.Describe(), "error", err)
	}
	return q, nil
}

// Describe returns a description of the queue server for users: "embedded queue"
// or "redis at 127.0.0.1:6379 db 0". It never contains a password.
func (q *Queue) Describe() string { return q.connection.description }

// Ping checks, within a second, whether the queue server accepts tasks and the
// tasks are run. A server does not accept tasks if it is full, read-only or still
// loading, or if it responds too slowly. Tasks are not run if the queue is
// paused, if something else has written to its keys, or if they are archived. The
// error contains the reason and the remedy, and wraps [ErrUnavailable].
func (q *Queue) Ping(ctx context.Context) error {
	s := q.current()
	if s == nil {
		return fmt.Errorf("ping %s: %w", q.Describe(), q.unavailable())
	}
	stuck, err := s.probe(ctx, q.queues()...)
	switch {
	case err != nil:
		return fmt.Errorf("ping %s: %w: %w", q.Describe(), ErrUnavailable, err)
	case stuck != nil:
		return fmt.Errorf("%s: %w: %s", q.Describe(), ErrUnavailable, oneLine(stuck))
	}
	return nil
}

// enqueue enqueues one task within a second, or fails.
func (q *Queue) enqueue(ctx context.Context, kind string, p payload, id string, at time.Time, timeout time.Duration) error {
	task, err := newTask(kind, p, id, at, timeout, q.queueOf(kind))
	if err != nil {
		return fmt.Errorf("enqueue %s: %w", id, err)
	}
	s := q.current()
	if s == nil {
		return fmt.Errorf("enqueue %s: %w", id, q.unavailable())
	}
	limited, cancel := context.WithTimeout(ctx, responseTimeout)
	defer cancel()
	_, err = s.client.EnqueueContext(limited, task)
	if q.embedded != nil {
		q.embedded.count()
	}
	switch {
	case err == nil, errors.Is(err, asynq.ErrTaskIDConflict):
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("enqueue %s: %w", id, ctx.Err())
	default:
		return fmt.Errorf("enqueue %s: %w: %w", id, ErrUnavailable, err)
	}
}

func (q *Queue) current() *session {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.session
}

// setSession sets the current session. It is nil after the last one.
func (q *Queue) setSession(s *session) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.session, q.outage = s, nil
}

// loseSession removes the current session. It reports whether this is the
// beginning of an outage.
func (q *Queue) loseSession(reason error) (first bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	first = q.outage == nil
	q.session, q.outage = nil, reason
	return first
}

// unavailable returns ErrUnavailable, with the reason if it is known.
func (q *Queue) unavailable() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.outage == nil {
		return ErrUnavailable
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, q.outage)
}
