package callback

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"shotline/client/outward"
	"shotline/jobs"
)

// Store has the methods of a jobs.Store that a Courier uses.
type Store interface {
	OpenCursor(ctx context.Context, name string, at time.Time) (place int64, err error)
	CloseCursor(ctx context.Context, name string) error
	Cursors(ctx context.Context) ([]string, error)
	AddCallbacks(ctx context.Context, cursor string, from, to int64, callbacks []jobs.Callback, at time.Time) (moved bool, err error)
	CountOwed(ctx context.Context, lane string, most int) (int, error)
	ClaimCallbacks(ctx context.Context, at, again time.Time, perLane, limit int) ([]jobs.Callback, error)
	BeginCallback(ctx context.Context, seq, generation int64, at, expiry time.Time) (jobs.Callback, error)
	SettleCallback(ctx context.Context, c jobs.Callback, end jobs.CallbackEnd, at, wake time.Time) error
	jobs.MessageSource
	Events(ctx context.Context, f jobs.EventFilter) (page []jobs.Event, upTo int64, err error)
	Workers(ctx context.Context, since time.Time) ([]jobs.Worker, error)
	News(ctx context.Context, after jobs.Version, delay time.Duration) (jobs.Version, error)
}

// Queue wakes Deliver. Enqueueing what is enqueued already is no error; an error
// means that the callback is claimed again.
type Queue interface {
	EnqueueCallback(ctx context.Context, seq, generation int64, lane string) error
}

// Outcome is how an attempt ended.
type Outcome string

// The outcomes of attempts.
const (
	Delivered Outcome = "delivered"
	Retried   Outcome = "retried" // to be tried again
	Dead      Outcome = "dead"    // not taken for too long
	Gone      Outcome = "gone"    // dead at once, because the target said so
)

// Outcomes are all of them.
var Outcomes = []Outcome{Delivered, Retried, Dead, Gone}

// Observer hears of attempts, for metrics. It is called concurrently and must
// not block. Kind is the sink's name, or callback_url.
type Observer interface {
	Attempted(kind string, outcome Outcome, took time.Duration)
}

// kindURL is the kind of callbacks to URLs of batches, and their reader's name.
const kindURL = "callback_url"

// Parts are what a Courier works with. Those that say what nil means may be nil.
type Parts struct {
	Store     Store
	Queue     Queue
	Now       func() time.Time
	Logger    *slog.Logger
	Observer  Observer          // nil: nobody listens
	Transport http.RoundTripper // carries callbacks; nil: to what Config.Guard allows
	Random    func() float64    // in [0,1), spreads the attempts; nil: the system's
}

// Deliverer brings callbacks to their targets. Safe for concurrent use.
type Deliverer struct {
	cfg      Config
	store    Store
	queue    Queue
	now      func() time.Time
	log      *slog.Logger
	observer Observer
	sinks    map[string]Sink
	signer   signer
	client   *http.Client
	lanes    *lanes
	random   func() float64 // in [0,1)
	maxOwed  int            // of a sink, before its reader stops
	claimFor time.Duration  // how long a claimed callback may wait for its task

	readers  []*reader
	nudged   chan struct{}
	unqueued atomic.Bool // the last task could not be enqueued

	stopping context.Context
	stop     context.CancelFunc
	loops    sync.WaitGroup
	mu       sync.Mutex
	heard    map[string]time.Time // when a failing step was last logged
}

type noopObserver struct{}

func (noopObserver) Attempted(string, Outcome, time.Duration) {}

// New checks the configuration; nothing runs until Start.
func New(cfg Config, p Parts) (*Deliverer, error) {
	if p.Store == nil || p.Queue == nil || p.Now == nil || p.Logger == nil {
		return nil, errors.New("callbacks: a part is missing")
	}
	cfg = cfg.withDefaults()
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	signer, err := newSigner(cfg.Secrets)
	if err != nil {
		return nil, err
	}
	if p.Observer == nil {
		p.Observer = noopObserver{}
	}
	if p.Random == nil {
		p.Random = rand.Float64
	}
	client := cfg.Guard.Client(outward.Limits{Time: attemptTime, Body: maxAnswer, Idle: 2 * cfg.Slots})
	if p.Transport != nil {
		client.Transport = p.Transport
	}
	stopping, stop := context.WithCancel(context.Background())
	c := &Deliverer{
		cfg: cfg, store: p.Store, queue: p.Queue, now: p.Now, log: p.Logger, observer: p.Observer,
		sinks: map[string]Sink{}, signer: signer, client: client,
		lanes: newLanes(cfg.Concurrency, cfg.Slots), random: p.Random, maxOwed: maxOwed, claimFor: claimTime,
		readers: []*reader{{cursor: kindURL}}, nudged: make(chan struct{}, 1),
		stopping: stopping, stop: stop, heard: map[string]time.Time{},
	}
	for _, sink := range cfg.Sinks {
		c.sinks[sink.Name] = sink
		c.readers = append(c.readers, &reader{cursor: sinkPrefix + sink.Name, sink: &sink})
	}
	return c, nil
}

