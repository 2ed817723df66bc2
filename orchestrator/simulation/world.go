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
	// stormSteps is how many moves a storm has, and callSteps how many more where
	// programs are called back.
	stormSteps = 900
	callSteps  = 300
	// longestWait is how long a process may stand between two instructions: a
	// process that sleeps for longer than its lease is not promised anything.
	longestWait = time.Second
	// mostHeld is how many deliveries a store holds.
	mostHeld = 6
	// settlesIn is promise P8, from the end of the storm.
	settlesIn = jobTimeout + deadlineGrace + settle + time.Minute
)

// Violation is a promise that did not hold.
type Violation struct {
	Promise string
	What    string
}

func (v Violation) String() string { return v.Promise + ": " + v.What }

// Figures are what a run went through.
type Figures struct {
	Moves, Crashes, Creates, Reads, Webhooks, Jobs, Outages, Calls int
}

// Outcome is what came of a seed. The same seed has the same Hash.
type Outcome struct {
	Hash       string
	Violations []Violation
	Figures    Figures
	Trace      []string
}

// profile is how bad a seed's world is.
type profile struct {
	processes      int // that serve
	concurrency    int // 0: adaptive
	lag            time.Duration
	firstTagOnly   bool
	costless       bool // creates do not tell the cost
	productDialect bool
	shortPages     bool
	createFaults   float64
	readFaults     float64
	cached         float64
	slow           float64 // screenshots about as long as a deadline
	sluggish       float64 // of the closer's turns: it does nothing
	forged         float64
	dropped        float64
	delayed        float64
	repeated       float64
	contradicted   float64
	stuckTasks     float64
	crashes        float64 // of each move
	dooms          float64 // of each step of the store: a crash around its commit
	stalls         float64 // of each move
	outages        float64
	calls          bool    // programs are called back
	sinks          int     // so many of them
	callbacks      float64 // of the batches and single jobs: they name a URL
	unheard        float64 // of calls: the target does not take them, or says nothing
	mute           string  // a host that takes nothing
	hidden         float64 // of lost creates: no listing shows them for long
	crowd          bool    // other programs on the account make screenshots, too
}

func newProfile(d *dice) profile {
	often := func(p float64) float64 { return []float64{0, p / 4, p, p}[d.upTo(4)] }
	p := profile{
		processes:   1 + d.upTo(3),
		concurrency: []int{0, 1, 2, 4}[d.upTo(4)],
		// Below the settle time: beyond it a double charge is not excluded.
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
	if d.chance(0.5) { // in the other half nothing keeps the rest from happening
		p.calls = true
		p.sinks = d.upTo(len(sinks) + 1)
		p.callbacks = 0.8
		p.unheard = often(0.5)
		p.mute = oneOf(d, append([]string{"", "", "", ""}, hosts...))
	}
	if d.chance(0.3) { // in the others nothing is paid twice
		p.hidden = 0.5
	}
	p.crowd = d.chance(0.6) && p.sinks == 0 // a sink that takes nothing would take too long
	return p
}

// world is one seed's run: everything that is not ours, and the scheduler.
type world struct {
	path    string
	dice    *dice
	trace   *trace
	profile profile
	stops   stops

	vendor   vendor
	courier  courier
	queue    queue
	books    *books
	clerk    clerk
	audience audience

	processes []*process // alive
	launched  int
	diskFull  atomic.Bool
	calm      bool
	event     int64 // the newest one that the rules have seen

	mu         sync.Mutex
	violations []Violation
	figures    Figures
}

// Play runs one seed in dir, which must be empty, inside of a synctest bubble:
// its clock is the simulation's.
func Play(seed uint64, dir string, everyLine bool) Outcome {
	w := &world{path: filepath.Join(dir, "simulation.db"), dice: newDice(seed), trace: newTrace(everyLine)}
	w.profile = newProfile(w.dice)
	w.vendor.w, w.courier.w, w.queue.w, w.clerk.w = w, w, w, w
	w.audience = audience{w: w, away: map[string]time.Time{}, tellings: map[tellingKey]*telling{}}
	w.trace.add("seed %d: %+v", seed, w.profile)
	w.launch("serve")
	w.books = newBooks(w)
	defer w.end()
	w.storm()
	w.settle()
	if !w.failed() {
		w.books.audit()
	}
	return Outcome{Hash: w.trace.hash(), Violations: w.violations, Figures: w.figures, Trace: w.trace.lines()}
}

// fail notes a broken promise; the run ends at the next move.
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

// storm takes moves at random while everything goes wrong.
func (w *world) storm() {
	steps := stormSteps
	if w.profile.calls {
		steps += callSteps
	}
	for range steps {
		if w.failed() {
			return
		}
		w.figures.Moves++
		w.stall()
		w.move()
		w.look()
	}
}

// look finds out who has died and compares what changed with the promises.
func (w *world) look() {
	synctest.Wait()
	w.processes = slices.DeleteFunc(w.processes, func(p *process) bool {
		switch {
		case p.isDead():
			w.trace.add("%s has died", p.name)
			w.figures.Crashes++
			p.bury()
			return true
		case p.draining && p.idle():
			w.trace.add("%s has ended", p.name)
			p.bury()
			return true
		}
		return false
	})
	version := w.books.version
	if w.books.look(); w.books.version != version {
		w.books.hold()
	}
}

// release lets a process go on, perhaps into a crash around its next commit.
func (w *world) release(s *stop) {
	w.trace.add("%s", s.name)
	doomed := !w.calm && w.dice.chance(w.profile.dooms*s.commits())
	if doomed {
		s.process.doom.Store(int32(oneOf(w.dice, []doom{beforeCommit, afterCommit})))
	}
	w.stops.release(s)
	if doomed {
		s.process.doom.Store(int32(spared))
	}
}

// pass lets time go by, not so much that somebody waits too long.
func (w *world) pass(d time.Duration) {
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

// serving are the processes that receive webhooks and run tasks.
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
	time.Sleep(max(2*requestTimeout, callHang)) // creates and calls that nobody answers
	synctest.Wait()
	w.books.close()
}

// Dir makes a folder for a seed's file, in memory where the system has such:
// what fsync does is not the simulation's matter. Remove ends it.
func Dir() (dir string, remove func() error, err error) {
	parent := "/dev/shm"
	if info, statErr := os.Stat(parent); statErr != nil || !info.IsDir() {
		parent = ""
	}
	dir, err = os.MkdirTemp(parent, "shotline-simulation-")
	return dir, func() error { return os.RemoveAll(dir) }, err
}
