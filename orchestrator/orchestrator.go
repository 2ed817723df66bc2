package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"shotline/client"
	"shotline/jobs"
	"shotline/orchestrator/feed"
	"shotline/orchestrator/throttle"
)

// Vendor is the part of ScreenshotCenter that is needed; *client.Client
// implements it. Create must send at most one request per call. By the error
// types of package client it must distinguish creates that were certainly not
// sent, refused, rate limited and in doubt.
type Vendor interface {
	Create(ctx context.Context, r client.CreateRequest) (client.Screenshot, error)
	Info(ctx context.Context, id string) (client.Screenshot, error)
	List(ctx context.Context, o client.ListOptions) ([]client.Screenshot, error)
	Search(ctx context.Context, o client.SearchOptions) ([]client.Screenshot, error)
}

// Queue wakes the handlers SubmitBatch, CheckDeadlines and SummarizeBatch.
// Enqueueing a task again that is in the queue is not an error. After an error
// the sweeper tries again.
type Queue interface {
	EnqueueSubmit(ctx context.Context, batch string, generation int64, at time.Time) error
	// EnqueueSubmits and EnqueueSummaries do the same for several small batches.
	// The generation is that of the first one.
	EnqueueSubmits(ctx context.Context, batches []string, generation int64) error
	EnqueueSummaries(ctx context.Context, batches []string, generation int64) error
	EnqueueDeadlines(ctx context.Context, bucket time.Time, generation int64) error
	EnqueueSummary(ctx context.Context, batch string, revision int, generation int64) error
	// Lag returns how long the oldest task that waits for a worker has waited; 0 if
	// none waits.
	Lag(ctx context.Context) (time.Duration, error)
}

// Clock returns the time and waits.
type Clock interface {
	Now() time.Time
	// Sleep returns after d, or earlier with the context's error.
	Sleep(ctx context.Context, d time.Duration) error
}

// Config holds the durations and limits of the work. A zero value means the
// default in the comment beside it.
type Config struct {
	Worker         jobs.Worker   // describes this process; ID also owns its leases
	Apps           []jobs.App    // webhook apps for batches that name none
	JobTimeout     time.Duration // from a create's answer to the deadline; 10m
	DeadlineGrace  time.Duration // how much longer while the vendor is processing; 10m
	RequestTimeout time.Duration // time limit of one vendor call; DefaultRequestTimeout; at most MaxRequestTimeout
	Settle         time.Duration // how long a create in doubt is looked up before it is sent again; 10s
	Concurrency    int           // parallel creates; 0: adaptive, up to MaxCreates
	MaxCreates     int           // 64
	Rate           float64       // creates per second; 0: no limit of our own
	SweepEvery     time.Duration // 2s
	Poll           PollMode      // whether pending jobs are polled for
	// Batches are the only ones that are submitted, polled, summarized and have
	// their deadlines checked. None means all. Work that costs nothing and belongs
	// to no single batch, such as applying the inbox or looking up creates without
	// an answer, is done for all.
	Batches        []string
	KeepForeign    time.Duration // deliveries that moved no job; 7 days
	MaxForeign     int           // how many of each kind of those; 100,000
	MaxHeld        int           // held deliveries, the bound of the store; from half of it on the vendor is queried; jobs.DefaultMaxHeld
	KeepDeliveries time.Duration // applied ones; 30 days
	KeepEvents     time.Duration // of finished batches; 30 days
	AuditWindow    time.Duration // for how long after its end a batch is audited for double charges; DefaultAuditWindow; negative: never
}

const (
	longestLease    = 30 * time.Second
	staleImport     = 15 * time.Minute // long, since a submit might be stopped for a while
	abandonedImport = jobs.WorkerAlive // if the same request comes again
	deadlineBucket  = 5 * time.Second
	workerBeat      = jobs.WorkerAlive / 3
	logPause        = 10 * time.Second

	defaultMaxForeign = 100_000
)

// Bounds of a vendor call. A lease must last longer than any.
const (
	DefaultRequestTimeout = 15 * time.Second
	MaxRequestTimeout     = longestLease - 5*time.Second
)

// How long things are kept unless the Config says otherwise.
const (
	DefaultKeepForeign    = 7 * 24 * time.Hour
	DefaultKeepDeliveries = 30 * 24 * time.Hour
	DefaultKeepEvents     = 30 * 24 * time.Hour
)

