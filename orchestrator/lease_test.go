package orchestrator

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"shotline/client"
	"shotline/jobs"
	"shotline/orchestrator/throttle"
)

func TestNoCreateIsSentOnAShortLease(t *testing.T) {
	t.Parallel()
	r := newRig(t, one)
	r.load(1)
	b := r.batch()
	now := r.clock.Now()
	leases, err := r.store.Lease(r.ctx(), rigBatch, "worker1", 1, now, now.Add(longestLease))
	r.must(err)
	// The clock jumps between the commit of the intent and the create.
	slow := &slowIntents{Store: r.store, clock: r.clock}
	r.Orchestrator.store = slow
	slot, err := r.throttle.Acquire(r.ctx(), 0)
	r.must(err)
	r.submit(r.ctx(), &slice{batch: b}, leases[0], slot)
	if got := r.vendor.sent(); got != 0 {
		t.Errorf("got %d creates on a lease that ends before the request timeout", got)
	}
	r.expect(map[jobs.State]int64{jobs.Queued: 1})
}

// slowIntents is a store in which opening an intent takes almost a whole lease.
type slowIntents struct {
	Store
	clock *fakeClock
}

func (s *slowIntents) OpenIntent(ctx context.Context, lease jobs.Lease, at, expiry time.Time) (jobs.Lease, error) {
	got, err := s.Store.OpenIntent(ctx, lease, at, expiry)
	s.clock.advance(longestLease - time.Second)
	return got, err
}

func TestLeaseTime(t *testing.T) {
	t.Parallel()
	for timeout, want := range map[time.Duration]time.Duration{
		2 * time.Second: 14 * time.Second, 15 * time.Second: longestLease, 25 * time.Second: longestLease,
	} {
		r := newRig(t, one, func(c *Config) { c.RequestTimeout = timeout })
		r.load(1)
		crashing := &crashAfterIntent{Store: r.store}
		r.Orchestrator.store = crashing
		r.submitAll()
		r.Orchestrator.store = crashing.Store
		r.clock.advance(want - time.Millisecond)
		r.sweep()
		if got := r.vendor.calls; got != 0 {
			t.Errorf("request timeout %s: look-up before %s", timeout, want)
		}
		r.clock.advance(time.Second)
		r.sweep()
		if got := r.vendor.calls; got == 0 {
			t.Errorf("request timeout %s: no look-up after %s", timeout, want)
		}
	}
}

// crashAfterIntent is the store of a process that opens an intent and crashes.
type crashAfterIntent struct{ Store }

func (s *crashAfterIntent) OpenIntent(ctx context.Context, lease jobs.Lease, at, expiry time.Time) (jobs.Lease, error) {
	_, err := s.Store.OpenIntent(ctx, lease, at, expiry)
	return lease, errors.Join(err, errors.New("the process crashed"))
}

func (s *crashAfterIntent) Requeue(context.Context, []jobs.Lease, time.Time) (jobs.Effects, error) {
	return jobs.Effects{}, errors.New("the process crashed")
}

// The second intent is opened while the first create is under way. Then its
// create must not be sent.
func TestIntentIsWithdrawnIfItsCreateMustWait(t *testing.T) {
	t.Parallel()
	for name, between := range map[string]func(*rig, *watchedIntents) error{
		"rate limit":  func(*rig, *watchedIntents) error { return rateLimited(7 * time.Second)(client.Screenshot{}) },
		"drain":       func(r *rig, _ *watchedIntents) error { r.Drain(); return nil },
		"slow create": func(_ *rig, w *watchedIntents) error { <-w.withdrawn; return nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, one)
			r.load(2)
			r.learnQuickCreates()
			watched := &watchedIntents{Store: r.store, reached: make(chan struct{}), withdrawn: make(chan struct{})}
			r.Orchestrator.store = watched
			r.vendor.script(func(client.Screenshot) error {
				<-watched.reached
				return between(r, watched)
			})
			r.submitAll()
			if got := r.vendor.sent(); got != 1 {
				t.Errorf("%d creates were sent, want 1", got)
			}
			b := r.batch()
			if b.Counts.Of(jobs.Submitting) != 0 || b.Counts.APICalls != 1 {
				t.Errorf("%d jobs submitting and %d calls counted, want 0 and 1", b.Counts.Of(jobs.Submitting), b.Counts.APICalls)
			}
			if got := watched.opened.Load(); got != 2 {
				t.Errorf("%d intents were opened, want 2", got)
			}
		})
	}
}

// learnQuickCreates makes the throttle open the next intent while a create is
// under way.
func (r *rig) learnQuickCreates() {
	r.t.Helper()
	slot, err := r.throttle.Acquire(r.ctx(), 0)
	r.must(err)
	r.must(slot.Ready(r.ctx()))
	slot.End(throttle.Answered(time.Millisecond))
}

// watchedIntents is a store that closes reached when the second intent is open,
// and withdrawn when an intent was withdrawn for the first time.
type watchedIntents struct {
	Store
	opened             atomic.Int32
	reached, withdrawn chan struct{}
	once               sync.Once
}

func (w *watchedIntents) OpenIntent(ctx context.Context, lease jobs.Lease, at, expiry time.Time) (jobs.Lease, error) {
	got, err := w.Store.OpenIntent(ctx, lease, at, expiry)
	if w.opened.Add(1) == 2 {
		close(w.reached)
	}
	return got, err
}

func (w *watchedIntents) Requeue(ctx context.Context, leases []jobs.Lease, at time.Time) (jobs.Effects, error) {
	effects, err := w.Store.Requeue(ctx, leases, at)
	w.once.Do(func() { close(w.withdrawn) })
	return effects, err
}
