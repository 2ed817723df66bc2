package simulation

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/mattn/go-sqlite3"

	"shotline/jobs"
	"shotline/jobs/sqlite"
	"shotline/orchestrator"
	"shotline/orchestrator/callback"
	"shotline/orchestrator/download"
	"shotline/receiver"
	"shotline/receiver/signature"
)

// Durations of every process. They are short in comparison with the defaults.
const (
	jobTimeout     = 20 * time.Second
	deadlineGrace  = 10 * time.Second
	requestTimeout = 2 * time.Second
	settle         = 5 * time.Second
	sweepEvery     = 2 * time.Second
)

var errDied = errors.New("the process has died")

// crashPoint is where in a commit a process will die.
type crashPoint int32

const (
	noCrash crashPoint = iota
	beforeCommit
	afterCommit
)

// process is one Shotline process: the real orchestrator and receiver over a real
// store on the shared file.
type process struct {
	w     *world
	name  string
	store *sqlite.Store
	*orchestrator.Orchestrator
	port      storePort
	hook      http.Handler
	callbacks *callback.Deliverer // nil unless it serves
	files     *download.Worker    // nil unless it serves
	ctx       context.Context
	cancel    context.CancelFunc

	dead     atomic.Bool
	crashAt  atomic.Int32
	draining bool
	stalled  time.Time // when its stall ends; zero if it does not stall
	lastPoll time.Time

	mu    sync.Mutex
	busy  map[string]bool // activities that are running
	swept time.Time       // when the last sweep began
}

// launch starts a process, which opens the file again.
func (w *world) launch(kind string) *process {
	w.launched++
	p := &process{w: w, name: fmt.Sprintf("%s%d", kind, w.launched), busy: map[string]bool{}, lastPoll: time.Now()}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	var err error
	if p.store, err = sqlite.Open(p.ctx, w.path, sqlite.WithReaders(1), sqlite.WithMaxHeld(maxHeld), sqlite.WithCommitHook(p.commit)); err != nil {
		w.fail("P2", "open the database: %v", err)
		return nil
	}
	p.port = storePort{callbackPort{port{p.store, &w.stops, w}}}
	log := slog.New(traceLog{t: w.trace, from: p.name})
	p.Orchestrator, err = orchestrator.New(orchestrator.Config{
		Worker: jobs.Worker{ID: p.name, Role: kind}, Apps: []jobs.App{{ID: "7"}},
		JobTimeout: jobTimeout, DeadlineGrace: deadlineGrace, RequestTimeout: requestTimeout, Settle: settle,
		SweepEvery: sweepEvery, Concurrency: w.profile.concurrency, MaxHeld: maxHeld,
	}, orchestrator.Parts{
		Store: p.port, Vendor: vendorPort{w}, Queue: queuePort{w}, Clock: orchestrator.SystemClock{}, Logger: log,
	})
	if err != nil {
		panic(err)
	}
	verifier, err := signature.New([]string{webhookSecret}, nil)
	if err != nil {
		panic(err)
	}
	if p.hook, err = receiver.New(receiver.Config{Inbox: p.Orchestrator, Verifier: verifier}); err != nil {
		panic(err)
	}
	w.trace.add("%s starts", p.name)
	if kind == "serve" {
		p.openCallbacks(log)
		p.openFiles(log)
	}
	w.processes = append(w.processes, p)
	return p
}

// openCallbacks must run before the process takes any work.
func (p *process) openCallbacks(log *slog.Logger) {
	config := callback.Config{Worker: p.name, Secrets: []string{callbackSecret}, Retry: callbackRetry, Concurrency: 2, Slots: 4}
	for _, spec := range sinks[:p.w.profile.sinks] {
		sink, err := callback.ParseSink(spec)
		if err != nil {
			panic(err)
		}
		config.Sinks = append(config.Sinks, sink)
	}
	var err error
	p.callbacks, err = callback.New(config, callback.Parts{
		Store: p.port.callbackPort, Queue: queuePort{p.w}, Now: p.now, Logger: log,
		Transport: &p.w.targets, Random: p.w.random.float,
	})
	if err != nil {
		panic(err)
	}
	if err := p.callbacks.Open(p.ctx); err != nil {
		p.w.fail("P5", "open the callbacks: %v", err)
	}
}

