package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"shotline/client"
	"shotline/jobs"
	"shotline/jobs/tasks"
	"shotline/orchestrator"
	"shotline/orchestrator/callback"
	"shotline/orchestrator/download"
	"shotline/receiver"
)

// queueEnd is how long creates under way have to end. Together with everything
// that ends after them it is less than ten seconds, after which a service manager
// would kill the process.
const queueEnd = 6 * time.Second

var clock orchestrator.SystemClock

// Engine is Shotline inside a program. All methods are safe for concurrent use.
type Engine struct {
	cfg          Config
	store        jobs.Store
	client       *client.Client
	queue        *tasks.Queue
	orchestrator *orchestrator.Orchestrator
	callbacks    *callback.Deliverer // nil without callbacks
	files        *download.Worker
	webhooks     *receiver.Receiver // nil if the engine takes no webhooks
	calls        *gate
	refused      refusedCounts
	refusals     refusalLoop

	mu      sync.Mutex // serializes Start and Stop
	stopped bool
	stopErr error
}

// Open checks the configuration, opens the store and creates the parts. From then
// on the engine stores submitted requests; it works on them after Start. The
// caller must call Stop even if it never calls Start.
//
// An error is a *FieldError, that of OpenStore, or that of ctx, which bounds the
// opening only. A Redis that cannot be reached is not an error: the engine uses
// it as soon as it can.
func Open(ctx context.Context, cfg Config) (*Engine, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	if cfg.Store == nil && cfg.OpenStore == nil {
		return nil, &FieldError{"OpenStore", errors.New("is required unless Store is set")}
	}
	e := &Engine{cfg: cfg.withDefaults(), calls: newGate()}
	if err := e.join(ctx); err != nil {
		return nil, errors.Join(err, e.close())
	}
	return e, nil
}

func (e *Engine) join(ctx context.Context) (err error) {
	c := e.cfg
	if err := tasks.CheckURL(c.RedisURL); err != nil {
		return unusable("RedisURL", err) // before OpenStore might create a file
	}
	if e.store = c.Store; e.store == nil {
		if e.store, err = c.OpenStore(ctx, jobs.OpenOptions{Purpose: jobs.ForWork, Logger: c.Logger}); err != nil {
			return err
		}
	}
	options, err := c.queue(ctx, e.store)
	if err != nil {
		return err
	}
	if e.queue, err = tasks.Open(ctx, options); err != nil {
		return unusable("RedisURL", err)
	}
	if e.client, err = client.New(client.WithAPIKey(c.APIKey), client.WithBaseURL(c.BaseURL),
		client.WithTimeout(c.RequestTimeout), client.WithUserAgent(c.UserAgent), client.WithMaxConnections(c.VendorConnections)); err != nil {
		return err
	}
	var vendor orchestrator.Vendor = e.client
	if c.WrapVendor != nil {
		vendor = c.WrapVendor(vendor)
	}
	work := c.Orchestrator()
	if e.orchestrator, err = orchestrator.New(work, orchestrator.Parts{
		Store: e.store, Vendor: vendor, Queue: e.queue, Clock: clock, Logger: c.Logger, Observer: c.Observer, Troubles: e.troubles,
	}); err != nil {
		return err
	}
	files := c.Downloads
	files.Batches = c.Batches
	e.files = download.NewWorker(files, download.WorkParts{
		Store: e.store, Vendor: e.client, Queue: e.queue, Clock: clock, Logger: c.Logger, Observer: c.FileObserver, Room: c.FileRoom,
	})
	e.queue.HandleFiles(e.files)
	if e.webhooks, err = c.newReceiver(e.orchestrator, &e.refused); err != nil {
		return err
	}
	if c.Callbacks == nil {
		return nil
	}
	return e.openCallbacks(ctx, work.Worker.ID)
}

// openCallbacks lets the queue deliver callbacks. It misses no event from then
// on.
func (e *Engine) openCallbacks(ctx context.Context, worker string) (err error) {
	config := *e.cfg.Callbacks
	config.Worker, config.Slots = worker, e.cfg.CallbackSlots
	config.Concurrency = min(cmp.Or(config.Concurrency, callback.DefaultConcurrency), config.Slots)
	if config.UserAgent == "" {
		config.UserAgent = e.cfg.UserAgent
	}
	e.callbacks, err = callback.New(config, callback.Parts{
		Store: e.store, Queue: e.queue, Now: clock.Now, Logger: e.cfg.Logger, Observer: e.cfg.CallbackObserver,
	})
	if err != nil {
		return err
	}
	e.queue.HandleCallbacks(e.callbacks)
	return e.callbacks.Open(ctx)
}

// Start starts the engine, which works until Stop. It never blocks. It returns an
// error if the engine was started before, and ErrStopped after Drain or Stop.
func (e *Engine) Start() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.calls.closed() {
		return ErrStopped
	}
	if err := e.queue.Start(e.orchestrator); err != nil {
		return fmt.Errorf("start engine: %w", err)
	}
	e.orchestrator.Start()
	e.files.Start()
	if e.webhooks != nil {
		e.refusals.start(e.webhooks, e.store)
	}
	if e.callbacks != nil {
		e.callbacks.Start()
	}
	return nil
}

// Drain refuses new calls and work, and ends waiting calls with ErrStopped.
// Webhooks are still stored, so that a program can close its web server next and
// then call Stop. Drain can be called repeatedly.
func (e *Engine) Drain() {
	e.calls.shut()
	e.orchestrator.Drain()
	e.files.Drain()
	if e.callbacks != nil {
		e.callbacks.Drain()
	}
	e.calls.clear()
}

// Stop drains the engine, finishes the creates under way or requeues their jobs,
// and closes everything that Open opened. It takes at most about ten seconds,
// unless the rows of a SubmitBatch block. Unfinished work stays in the store for
// the next engine. A later webhook is answered 503, and the vendor repeats it.
// Repeated calls return the result of the first.
func (e *Engine) Stop() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.stopped {
		e.stopped = true
		e.Drain()
		e.stopErr = e.close()
	}
	return e.stopErr
}

// close stops and closes the parts that exist. If Open failed, some do not.
func (e *Engine) close() error {
	var errs []error
	if e.queue != nil {
		ctx, cancel := context.WithTimeout(context.Background(), queueEnd)
		defer cancel()
		errs = append(errs, e.queue.Stop(ctx))
	}
	if e.callbacks != nil {
		e.callbacks.Stop()
	}
	if e.files != nil {
		e.files.Stop()
	}
	if e.orchestrator != nil {
		e.orchestrator.Stop()
	}
	e.calls.wait()
	e.refusals.stop()
	if e.store != nil && e.cfg.Store == nil {
		errs = append(errs, e.store.Close())
	}
	if e.client != nil {
		e.client.CloseIdleConnections()
	}
	return errors.Join(errs...)
}

// Store returns the store, from which batches, jobs, results and events can be
// read. Stop closes it, unless it came from Config.Store.
func (e *Engine) Store() jobs.Store { return e.store }

// Orchestrator returns the part that cancels and retries jobs and batches. It
// also has the single steps of the work.
func (e *Engine) Orchestrator() *orchestrator.Orchestrator { return e.orchestrator }

// Client returns the client of the vendor, for images and other outputs of
// screenshots. Do not create screenshots with it: they belong to no job.
func (e *Engine) Client() *client.Client { return e.client }

// Queue returns the queue, which can describe itself and report whether it takes
// tasks.
func (e *Engine) Queue() *tasks.Queue { return e.queue }
