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
	"shotline/receiver"
)

// queueEnd is how long creates under way get to end: with all that has to end
// after them it is less than the ten seconds after which a service manager would
// kill the process.
const queueEnd = 6 * time.Second

var clock orchestrator.SystemClock

// Engine is Shotline inside a program. All methods are safe for concurrent use.
type Engine struct {
	cfg          Config
	store        jobs.Store
	client       *client.Client
	queue        *tasks.Queue
	orchestrator *orchestrator.Orchestrator
	callbacks    *callback.Courier  // nil without callbacks
	webhooks     *receiver.Receiver // nil if none are taken
	calls        *gate

	mu      sync.Mutex // of Start and Stop
	stopped bool
	stopErr error
}

// Open checks the configuration, opens the database and joins the parts. What is
// submitted is kept from then on, and worked on from Start on. Stop must be called
// even without Start.
//
// An error is a *FieldError, names the database (and is jobs.ErrUnavailable,
// jobs.ErrCorrupt or jobs.ErrNewer), or is that of ctx, which bounds the opening
// only. A Redis that is not there is none: it is used when it appears.
func Open(ctx context.Context, cfg Config) (*Engine, error) {
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	if cfg.Store == nil && cfg.OpenStore == nil {
		return nil, &FieldError{"OpenStore", errors.New("is missing, and so is Store")}
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
		Store: e.store, Vendor: vendor, Queue: e.queue, Clock: clock, Logger: c.Logger, Observer: c.Observer,
	}); err != nil {
		return err
	}
	if e.webhooks, err = c.newReceiver(e.orchestrator); err != nil {
		return err
	}
	if c.Callbacks == nil {
		return nil
	}
	return e.openCallbacks(ctx, work.Worker.ID)
}

// openCallbacks makes the queue deliver callbacks. No event is missed from then on.
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

// Start lets the engine work until Stop. It never blocks. A second call fails, and
// one after Drain or Stop is ErrStopped.
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
	if e.callbacks != nil {
		e.callbacks.Start()
	}
	return nil
}

// Drain takes nothing new, and ends waits with ErrStopped. Webhooks are still kept,
// so that a program may end its web server next, and then Stop. Repeated calls are
// fine.
func (e *Engine) Drain() {
	e.calls.shut()
	e.orchestrator.Drain()
	if e.callbacks != nil {
		e.callbacks.Drain()
	}
	e.calls.clear()
}

// Stop drains, finishes the creates that are under way or hands them back, and
// closes what Open opened, within about ten seconds unless the rows of a
// SubmitBatch block. What is not finished stays in the database for whoever opens
// it next. A webhook that comes later is answered 503, and the vendor repeats it.
// Repeated calls return what the first one did.
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

// close ends what is there: after Open has failed, that is not everything.
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
	if e.orchestrator != nil {
		e.orchestrator.Stop()
	}
	e.calls.wait()
	if e.store != nil && e.cfg.Store == nil {
		errs = append(errs, e.store.Close())
	}
	if e.client != nil {
		e.client.CloseIdleConnections()
	}
	return errors.Join(errs...)
}

// Store is where everything is kept: batches, jobs, results and events can be read
// from it. It is closed by Stop, unless it came with the Config.
func (e *Engine) Store() jobs.Store { return e.store }

// Orchestrator cancels and retries jobs and batches, and has the single steps.
func (e *Engine) Orchestrator() *orchestrator.Orchestrator { return e.orchestrator }

// Client calls the vendor, for pictures and other outputs of screenshots. Creates
// are the engine's to make: one by this client is no job's.
func (e *Engine) Client() *client.Client { return e.client }

// Queue tells what it is and whether it takes tasks.
func (e *Engine) Queue() *tasks.Queue { return e.queue }
