package simulation

import (
	"flag"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

var (
	seeds     = flag.Int("seeds", 40, "number of seeds to run; at most 8 with -short")
	first     = flag.Uint64("first", 1, "the first seed")
	lines     = flag.Bool("lines", false, "print every line of the trace")
	stopEarly = flag.Bool("stop", false, "start no further seed after a broken promise")
)

// play runs one seed in its own synctest bubble.
func play(t *testing.T, seed uint64) (outcome Outcome) {
	t.Helper()
	dir, remove, err := Dir()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(*testing.T) { outcome = Play(seed, dir, *lines) })
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	return outcome
}

// TestSeeds runs the seeds in order, as many at a time as there are cores.
func TestSeeds(t *testing.T) {
	n := *seeds
	if testing.Short() {
		n = min(n, 4)
	}
	last := *first + uint64(n)
	var all total
	var next, failed atomic.Uint64
	next.Store(*first)
	failed.Store(last)
	var players sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		players.Go(func() {
			for seed := next.Add(1) - 1; seed < last; seed = next.Add(1) - 1 {
				if *stopEarly && failed.Load() < seed {
					return
				}
				if !t.Run(fmt.Sprint(seed), func(t *testing.T) { playSeed(t, seed, &all) }) {
					failed.Store(seed)
				}
			}
		})
	}
	players.Wait()
	fmt.Println(&all)
}

// total is the sum over all seeds. It is safe for concurrent use.
type total struct {
	mu    sync.Mutex
	seeds int
	hash  uint64 // of all traces, independent of their order
	Figures
}

func (a *total) add(o Outcome) {
	a.mu.Lock()
	defer a.mu.Unlock()
	one, err := strconv.ParseUint(o.Hash, 16, 64)
	if err != nil {
		panic(err)
	}
	a.seeds++
	a.hash ^= one
	f := o.Figures
	a.Moves += f.Moves
	a.Crashes += f.Crashes
	a.Outages += f.Outages
	a.Jobs += f.Jobs
	a.Creates += f.Creates
	a.Reads += f.Reads
	a.Webhooks += f.Webhooks
	a.Calls += f.Calls
	a.Fetches += f.Fetches
}

func (a *total) String() string {
	return fmt.Sprintf("%d seeds, hash %016x: %d moves, %d crashes and %d outages; %d rows, %d creates, %d other vendor calls, %d webhooks, %d calls of callbacks, %d of files",
		a.seeds, a.hash, a.Moves, a.Crashes, a.Outages, a.Jobs, a.Creates, a.Reads, a.Webhooks, a.Calls, a.Fetches)
}

func playSeed(t *testing.T, seed uint64, all *total) {
	outcome := play(t, seed)
	all.add(outcome)
	if *lines {
		fmt.Println(strings.Join(outcome.Trace, "\n"))
	}
	for _, v := range outcome.Violations {
		t.Errorf("seed %d breaks %s", seed, v)
	}
	if t.Failed() {
		t.Logf("end of the trace:\n%s", strings.Join(outcome.Trace[max(0, len(outcome.Trace)-60):], "\n"))
		t.Logf("to repeat it with the full trace: make simulate FIRST=%d SEEDS=1 LINES=1", seed)
	}
	t.Logf("seed %d: hash %s, %+v", seed, outcome.Hash, outcome.Figures)
}

// TestSameSeedSameTrace checks that a seed always gives the same interleaving,
// whatever else the machine does.
func TestSameSeedSameTrace(t *testing.T) {
	n := uint64(6)
	if testing.Short() {
		n = 1
	}
	for seed := range n {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			one, other := play(t, seed), play(t, seed)
			if one.Hash == other.Hash {
				return
			}
			t.Errorf("seed %d: hashes %s and %s", seed, one.Hash, other.Hash)
		})
	}
}