func (c Config) withDefaults() (Config, error) {
	set := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	set(&c.JobTimeout, 10*time.Minute)
	set(&c.DeadlineGrace, 10*time.Minute)
	set(&c.RequestTimeout, DefaultRequestTimeout)
	set(&c.Settle, 10*time.Second)
	set(&c.SweepEvery, 2*time.Second)
	set(&c.KeepForeign, DefaultKeepForeign)
	set(&c.KeepDeliveries, DefaultKeepDeliveries)
	set(&c.KeepEvents, DefaultKeepEvents)
	set(&c.AuditWindow, DefaultAuditWindow)
	if c.MaxCreates == 0 {
		c.MaxCreates = throttle.DefaultMax
	}
	if c.MaxForeign == 0 {
		c.MaxForeign = defaultMaxForeign
	}
	if c.MaxHeld == 0 {
		c.MaxHeld = jobs.DefaultMaxHeld
	}
	switch {
	case c.Worker.ID == "":
		return c, errors.New("orchestrator: Worker.ID is empty")
	case c.RequestTimeout > MaxRequestTimeout:
		return c, fmt.Errorf("orchestrator: request timeout %s is over %s, the lease would not outlast it", c.RequestTimeout, MaxRequestTimeout)
	case c.JobTimeout < 0 || c.DeadlineGrace < 0 || c.RequestTimeout < 0 || c.Settle < 0 || c.SweepEvery < 0:
		return c, errors.New("orchestrator: durations must not be negative")
	case c.KeepForeign < 0 || c.KeepDeliveries < 0 || c.KeepEvents < 0 || c.MaxForeign < 0 || c.MaxHeld < 0:
		return c, errors.New("orchestrator: limits of retention must not be negative")
	case c.Concurrency < 0 || c.MaxCreates < 0 || c.Rate < 0:
		return c, errors.New("orchestrator: concurrency and rate must not be negative")
	}
	return c, nil
}

// leaseTime returns how long a lease lasts: long enough to wait for a slot, which
// takes one request, and to send, which takes another, with a reserve for a slow
// disk. It is no longer than that, since a process that dies delays its jobs by
// it.
func (c Config) leaseTime() time.Duration {
	return min(2*c.RequestTimeout+10*time.Second, longestLease)
}

// Observer receives the effects of the work, for metrics. Its methods are called
// concurrently and must not block.
type Observer interface {
	// Changed reports the effects of one transaction.
	Changed(jobs.Effects)
	// Applied reports one portion of the inbox. Changed has reported its effects.
	Applied(jobs.Applied)
	// Doubts reports how many submissions got in doubt, were found at the vendor,
	// and were sent again.
	Doubts(opened, adopted, resent int)
}

// Parts are the dependencies of an Orchestrator. All but the Observer are
// required.
type Parts struct {
	Store    Store // a jobs.Store
	Vendor   Vendor
	Queue    Queue
	Clock    Clock
	Logger   *slog.Logger
	Observer Observer // may be nil
	// Troubles returns what else keeps this process from its work, to be announced
	// with its own troubles. It is called every few seconds, and can be nil.
	Troubles func(ctx context.Context) []jobs.Trouble
}

// noopObserver is the Observer if none is given.
type noopObserver struct{}

func (noopObserver) Changed(jobs.Effects) {}
func (noopObserver) Applied(jobs.Applied) {}
func (noopObserver) Doubts(int, int, int) {}

// Orchestrator brings jobs to their end. It is safe for concurrent use.
type Orchestrator struct {
	cfg      Config
	store    Store
	vendor   Vendor
	queue    Queue
	clock    Clock
	log      *slog.Logger
	observer Observer
	feed     *feed.Feed
	throttle *throttle.Throttle

	troubles        troubles
	lookForTroubles func(ctx context.Context) []jobs.Trouble // can be nil
	otherTroubles   atomic.Pointer[[]jobs.Trouble]           // those that it found last
	buckets         buckets
	turns           turns
	failedImports   failedImports
	unqueued        atomic.Bool  // the last task could not be enqueued
	lag             atomic.Int64 // of the queue at the last sweep, a time.Duration
	heldSkip        atomic.Int64 // how many held screenshots the next single look-ups skip

	foreign      atomic.Int64 // deliveries that moved no job since the last PruneOnce
	nudgeCloser  chan struct{}
	nudgeWatcher chan struct{}
	nudgeUpkeep  chan struct{}

	damaged    sync.Once // to log that the store is damaged
	mu         sync.Mutex
	lastLogged map[string]time.Time // when a failing step was last logged
	stop       context.CancelFunc
	stopping   context.Context // ends when no new work may begin
	loops      sync.WaitGroup
}