// Open opens the readers' cursors: no event from now on is missed. While the store
// takes nothing, not even an event, that is left to the loop.
func (c *Deliverer) Open(ctx context.Context) error {
	for _, r := range c.readers {
		err := r.open(ctx, c)
		if errors.Is(err, jobs.ErrUnavailable) {
			c.log.Warn("nobody is told anything yet", "error", err)
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

const (
	newsDelay   = 50 * time.Millisecond // between two looks that commits cause
	lookEvery   = time.Second           // also if nothing was committed: time makes callbacks due
	watchAgain  = time.Second           // after an error
	forgetEvery = time.Minute
	quietTime   = 10 * time.Second
)

// Start begins the loops. It never blocks.
func (c *Deliverer) Start() {
	c.loops.Go(func() { c.watchLoop(c.stopping) })
	c.loops.Go(func() { c.newsLoop(c.stopping) })
}

// Drain makes the loops claim nothing more. Call it before the queue is stopped:
// what is claimed for a queue that takes no tasks has to wait.
func (c *Deliverer) Drain() { c.stop() }

// Stop drains and waits for the loops. Attempts under way are the queue's, which is
// to be stopped before. Repeated calls are fine.
func (c *Deliverer) Stop() {
	c.stop()
	c.loops.Wait()
	c.client.CloseIdleConnections()
}

// nudge wakes watchLoop. It never blocks.
func (c *Deliverer) nudge() {
	select {
	case c.nudged <- struct{}{}:
	default:
	}
}

// newsLoop wakes watchLoop within newsDelay after this or another process has
// committed something, such as an event or the end of an attempt.
func (c *Deliverer) newsLoop(ctx context.Context) {
	var seen jobs.Version
	for ctx.Err() == nil {
		version, err := c.store.News(ctx, seen, newsDelay)
		if err != nil {
			c.logError(ctx, "watch for callbacks", err)
			seen = 0 // look as soon as the store can be read again
			pause(ctx, watchAgain)
			continue
		}
		seen = version
		c.nudge()
	}
}

// watchLoop calls WatchOnce whenever it is woken, and at least every lookEvery.
func (c *Deliverer) watchLoop(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	var forgot time.Time
	for ctx.Err() == nil {
		now := c.now()
		err := c.WatchOnce(ctx)
		if err == nil && (now.Sub(forgot) >= forgetEvery || now.Before(forgot)) {
			err, forgot = c.ForgetOnce(ctx), now
		}
		if err != nil {
			c.logError(ctx, "watch for callbacks", err)
			pause(ctx, watchAgain)
			continue
		}
		ticker.Reset(lookEvery)
		select {
		case <-ctx.Done():
		case <-ticker.C:
		case <-c.nudged:
		}
	}
}

// pause returns after d, or when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// WatchOnce reads the log as far as it goes and enqueues what is due.
func (c *Deliverer) WatchOnce(ctx context.Context) error {
	var errs []error
	for _, r := range c.readers {
		for more := true; more && ctx.Err() == nil; {
			var err error
			if more, err = r.readOnce(ctx, c); err != nil {
				errs = append(errs, err)
				break
			}
			if err := c.claimOnce(ctx); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(append(errs, c.claimOnce(ctx))...)
}

// logError is the edge where an error of the loop is logged, and not again for a
// while.
func (c *Deliverer) logError(ctx context.Context, what string, err error) {
	if ctx.Err() != nil {
		return
	}
	now := c.now()
	c.mu.Lock()
	quiet := now.Before(c.heard[what].Add(quietTime))
	if !quiet {
		c.heard[what] = now
	}
	c.mu.Unlock()
	if !quiet {
		c.log.Error(what, "error", err)
	}
}
