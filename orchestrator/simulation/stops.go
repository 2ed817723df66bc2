package simulation

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing/synctest"
	"time"
)

// stops is where the code under test waits at its seams: before and after
// each step of the store, each vendor call, each enqueueing. The scheduler
// lets one go on at a time, so that one seed is one interleaving. What a dead
// process has under way ends here.
type stops struct {
	mu     sync.Mutex
	parked []*stop
}

// stop is one goroutine that waits at a seam.
type stop struct {
	process *process
	name    string // tells it apart from all others that wait
	since   time.Time
	open    chan struct{}
}

// rareSteps are those that come a few times in a run.
var rareSteps = []string{"open batch ", "save summary ", "retry ", "cancel "}

// commits is 0 where nothing is committed next, 1 where something is, and more
// where that comes rarely.
func (s *stop) commits() float64 {
	_, step, found := strings.Cut(s.name, ": store: ")
	switch {
	case !found:
		return 0
	case slices.ContainsFunc(rareSteps, func(rare string) bool { return strings.HasPrefix(step, rare) }):
		return 8
	}
	return 1
}

type activityKey struct{}

// activity is one step of one process that the scheduler has begun.
type activity struct {
	process *process
	name    string
	attempt int // at a callback: the turn in which it was recorded to begin
}

func activityOf(ctx context.Context) *activity {
	a, ok := ctx.Value(activityKey{}).(*activity)
	if !ok {
		panic("simulation: a call without the context of an activity")
	}
	return a
}

func inActivity(ctx context.Context) bool { return ctx.Value(activityKey{}) != nil }

// at parks the caller until the scheduler lets it go on. It does not return
// when the process has died.
func (s *stops) at(ctx context.Context, format string, args ...any) {
	a := activityOf(ctx)
	if a.process.isDead() {
		runtime.Goexit()
	}
	here := &stop{
		process: a.process, since: time.Now(), open: make(chan struct{}),
		name: a.process.name + " " + a.name + ": " + fmt.Sprintf(format, args...),
	}
	s.mu.Lock()
	s.parked = append(s.parked, here)
	s.mu.Unlock()
	<-here.open
	if a.process.isDead() {
		runtime.Goexit()
	}
}

// waiting lists who waits and may go on.
func (s *stops) waiting() []*stop {
	return slices.DeleteFunc(s.all(), func(each *stop) bool { return !each.process.stalled.IsZero() })
}

// restart counts the wait of a process's goroutines from now.
func (s *stops) restart(p *process) {
	for _, each := range s.all() {
		if each.process == p {
			each.since = time.Now()
		}
	}
}

// all lists who waits, in an order that does not depend on how the goroutines
// happened to run.
func (s *stops) all() []*stop {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortStableFunc(s.parked, func(a, b *stop) int { return strings.Compare(a.name, b.name) })
	return slices.Clone(s.parked)
}

// release lets one go on and returns when it waits again, or has ended.
func (s *stops) release(which *stop) {
	s.mu.Lock()
	s.parked = slices.DeleteFunc(s.parked, func(other *stop) bool { return other == which })
	s.mu.Unlock()
	close(which.open)
	synctest.Wait()
}

// releaseAll lets everything of a dead process run into its end.
func (s *stops) releaseAll(dead *process) {
	for _, each := range s.all() {
		if each.process == dead {
			s.release(each)
		}
	}
}

// oldest is who has waited longest of those given.
func oldest(waiting []*stop) *stop {
	return slices.MinFunc(waiting, func(a, b *stop) int {
		if c := a.since.Compare(b.since); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
}

// dice are one seed's chances. Safe for concurrent use, though only one
// goroutine throws at a time.
type dice struct {
	mu sync.Mutex
	r  *rand.Rand
}

func newDice(seed uint64) *dice { return &dice{r: rand.New(rand.NewPCG(seed, 0x5b07))} }

// upTo is from 0 to n-1.
func (d *dice) upTo(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.IntN(n)
}

// chance is true with probability p.
func (d *dice) chance(p float64) bool {
	return d.float() < p
}

// float is from 0 to below 1.
func (d *dice) float() float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.Float64()
}

// span is a duration in whole milliseconds, from low to below high.
func (d *dice) span(low, high time.Duration) time.Duration {
	if high <= low {
		return low
	}
	return low + time.Duration(d.upTo(int((high-low)/time.Millisecond)))*time.Millisecond
}

// oneOf takes one of several.
func oneOf[T any](d *dice, of []T) T { return of[d.upTo(len(of))] }