// New checks the configuration and joins the parts. Nothing runs before Start. It
// returns an error if the configuration is invalid or a part is missing. The
// caller keeps the parts and closes them after Stop. Only the queue, whose
// handlers are the orchestrator's, is closed between Drain and Stop. Several
// orchestrators, in one process or many, may work on one store if each is a
// worker with its own id. Package engine does all this for programs that need no
// other parts.
func New(cfg Config, p Parts) (*Orchestrator, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	if p.Store == nil || p.Vendor == nil || p.Queue == nil || p.Clock == nil || p.Logger == nil {
		return nil, errors.New("orchestrator: a part is missing")
	}
	if p.Observer == nil {
		p.Observer = noopObserver{}
	}
	stopping, stop := context.WithCancel(context.Background())
	return &Orchestrator{
		cfg: cfg, store: p.Store, vendor: p.Vendor, queue: p.Queue, clock: p.Clock, log: p.Logger, observer: p.Observer,
		feed:         feed.New(stopping, p.Store),
		throttle:     throttle.New(throttle.Config{Fixed: cfg.Concurrency, Max: cfg.MaxCreates, Rate: cfg.Rate}, p.Clock),
		nudgeCloser:  make(chan struct{}, 1),
		nudgeWatcher: make(chan struct{}, 1),
		nudgeUpkeep:  make(chan struct{}, 1),
		lastLogged:   map[string]time.Time{},
		stopping:     stopping,
		stop:         stop,

		lookForTroubles: p.Troubles,
	}, nil
}

// Start begins the loops: closer, sweeper, watcher, poller, upkeep. It never
// blocks.
func (o *Orchestrator) Start() {
	for _, loop := range []func(context.Context){o.closeLoop, o.sweepLoop, o.newsLoop, o.watchLoop, o.pollLoop, o.upkeepLoop, o.announceLoop} {
		o.loops.Add(1)
		go func() {
			defer o.loops.Done()
			loop(o.stopping)
		}()
	}
}

// Drain stops submission: SubmitBatch starts no further create and hands back its
// leases. Creates that are under way are finished. All waiting ends. Call it
// before the task server is stopped, so that handlers end soon.
func (o *Orchestrator) Drain() { o.stop() }

// Stop drains, ends the loops and waits for them. Repeated calls do nothing.
func (o *Orchestrator) Stop() {
	o.stop()
	o.loops.Wait()
}

// nudge wakes a loop without waiting for it.
func nudge(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// every calls step at once and then each time the interval has passed or nudged
// has received, until ctx ends. The channel nudged may be nil.
func (o *Orchestrator) every(ctx context.Context, interval time.Duration, nudged <-chan struct{}, step func(context.Context)) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		step(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-nudged:
		}
	}
}

// logError logs an error of a background step. An error that comes from stopping
// is not logged. If a step fails repeatedly, perhaps many times a second, it is
// logged again only after logPause. A damaged store, which only people can
// repair, is logged once.
func (o *Orchestrator) logError(ctx context.Context, message string, err error) {
	if err == nil || ctx.Err() != nil {
		return
	}
	if errors.Is(err, jobs.ErrCorrupt) {
		o.damaged.Do(func() {
			o.log.Error("database damaged: submission and webhook intake stopped", "found by", message, "error", err)
		})
		return
	}
	now := o.clock.Now()
	o.mu.Lock()
	isLogged := now.Before(o.lastLogged[message].Add(logPause))
	if !isLogged {
		o.lastLogged[message] = now
	}
	o.mu.Unlock()
	if !isLogged {
		o.log.Error(message, "error", err)
	}
}

// Announce records that this worker is alive. The write is as durable as any
// other, so it shows whether the store can be written to.
func (o *Orchestrator) Announce(ctx context.Context) error {
	w := o.cfg.Worker
	w.SeenAt = o.clock.Now()
	w.Troubles = o.troubles.list(w.SeenAt)
	if others := o.otherTroubles.Load(); others != nil {
		w.Troubles = append(w.Troubles, *others...)
	}
	return o.store.Announce(ctx, w)
}

func (o *Orchestrator) announceLoop(ctx context.Context) {
	o.every(ctx, workerBeat, nil, func(ctx context.Context) {
		if o.lookForTroubles != nil {
			o.otherTroubles.Store(new(o.lookForTroubles(ctx)))
		}
		o.logError(ctx, "announce worker", o.Announce(ctx))
	})
	// The context of the loop has ended, so the withdrawal gets its own, short one.
	bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := o.store.Withdraw(bye, o.cfg.Worker.ID); err != nil {
		o.log.Warn("withdraw worker", "error", err)
	}
}
