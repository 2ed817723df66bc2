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

// stops holds the goroutines that wait at stop points: before and after each step
// of the store, each vendor call and each enqueue. The scheduler releases one at
// a time, so one seed is one interleaving. Goroutines of a dead process end at
// their stop point.
type stops struct {
	mu     sync.Mutex
	parked []*stop
}

// stop is one goroutine that waits at a stop point.
type stop struct {
	process *process
	name    string // unique among the waiting goroutines
	since   time.Time
	open    chan struct{}
}

// rareSteps are the steps that occur only a few times in a run.
var rareSteps = []string{"open batch ", "save summary ", "retry ", "cancel ", "amend ", "settle "}

// commitWeight returns 0 if no commit follows, 1 if one follows, and more if it
// is a rare one.
func (s *stop) commitWeight() float64 {
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
	attempt int // for a callback: the turn in which its begin was recorded
}

func activityOf(ctx context.Context) *activity {
	a, ok := ctx.Value(activityKey{}).(*activity)
	if !ok {
		panic("simulation: a call without the context of an activity")
	}
	return a
}

func inActivity(ctx context.Context) bool { return ctx.Value(activityKey{}) != nil }

// at blocks the caller until the scheduler releases it. If the process has died,
// at ends the goroutine.
func (s *stops) at(ctx context.Context, format string, args ...any) {
	if s.wait(ctx, format, args...) != nil {
		runtime.Goexit()
	}
}

// wait is like at, but returns an error if the process has died. It is for
// goroutines that others wait for, and that must therefore return.
func (s *stops) wait(ctx context.Context, format string, args ...any) error {
	a := activityOf(ctx)
	if a.process.isDead() {
		return errDied
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
		return errDied
	}
	return nil
}

// waiting returns the waiting goroutines that may continue.
func (s *stops) waiting() []*stop {
	return slices.DeleteFunc(s.all(), func(each *stop) bool { return !each.process.stalled.IsZero() })
}

// restart sets the start of the wait of a process's goroutines to now.
func (s *stops) restart(p *process) {
	for _, each := range s.all() {
		if each.process == p {
			each.since = time.Now()
		}
	}
}

// all returns all waiting goroutines. Their order does not depend on how the
// goroutines were scheduled.
func (s *stops) all() []*stop {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortStableFunc(s.parked, func(a, b *stop) int { return strings.Compare(a.name, b.name) })
	return slices.Clone(s.parked)
}

// release lets one goroutine continue. It returns when the goroutine waits again
// or has ended.
func (s *stops) release(which *stop) {
	s.mu.Lock()
	s.parked = slices.DeleteFunc(s.parked, func(other *stop) bool { return other == which })
	s.mu.Unlock()
	close(which.open)
	synctest.Wait()
}

// releaseAll releases all goroutines of a dead process, which then end.
func (s *stops) releaseAll(dead *process) {
	for _, each := range s.all() {
		if each.process == dead {
			s.release(each)
		}
	}
}

// oldest returns the stop that has waited longest.
func oldest(waiting []*stop) *stop {
	return slices.MinFunc(waiting, func(a, b *stop) int {
		if c := a.since.Compare(b.since); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
}

// random is a seed's source of random numbers. It is safe for concurrent use,
// although only one goroutine draws at a time.
type random struct {
	mu sync.Mutex
	r  *rand.Rand
}

func newRandom(seed uint64) *random { return &random{r: rand.New(rand.NewPCG(seed, 0x5b07))} }

// upTo returns a number from 0 to n-1.
func (d *random) upTo(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.IntN(n)
}

// chance returns true with probability p.
func (d *random) chance(p float64) bool {
	return d.float() < p
}

// float returns a number in [0, 1).
func (d *random) float() float64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.Float64()
}

// span returns a duration in whole milliseconds, in [low, high).
func (d *random) span(low, high time.Duration) time.Duration {
	if high <= low {
		return low
	}
	return low + time.Duration(d.upTo(int((high-low)/time.Millisecond)))*time.Millisecond
}

// oneOf returns a random element.
func oneOf[T any](d *random, of []T) T { return of[d.upTo(len(of))] }
