package simulation

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing/synctest"
	"time"
)

const (
	// faultMoves is the number of moves with faults. A seed with callbacks makes
	// callbackMoves more, and one with files fileMoves.
	faultMoves    = 900
	callbackMoves = 300
	fileMoves     = 400
	// longestWait is how long a process may wait between two instructions. Nothing
	// is promised for a process that sleeps for longer than its lease.
	longestWait = time.Second
	// maxHeld is the number of deliveries that a store holds.
	maxHeld = 6
	// endsIn is the time of promise P8, which begins when the faults end.
	endsIn = jobTimeout + deadlineGrace + settle + time.Minute
)

// Violation is a broken promise.
type Violation struct {
	Promise string
	Details string
}

func (v Violation) String() string { return v.Promise + ": " + v.Details }

// Figures count the events of a run.
type Figures struct {
	Moves, Crashes, Creates, Reads, Webhooks, Jobs, Outages, Calls, Fetches int
}

// Outcome is the result of a seed. The same seed always has the same Hash.
type Outcome struct {
	Hash       string
	Violations []Violation
	Figures    Figures
	Trace      []string
}

// profile sets the kind and frequency of a seed's faults. Its field names are
// part of the trace and so of the hash.
type profile struct {
	processes      int // that serve
	concurrency    int // 0: adaptive
	lag            time.Duration
	firstTagOnly   bool
	costless       bool // responses of creates have no cost
	productDialect bool
	shortPages     bool
	createFaults   float64
	readFaults     float64
	cached         float64
	slow           float64 // of screenshots that take about as long as a deadline
	sluggish       float64 // of the closer's turns in which it does nothing
	forged         float64
	dropped        float64
	delayed        float64
	repeated       float64
	contradicted   float64
	stuckTasks     float64
	crashes        float64 // per move
	dooms          float64 // per step of the store: a crash around its commit
	stalls         float64 // per move
	outages        float64
	calls          bool    // callbacks are enabled
	sinks          int     // number of sinks
	callbacks      float64 // of the batches and single jobs with a callback URL
	unheard        float64 // of calls that the target does not accept, or does not answer
	mute           string  // a host that is always down
	hidden         float64 // of lost creates that no listing shows for a long time
	crowd          bool    // other programs on the account make screenshots
	unpolled       bool    // the vendor is not polled
	files          bool    // outputs are saved as files
}

func newProfile(d *random) profile {
	often := func(p float64) float64 { return []float64{0, p / 4, p, p}[d.upTo(4)] }
	p := profile{
		processes:   1 + d.upTo(3),
		concurrency: []int{0, 1, 2, 4}[d.upTo(4)],
		// Lag is below the settle time. Beyond it double charges are possible.
		lag:            []time.Duration{0, settle / 2, settle - 200*time.Millisecond}[d.upTo(3)],
		firstTagOnly:   d.chance(0.4),
		costless:       d.chance(0.4),
		productDialect: d.chance(0.5),
		shortPages:     d.chance(0.3),
		createFaults:   often(0.4),
		readFaults:     often(0.3),
		cached:         often(0.05),
		slow:           []float64{0.15, 0.15, 0.6}[d.upTo(3)],
		sluggish:       often(0.95),
		forged:         often(0.3),
		dropped:        often(0.4),
		delayed:        often(0.3),
		repeated:       often(0.3),
		contradicted:   often(0.15),
		stuckTasks:     often(0.1),
		crashes:        often(0.006),
		dooms:          often(0.02),
		stalls:         often(0.01),
		outages:        often(0.004),
	}
	if d.chance(0.5) { // without callbacks, nothing delays the other work
		p.calls = true
		p.sinks = d.upTo(len(sinks) + 1)
		p.callbacks = 0.8
		p.unheard = often(0.5)
		p.mute = oneOf(d, append([]string{"", "", "", ""}, hosts...))
	}
	if d.chance(0.3) { // without hidden screenshots, nothing is paid for twice
		p.hidden = 0.5
	}
	p.crowd = d.chance(0.6) && p.sinks == 0 // a sink that is down would take too long
	p.unpolled = d.chance(0.3)
	p.files = d.chance(0.35)
	return p
}

// world is one seed's run: the simulated surroundings and the scheduler.
type world struct {
	path    string
	random  *random
	trace   *trace
	profile profile
	stops   stops

	vendor   vendor
	webhooks webhookSender
	queue    queue
	checker  *checker
	operator operator
	targets  targets
	folders  folders
	budgets  *budgets

	processes    []*process // alive
	launched     int
	diskFull     atomic.Bool
	faultFree    bool
	checkedEvent int64 // the newest event that the rules have checked

	mu         sync.Mutex
	violations []Violation
	figures    Figures
}

