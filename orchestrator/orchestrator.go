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

// Vendor is what is needed of ScreenshotCenter; *client.Client satisfies it.
// Create must send at most one request per call and tell apart what was surely
// not sent, refused, rate limited and in doubt, by the error types of client.
type Vendor interface {
	Create(ctx context.Context, r client.CreateRequest) (client.Screenshot, error)
	Info(ctx context.Context, id string) (client.Screenshot, error)
	List(ctx context.Context, o client.ListOptions) ([]client.Screenshot, error)
	Search(ctx context.Context, o client.SearchOptions) ([]client.Screenshot, error)
}

// Queue wakes the handlers SubmitBatch, CheckDeadlines and SummarizeBatch.
// Enqueueing what is enqueued already is no error; an error means that the
// sweeper will try again.
type Queue interface {
	EnqueueSubmit(ctx context.Context, batch string, generation int64, at time.Time) error
	// EnqueueSubmits and EnqueueSummaries ask for the same of each of several small
	// batches. The generation is that of the first one.
	EnqueueSubmits(ctx context.Context, batches []string, generation int64) error
	EnqueueSummaries(ctx context.Context, batches []string, generation int64) error
	EnqueueDeadlines(ctx context.Context, bucket time.Time, generation int64) error
	EnqueueSummary(ctx context.Context, batch string, revision int, generation int64) error
	// Lag returns how long the oldest task that waits for a worker has waited; 0 if
	// none waits.
	Lag(ctx context.Context) (time.Duration, error)
}

// Clock tells and passes time.
type Clock interface {
	Now() time.Time
	// Sleep returns after d, or earlier with the context's error.
	Sleep(ctx context.Context, d time.Duration) error
}

// Config holds the durations and limits of the work. Zero values mean the
// defaults named beside them.
type Config struct {
	Worker         jobs.Worker   // how this process shows up; ID also owns its leases
	Apps           []jobs.App    // webhook apps for batches that name none
	JobTimeout     time.Duration // from a create's answer to the deadline; 10m
	DeadlineGrace  time.Duration // how long past it while the vendor still works; 10m
	RequestTimeout time.Duration // time limit of one vendor call; DefaultRequestTimeout; at most MaxRequestTimeout
	Settle         time.Duration // how long a doubtful create is searched for before it is sent anew; 10s
	Concurrency    int           // parallel creates; 0: adaptive, up to MostCreates
	MostCreates    int           // 64
	Rate           float64       // creates per second; 0: no limit of our own
	SweepEvery     time.Duration // 2s
	Poll           PollMode      // whether pending jobs are polled for
	// Batches are the only ones that are submitted, polled, summarized and have
	// their deadlines kept; none means all. Work that costs nothing and belongs to
	// no batch alone, such as applying the inbox or looking up creates without an
	// answer, is done for all.
	Batches        []string
	KeepForeign    time.Duration // deliveries that moved no job; 7 days
	MaxForeign     int           // how many of each kind of those; 100,000
	MaxHeld        int           // held deliveries, the bound of the store; half of it has the vendor asked; jobs.DefaultMaxHeld
	KeepDeliveries time.Duration // applied ones; 30 days
	KeepEvents     time.Duration // of finished batches; 30 days
	AuditWindow    time.Duration // for how long after its end a batch is audited for double charges; DefaultAuditWindow; negative: never
}

const (
	longestLease   = 30 * time.Second
	staleImport    = 15 * time.Minute // long: a submit may be stopped for a while
	leftImport     = jobs.WorkerAlive // for who asks for the same again
	deadlineBucket = 5 * time.Second
	workerBeat     = jobs.WorkerAlive / 3
	quietTime      = 10 * time.Second

	defaultMaxForeign = 100_000
)

// Bounds of a vendor call. A lease has to outlast each.
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
	if c.MostCreates == 0 {
		c.MostCreates = throttle.DefaultMax
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
		return c, errors.New("orchestrator: a duration is negative")
	case c.KeepForeign < 0 || c.KeepDeliveries < 0 || c.KeepEvents < 0 || c.MaxForeign < 0 || c.MaxHeld < 0:
		return c, errors.New("orchestrator: a bound of retention is negative")
	case c.Concurrency < 0 || c.MostCreates < 0 || c.Rate < 0:
		return c, errors.New("orchestrator: concurrency or rate is negative")
	}
	return c, nil
}

// leaseTime is how long leased jobs are ours: long enough to wait for a slot,
// which takes one request, and to send, which takes another, with time to spare
// for a slow disk; no longer, since a process that dies holds them up.
func (c Config) leaseTime() time.Duration {
	return min(2*c.RequestTimeout+10*time.Second, longestLease)
}

