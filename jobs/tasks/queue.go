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

// ErrUnavailable says that the queue server cannot be reached now. What was to
// be enqueued is lost and will be derived anew from the store.
var ErrUnavailable = errors.New("queue unavailable")

// Options say which queue server to use and how.
type Options struct {
	RedisURL    string       // as asynq.ParseRedisURI reads it; empty: embedded
	Name        string       // of the queue; empty: "shotline". Databases that share one Redis need names of their own
	Own         bool         // nobody else uses a queue of this name: Stop removes it
	Concurrency int          // handlers running at the same time; 0: 8
	Callbacks   int          // callbacks delivered at the same time; 0: CallbackSlots
	Logger      *slog.Logger // nil: slog.Default
}

// Queue enqueues tasks and, once started, runs them. All methods are safe for
// concurrent use.
type Queue struct {
	connection  connection
	embedded    *embedded // nil with a Redis
	name        string
	own         bool
	concurrency int
	slots       int // of callbacks
	log         *slog.Logger
	callbacks   Deliverer // nil without one

	handling       context.Context // of all handlers
	cancelHandlers context.CancelFunc
	running        sync.WaitGroup // handlers
	abandoned      sync.WaitGroup // sessions that are ending
	supervised     chan struct{}  // closed when the supervisor has ended; nil before Start
	stopSupervisor context.CancelFunc
	stopOnce       sync.Once
	stopErr        error

	mu      sync.Mutex
	session *session // nil while the server is away, and after Stop
	lost    error    // why the server counts as away; nil while it does not
	closed  bool     // no handler may begin any more
	stopped bool
}

// Open prepares a queue. It fails for a malformed URL only: a Redis that is
// not there is logged, and used when it appears. Stop must be called even
// without Start.
func Open(ctx context.Context, o Options) (*Queue, error) {
	silenceRedis()
	q := &Queue{name: o.Name, own: o.Own, concurrency: o.Concurrency, slots: o.Callbacks, log: o.Logger}
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
		q.lost = err
		q.log.Warn("queue server is not there yet: webhooks are kept, and work begins when it answers", "queue", q.Describe(), "error", err)
	}
	return q, nil
}

// Describe names the queue server for people: "embedded queue" or
// "redis at 127.0.0.1:6379 db 0". It never holds a password.
func (q *Queue) Describe() string { return q.connection.description }

// Ping tells whether the queue server takes tasks and they are run, within a second:
// one that answers but is full, read-only or still loading does not take them, nor
// does one that answers too slowly. They are not run while somebody has paused the
// queue, or something else has written to its keys; archived ones never are. The
// error says why, and how that is mended, and wraps [ErrUnavailable].
func (q *Queue) Ping(ctx context.Context) error {
	s := q.current()
	if s == nil {
		return fmt.Errorf("ping %s: %w", q.Describe(), q.away())
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

// enqueue hands one task over, within a second or not at all.
func (q *Queue) enqueue(ctx context.Context, kind string, what about, id string, at time.Time, timeout time.Duration) error {
	task, err := newTask(kind, what, id, at, timeout, q.queueOf(kind))
	if err != nil {
		return fmt.Errorf("enqueue %s: %w", id, err)
	}
	s := q.current()
	if s == nil {
		return fmt.Errorf("enqueue %s: %w", id, q.away())
	}
	limited, cancel := context.WithTimeout(ctx, answerWithin)
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

// use sets the session in use; nil after the last one.
func (q *Queue) use(s *session) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.session, q.lost = s, nil
}

// lose leaves the queue without a session, and reports whether that is news.
func (q *Queue) lose(reason error) (news bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	news = q.lost == nil
	q.session, q.lost = nil, reason
	return news
}

// away is ErrUnavailable, with the reason while there is one.
func (q *Queue) away() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.lost == nil {
		return ErrUnavailable
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, q.lost)
}
