package simulation

import (
	"flag"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

var (
	seeds = flag.Int("seeds", 200, "how many seeds are played")
	first = flag.Uint64("first", 1, "the first of them")
	lines = flag.Bool("lines", false, "print every line of the trace")
	until = flag.Bool("stop", false, "begin no seed after one that breaks a promise")
)

// play runs one seed in a bubble of its own.
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

// TestSeeds plays them in their order, as many at a time as there are cores.
func TestSeeds(t *testing.T) {
	last := *first + uint64(*seeds)
	var next, failed atomic.Uint64
	next.Store(*first)
	failed.Store(last)
	var players sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		players.Go(func() {
			for seed := next.Add(1) - 1; seed < last; seed = next.Add(1) - 1 {
				if *until && failed.Load() < seed {
					return
				}
				if !t.Run(fmt.Sprint(seed), func(t *testing.T) { playSeed(t, seed) }) {
					failed.Store(seed)
				}
			}
		})
	}
	players.Wait()
}

func playSeed(t *testing.T, seed uint64) {
	outcome := play(t, seed)
	if *lines {
		fmt.Println(strings.Join(outcome.Trace, "\n"))
	}
	for _, v := range outcome.Violations {
		t.Errorf("seed %d breaks %s", seed, v)
	}
	if t.Failed() {
		t.Logf("the last that happened:\n%s", strings.Join(outcome.Trace[max(0, len(outcome.Trace)-60):], "\n"))
		t.Logf("again, with all that happened: make simulate FIRST=%d SEEDS=1 LINES=1", seed)
	}
	t.Logf("seed %d: hash %s, %+v", seed, outcome.Hash, outcome.Figures)
}

// TestSameSeedSameTrace holds the simulation to its word: a seed is one
// interleaving, whatever else the machine does.
func TestSameSeedSameTrace(t *testing.T) {
	for seed := range uint64(12) {
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