// Play runs one seed in dir, which must be empty. It must be called in a synctest
// bubble, whose clock is the clock of the simulation.
func Play(seed uint64, dir string, everyLine bool) Outcome {
	w := &world{path: filepath.Join(dir, "simulation.db"), random: newRandom(seed), trace: newTrace(everyLine, dir)}
	w.profile = newProfile(w.random)
	w.vendor.w, w.webhooks.w, w.queue.w, w.operator.w = w, w, w, w
	w.targets = targets{w: w, downUntil: map[string]time.Time{}, callbacks: map[callbackKey]*sentCallback{}}
	w.vendor.fetches = map[outputKey]*fetches{}
	w.folders.root = filepath.Join(dir, "files")
	w.trace.add("seed %d: %+v", seed, w.profile)
	w.budgets = newBudgets(w, seed)
	w.launch("serve")
	w.checker = newChecker(w)
	defer w.end()
	if w.profile.files {
		w.operator.orderFiles("")
	}
	w.budgets.begin()
	w.runFaults()
	w.runToEnd()
	if !w.failed() {
		w.checker.audit()
	}
	return Outcome{Hash: w.trace.hash(), Violations: w.violations, Figures: w.figures, Trace: w.trace.lines()}
}

// fail records a broken promise. The run ends at the next move.
func (w *world) fail(promise, format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := Violation{promise, fmt.Sprintf(format, args...)}
	w.violations = append(w.violations, v)
	w.trace.add("VIOLATION %s", v)
}

func (w *world) failed() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.violations) > 0
}

// runFaults makes random moves with faults.
func (w *world) runFaults() {
	steps := faultMoves
	if w.profile.calls {
		steps += callbackMoves
	}
	if w.profile.files {
		steps += fileMoves
	}
	for range steps {
		if w.failed() {
			return
		}
		w.figures.Moves++
		w.stall()
		w.move()
		w.checkState()
	}
}

// checkState removes processes that have ended, and checks the promises if the
// file has changed.
func (w *world) checkState() {
	synctest.Wait()
	w.processes = slices.DeleteFunc(w.processes, func(p *process) bool {
		switch {
		case p.isDead():
			w.trace.add("%s has died", p.name)
			w.figures.Crashes++
			p.closeDead()
			return true
		case p.draining && p.idle():
			w.trace.add("%s has ended", p.name)
			p.closeDead()
			return true
		}
		return false
	})
	version := w.checker.version
	if w.checker.compareJobs(); w.checker.version != version {
		w.checker.checkRules()
	}
}

// release lets a goroutine continue. Its process might crash around the next
// commit.
func (w *world) release(s *stop) {
	w.trace.add("%s", s.name)
	crashes := !w.faultFree && w.random.chance(w.profile.dooms*s.commitWeight())
	if crashes {
		s.process.crashAt.Store(int32(oneOf(w.random, []crashPoint{beforeCommit, afterCommit})))
	}
	w.stops.release(s)
	if crashes {
		s.process.crashAt.Store(int32(noCrash))
	}
}

// advance lets time pass. It first releases goroutines that would otherwise wait
// too long.
func (w *world) advance(d time.Duration) {
	for {
		waiting := w.stops.waiting()
		if len(waiting) == 0 {
			break
		}
		first := oldest(waiting)
		if time.Since(first.since)+d <= longestWait {
			break
		}
		w.release(first)
	}
	time.Sleep(d)
	synctest.Wait()
}

// serving returns the processes that receive webhooks and run tasks.
func (w *world) serving() []*process {
	var found []*process
	for _, p := range w.processes {
		if !p.draining && !p.isDead() && p.stalled.IsZero() {
			found = append(found, p)
		}
	}
	return found
}

// end closes everything that is still open.
func (w *world) end() {
	for _, p := range w.processes {
		p.kill()
	}
	time.Sleep(max(2*requestTimeout, callHang)) // creates and calls without a response
	synctest.Wait()
	w.checker.close()
}

// Dir makes a folder for the database of a seed. It is in memory if the system
// supports that, because the simulation does not test fsync. The function remove
// deletes it.
func Dir() (dir string, remove func() error, err error) {
	parent := "/dev/shm"
	if info, statErr := os.Stat(parent); statErr != nil || !info.IsDir() {
		parent = ""
	}
	dir, err = os.MkdirTemp(parent, "shotline-simulation-")
	return dir, func() error { return os.RemoveAll(dir) }, err
}