// now returns the time of the shared clock, in the precision of the store.
func (p *process) now() time.Time { return orchestrator.SystemClock{}.Now() }

func (p *process) isDead() bool { return p.dead.Load() }

// commit is the store's commit hook, which is called before and after every
// commit.
func (p *process) commit(committed bool) error {
	switch {
	case p.isDead():
		return errDied
	case !committed && p.w.diskFull.Load():
		return sqlite3.Error{Code: sqlite3.ErrFull}
	case !committed && p.crashAt.CompareAndSwap(int32(beforeCommit), int32(noCrash)),
		committed && p.crashAt.CompareAndSwap(int32(afterCommit), int32(noCrash)):
		p.dead.Store(true)
		return errDied
	}
	return nil
}

// begin starts an activity. Only one activity of a name may run at a time. The
// function ended receives whether the activity finished, and its error.
func (p *process) begin(name string, do func(context.Context) error, ended func(finished bool, err error)) {
	p.mu.Lock()
	p.busy[name] = true
	p.mu.Unlock()
	p.w.trace.add("%s begins %s", p.name, name)
	faultFree := p.w.faultFree
	ctx := context.WithValue(p.ctx, activityKey{}, &activity{process: p, name: name})
	go func() {
		var err error
		finished := false
		defer func() {
			p.mu.Lock()
			delete(p.busy, name)
			p.mu.Unlock()
			if finished && err != nil {
				p.w.trace.add("%s: %s failed: %v", p.name, name, err)
				if faultFree {
					p.w.checker.checkError(name, err)
				}
			}
			if ended != nil {
				ended(finished, err)
			}
		}()
		err = do(ctx)
		finished = !p.isDead()
	}()
}

func (p *process) isBusy(name string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.busy[name]
}

func (p *process) idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.busy) == 0
}

// once begins an activity unless it is already running.
func (p *process) once(name string, do func(context.Context) error) {
	if !p.isBusy(name) {
		p.begin(name, do, nil)
	}
}

func (p *process) closeInbox() {
	if !p.w.faultFree && p.w.random.chance(p.w.profile.sluggish) {
		return
	}
	p.once("close", func(ctx context.Context) error {
		for {
			applied, err := p.CloseOnce(ctx)
			if err != nil || !applied.More {
				return err
			}
		}
	})
}

func (p *process) watch() { p.once("watch", p.WatchOnce) }

func (p *process) watchEvents() { p.once("tell", p.callbacks.WatchOnce) }

func (p *process) sweep() {
	p.swept = time.Now()
	p.once("sweep", p.SweepOnce)
}

func (p *process) poll() {
	age := time.Since(p.lastPoll)
	p.lastPoll = time.Now()
	p.once("poll", func(ctx context.Context) error {
		_, err := p.PollOnce(ctx, age)
		return err
	})
}

// handle runs a task.
func (p *process) handle(ctx context.Context, t *task) error {
	switch t.kind {
	case "submit":
		return p.each(ctx, t, p.SubmitBatch)
	case "deadlines":
		return p.CheckDeadlines(ctx)
	case "callback":
		return p.callbacks.Deliver(ctx, t.callback, t.generation, t.lane)
	case "files":
		return p.files.FetchFiles(ctx)
	default:
		return p.each(ctx, t, p.SummarizeBatch)
	}
}

// each calls do for all batches of a task.
func (p *process) each(ctx context.Context, t *task, do func(ctx context.Context, batch string) error) error {
	err := do(ctx, t.batch)
	for _, batch := range t.more {
		err = errors.Join(err, do(ctx, batch))
	}
	return err
}

// drain asks a process to shut down cleanly.
func (p *process) drain() {
	p.w.trace.add("%s drains", p.name)
	p.draining = true
	p.Drain()
	if p.files != nil {
		p.files.Drain()
	}
}

// kill stops a process at its current point.
func (p *process) kill() {
	p.dead.Store(true)
	p.w.trace.add("%s dies", p.name)
	p.closeDead()
}

// closeDead releases the resources of a process that has ended.
func (p *process) closeDead() {
	p.cancel()
	p.w.stops.releaseAll(p)
	if err := p.store.Close(); err != nil {
		p.w.fail("P2", "close: %v", err)
	}
}