// Observer hears of what happened, for metrics. Its methods are called
// concurrently and must not block.
type Observer interface {
	// Took tells what one transaction brought about.
	Took(jobs.Effects)
	// Applied tells of one portion of the inbox; its effects were told by Took.
	Applied(jobs.Applied)
	// Doubts tells how many submissions came to be in doubt, were found at the
	// vendor, and were sent anew.
	Doubts(opened, adopted, resent int)
}

// Parts are what the orchestrator works with. All but the Observer are required.
type Parts struct {
	Store    Store // a jobs.Store
	Vendor   Vendor
	Queue    Queue
	Clock    Clock
	Logger   *slog.Logger
	Observer Observer // nil: nobody listens
}

// deaf is the Observer of those who have none.
type deaf struct{}

func (deaf) Took(jobs.Effects)    {}
func (deaf) Applied(jobs.Applied) {}
func (deaf) Doubts(int, int, int) {}

// Orchestrator brings jobs to their end. Safe for concurrent use.
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
	buckets  buckets
	turns    turns
	left     left
	unqueued atomic.Bool  // the last task could not be enqueued
	lag      atomic.Int64 // of the queue at the last sweep, a time.Duration
	heldSkip atomic.Int64 // behind how many held screenshots the next single look-ups begin

	strangers    atomic.Int64 // deliveries that moved no job since the last PruneOnce
	nudgeCloser  chan struct{}
	nudgeWatcher chan struct{}
	nudgeUpkeep  chan struct{}

	damaged  sync.Once // to log that the store is damaged
	mu       sync.Mutex
	heard    map[string]time.Time // when a failing step was last logged
	stop     context.CancelFunc
	stopping context.Context // ends when no new work may begin
	loops    sync.WaitGroup
}

// New checks the configuration and joins the parts; nothing runs until Start. An
// error tells what is wrong with the configuration, or that a part is missing. The
// parts stay the caller's: whoever opened them ends them, after Stop, the queue,
// whose handlers are the orchestrator's, between Drain and Stop. Several
// orchestrators, in one process or many, may work on one store, each as a worker
// with an id of its own. Package engine does all this for programs that need no
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
		p.Observer = deaf{}
	}
	stopping, stop := context.WithCancel(context.Background())
	return &Orchestrator{
		cfg: cfg, store: p.Store, vendor: p.Vendor, queue: p.Queue, clock: p.Clock, log: p.Logger, observer: p.Observer,
		feed:         feed.New(stopping, p.Store),
		throttle:     throttle.New(throttle.Config{Fixed: cfg.Concurrency, Max: cfg.MostCreates, Rate: cfg.Rate}, p.Clock),
		nudgeCloser:  make(chan struct{}, 1),
		nudgeWatcher: make(chan struct{}, 1),
		nudgeUpkeep:  make(chan struct{}, 1),
		heard:        map[string]time.Time{},
		stopping:     stopping,
		stop:         stop,
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

// Drain makes SubmitBatch begin no further create and hand back what it has
// leased; creates that are under way are finished. All waiting ends. Call it
// before the task server is stopped, so that handlers end soon.
func (o *Orchestrator) Drain() { o.stop() }

// Stop drains, ends the loops and waits for them; repeated calls are fine.
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

// every calls step at once and then each time the interval has passed or
// nudged has been signalled, until ctx ends. The nudge channel may be nil.
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

// logError is the edge where an error of a background step is logged. What
// comes from stopping is no error. A loop whose step goes on failing, many
// times a second perhaps, is heard again only after quietTime; a damaged store,
// which only people can mend, once.
func (o *Orchestrator) logError(ctx context.Context, what string, err error) {
	if err == nil || ctx.Err() != nil {
		return
	}
	if errors.Is(err, jobs.ErrCorrupt) {
		o.damaged.Do(func() {
			o.log.Error("nothing is submitted and no webhook taken any more", "found by", what, "error", err)
		})
		return
	}
	now := o.clock.Now()
	o.mu.Lock()
	quiet := now.Before(o.heard[what].Add(quietTime))
	if !quiet {
		o.heard[what] = now
	}
	o.mu.Unlock()
	if !quiet {
		o.log.Error(what, "error", err)
	}
}

// Announce records that this worker is alive, by a write as durable as any: it
// shows whether the store can keep anything now.
func (o *Orchestrator) Announce(ctx context.Context) error {
	w := o.cfg.Worker
	w.SeenAt = o.clock.Now()
	return o.store.Announce(ctx, w)
}

func (o *Orchestrator) announceLoop(ctx context.Context) {
	o.every(ctx, workerBeat, nil, func(ctx context.Context) {
		o.logError(ctx, "announce worker", o.Announce(ctx))
	})
	// The loop's context has ended; the farewell has a short time of its own.
	bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := o.store.Withdraw(bye, o.cfg.Worker.ID); err != nil {
		o.log.Warn("withdraw worker", "error", err)
	}
}
