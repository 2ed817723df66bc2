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

// Store has the methods of a jobs.Store that a Deliverer uses.
type Store interface {
	OpenCursor(ctx context.Context, name string, at time.Time) (position int64, err error)
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

// Queue runs Deliver. Enqueueing a task again is not an error. If there is an
// error, the callback is claimed again later.
type Queue interface {
	EnqueueCallback(ctx context.Context, seq, generation int64, lane string) error
}

// Outcome is the result of an attempt.
type Outcome string

// The outcomes of attempts.
const (
	Delivered Outcome = "delivered"
	Retried   Outcome = "retried" // will be retried
	Dead      Outcome = "dead"    // retried for too long
	Gone      Outcome = "gone"    // dead at once, because the target answered 410
)

// Outcomes lists all outcomes.
var Outcomes = []Outcome{Delivered, Retried, Dead, Gone}

// Observer receives the results of attempts, for metrics. It is called
// concurrently and must not block. The kind is the sink's name, or callback_url.
type Observer interface {
	Attempted(kind string, outcome Outcome, took time.Duration)
}

// kindURL is the kind of callbacks to the URLs of jobs and batches, and the name
// of their reader's cursor.
const kindURL = "callback_url"

// Parts are the dependencies of a Deliverer. Those with a default may be nil.
type Parts struct {
	Store     Store
	Queue     Queue
	Now       func() time.Time
	Logger    *slog.Logger
	Observer  Observer          // default: none
	Transport http.RoundTripper // sends callbacks; default: one that obeys Config.Guard
	Random    func() float64    // returns numbers in [0,1) for the jitter; default: math/rand
}

// Deliverer sends callbacks to their targets. It is safe for concurrent use.
type Deliverer struct {
	cfg            Config
	store          Store
	queue          Queue
	now            func() time.Time
	log            *slog.Logger
	observer       Observer
	sinks          map[string]Sink
	signer         signer
	client         *http.Client
	lanes          *lanes
	random         func() float64 // in [0,1)
	maxUndelivered int            // of a sink, before its reader stops
	claimFor       time.Duration  // how long a claimed callback may wait for its task

	readers     []*reader
	woken       chan struct{}
	queueFailed atomic.Bool // the last task could not be enqueued

	stopping   context.Context
	stop       context.CancelFunc
	loops      sync.WaitGroup
	mu         sync.Mutex
	lastLogged map[string]time.Time // by message of logError
}

type noopObserver struct{}

func (noopObserver) Attempted(string, Outcome, time.Duration) {}

// New checks the configuration. Nothing runs before Start.
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
	client := cfg.Guard.Client(outward.Limits{Time: attemptTime, Body: maxBody, Idle: 2 * cfg.Slots})
	if p.Transport != nil {
		client.Transport = p.Transport
	}
	stopping, stop := context.WithCancel(context.Background())
	d := &Deliverer{
		cfg: cfg, store: p.Store, queue: p.Queue, now: p.Now, log: p.Logger, observer: p.Observer,
		sinks: map[string]Sink{}, signer: signer, client: client,
		lanes: newLanes(cfg.Concurrency, cfg.Slots), random: p.Random, maxUndelivered: maxUndelivered, claimFor: claimTime,
		readers: []*reader{{cursor: kindURL}}, woken: make(chan struct{}, 1),
		stopping: stopping, stop: stop, lastLogged: map[string]time.Time{},
	}
	for _, sink := range cfg.Sinks {
		d.sinks[sink.Name] = sink
		d.readers = append(d.readers, &reader{cursor: sinkPrefix + sink.Name, sink: &sink})
	}
	return d, nil
}

// Open opens the readers' cursors, so that no later event is missed. If the store
// is unavailable, no event can be written either, so Open leaves the cursors to
// the loop.
func (d *Deliverer) Open(ctx context.Context) error {
	for _, r := range d.readers {
		err := r.open(ctx, d)
		if errors.Is(err, jobs.ErrUnavailable) {
			d.log.Warn("callbacks not started: the store is not available", "error", err)
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

const (
	newsDelay   = 50 * time.Millisecond // minimum between two runs that commits cause
	watchEvery  = time.Second           // also without commits, since callbacks become due
	watchRetry  = time.Second           // after an error
	forgetEvery = time.Minute
	logPause    = 10 * time.Second
)

// Start starts the loops. It does not block.
func (d *Deliverer) Start() {
	d.loops.Go(func() { d.watchLoop(d.stopping) })
	d.loops.Go(func() { d.newsLoop(d.stopping) })
}

// Drain stops claiming callbacks. Call it before the queue stops: a callback that
// is claimed for a stopped queue has to wait for the next claim.
func (d *Deliverer) Drain() { d.stop() }

// Stop calls Drain and waits for the loops. Attempts under way belong to the
// queue, so the queue should be stopped first. Repeated calls have no effect.
func (d *Deliverer) Stop() {
	d.stop()
	d.loops.Wait()
	d.client.CloseIdleConnections()
}

// wake wakes watchLoop. It does not block.
func (d *Deliverer) wake() {
	select {
	case d.woken <- struct{}{}:
	default:
	}
}

// newsLoop wakes watchLoop within newsDelay after this or another process has
// committed something, such as an event or the result of an attempt.
func (d *Deliverer) newsLoop(ctx context.Context) {
	var seen jobs.Version
	for ctx.Err() == nil {
		version, err := d.store.News(ctx, seen, newsDelay)
		if err != nil {
			d.logError(ctx, "watch for callbacks", err)
			seen = 0 // run as soon as the store can be read again
			pause(ctx, watchRetry)
			continue
		}
		seen = version
		d.wake()
	}
}

// watchLoop calls WatchOnce when it is woken, and at least every watchEvery.
func (d *Deliverer) watchLoop(ctx context.Context) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	var forgotAt time.Time
	for ctx.Err() == nil {
		now := d.now()
		err := d.WatchOnce(ctx)
		if err == nil && (now.Sub(forgotAt) >= forgetEvery || now.Before(forgotAt)) {
			err, forgotAt = d.ForgetOnce(ctx), now
		}
		if err != nil {
			d.logError(ctx, "watch for callbacks", err)
			pause(ctx, watchRetry)
			continue
		}
		ticker.Reset(watchEvery)
		select {
		case <-ctx.Done():
		case <-ticker.C:
		case <-d.woken:
		}
	}
}

// pause waits for d or for the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// WatchOnce reads all new events and enqueues the callbacks that are due.
func (d *Deliverer) WatchOnce(ctx context.Context) error {
	var errs []error
	for _, r := range d.readers {
		for more := true; more && ctx.Err() == nil; {
			var err error
			if more, err = r.readOnce(ctx, d); err != nil {
				errs = append(errs, err)
				break
			}
			if err := d.claimOnce(ctx); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errors.Join(append(errs, d.claimOnce(ctx))...)
}

// logError logs an error of the loops. It logs the same message at most once per
// logPause.
func (d *Deliverer) logError(ctx context.Context, message string, err error) {
	if ctx.Err() != nil {
		return
	}
	now := d.now()
	d.mu.Lock()
	isLogged := now.Before(d.lastLogged[message].Add(logPause))
	if !isLogged {
		d.lastLogged[message] = now
	}
	d.mu.Unlock()
	if !isLogged {
		d.log.Error(message, "error", err)
	}
}
