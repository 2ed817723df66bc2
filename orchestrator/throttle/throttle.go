// Package throttle decides when the next create may be sent: how many at once, how
// many per second, and none during a pause that the vendor asked for.
//
// Each create has one Slot. Acquire waits until the intent of a create may be
// opened, Ready waits until the create may be sent, and End ends the slot with the
// result of the create:
//
//	slot, err := t.Acquire(ctx, priority)
//	if err != nil {
//		return err
//	}
//	defer slot.End(throttle.Unused) // does nothing if the slot has ended before
//	… open the intent …
//	if err := slot.Ready(ctx); err != nil {
//		return err
//	}
//	… send the create …
//	slot.End(throttle.Answered(took))
//
// If the number of parallel creates is not fixed, it adapts. It grows with every
// success, quickly at first, and shrinks when creates fail (additive increase,
// multiplicative decrease). If most of the creates that are under way succeed in
// spite of a failure, their number is not its cause: the failure then only costs a
// pause.
package throttle

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// DefaultMax is how many creates may be under way at most unless Config says
// otherwise.
const DefaultMax = 64

const (
	firstLimit = 8

	// aheadTime is how long an intent may be expected to wait until its create may
	// be sent. It is the time that a commit takes under load, so that no create has
	// to wait for the commit of its intent.
	aheadTime = 20 * time.Millisecond
	meanOver  = 16 // creates, for the mean of how long they take

	// readyTimeout is how long an open intent waits at most. If that is not enough,
	// no intent is opened ahead for notAheadTime.
	readyTimeout = 100 * time.Millisecond
	notAheadTime = time.Second

	// catchUp is for how long the rate may be exceeded after it was not used up.
	catchUp = 50 * time.Millisecond
)

// Clock is the time that a Throttle works with.
type Clock interface {
	Now() time.Time
	// Sleep returns after d, or earlier with the context's error.
	Sleep(ctx context.Context, d time.Duration) error
}

// Config holds the bounds of a Throttle.
type Config struct {
	Fixed int     // parallel creates; 0: adaptive, up to Max
	Max   int     // DefaultMax
	Rate  float64 // creates per second; 0: no limit
}

// Throttle hands out the slots of all creates of a process. It is shared by all
// batches, because they share one account at the vendor. Safe for concurrent use.
type Throttle struct {
	clock     Clock
	rate      *rate.Limiter // nil if there is no limit
	acquiring waitlist      // of callers of Acquire that wait for a slot
	readying  waitlist      // of callers of Ready
	reserving waitlist      // of callers of Acquire that wait to be the next for the rate

	mu            sync.Mutex
	adaptation    adaptation
	meanTime      time.Duration // mean time that a create takes; 0 before the first
	notAheadUntil time.Time     // no intents are opened ahead until then
	acquired      int           // slots that have not ended
	sending       int           // those of them that are ready
	reserved      bool          // a caller of Acquire waits for the rate
	now           time.Time     // the newest reading of the clock
}

// New returns a throttle.
func New(cfg Config, clock Clock) *Throttle {
	t := &Throttle{clock: clock, adaptation: newAdaptation(cfg)}
	if cfg.Rate > 0 {
		// A short burst catches up after a late timer or a slow commit.
		t.rate = rate.NewLimiter(rate.Limit(cfg.Rate), max(1, int(cfg.Rate*catchUp.Seconds())))
	}
	t.acquiring = waitlist{mu: &t.mu, take: t.takeSlot, back: func() { t.acquired-- }}
	t.readying = waitlist{mu: &t.mu, take: t.takeSend, back: func() { t.sending-- }}
	t.reserving = waitlist{mu: &t.mu, take: t.takeRate, back: func() { t.reserved = false }}
	return t
}

// Width returns how many creates may be under way at once.
func (t *Throttle) Width() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.review(t.readClock())
	return t.adaptation.width()
}

// Paused reports whether nothing may be sent now, and until when.
func (t *Throttle) Paused() (until time.Time, paused bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.readClock()
	return t.adaptation.pauseUntil, t.adaptation.isPaused(now)
}

// PauseFor pauses after a failure of another request than a create. Nothing is
// sent for delay; see Limited for a delay of 0.
func (t *Throttle) PauseFor(delay time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fail(t.readClock(), delay)
	t.grant()
}

// Acquire waits for a slot, and for the rate. If the rate is limited, one caller at
// a time waits for it: a create of higher priority that comes later is the next
// one, instead of waiting behind all slots.
func (t *Throttle) Acquire(ctx context.Context, priority int) (*Slot, error) {
	if t.rate != nil {
		if err := t.reserving.enter(ctx, priority); err != nil {
			return nil, err
		}
		defer t.reserving.leave()
	}
	t.mu.Lock()
	t.review(t.readClock())
	t.mu.Unlock()
	if err := t.acquiring.enter(ctx, priority); err != nil {
		return nil, err
	}
	slot := &Slot{throttle: t, priority: priority}
	if err := t.awaitRate(ctx); err != nil {
		slot.End(Unused)
		return nil, err
	}
	return slot, nil
}

func (t *Throttle) awaitRate(ctx context.Context) error {
	if t.rate == nil {
		return nil
	}
	now := t.clock.Now()
	if delay := t.rate.ReserveN(now, 1).DelayFrom(now); delay > 0 {
		return t.clock.Sleep(ctx, delay)
	}
	return nil
}

func (t *Throttle) takeSlot() bool {
	if t.acquired >= t.adaptation.width()+t.ahead() {
		return false
	}
	t.acquired++
	return true
}

func (t *Throttle) takeSend() bool {
	if t.sending >= t.adaptation.width() {
		return false
	}
	t.sending++
	return true
}

func (t *Throttle) takeRate() bool {
	if t.reserved {
		return false
	}
	t.reserved = true
	return true
}

// ahead returns how many slots may be acquired beyond those that may be ready: as
// many as are expected to end within aheadTime.
func (t *Throttle) ahead() int {
	if t.meanTime == 0 || t.now.Before(t.notAheadUntil) {
		return 0
	}
	return int(t.adaptation.limit * min(1, aheadTime.Seconds()/t.meanTime.Seconds()))
}

// readClock returns the time. If the clock was set back, the end of a pause moves
// with it. Otherwise a pause of seconds could last hours. The caller holds the lock.
func (t *Throttle) readClock() time.Time {
	now := t.clock.Now()
	if now.Before(t.now) {
		t.adaptation.shiftPause(now.Sub(t.now))
	}
	t.now = now
	return now
}

// measure includes a create that took so long in the mean.
func (t *Throttle) measure(took time.Duration) {
	took = max(took, 0) // the clock might have been set back
	if t.meanTime == 0 {
		t.meanTime = took
	}
	t.meanTime += (took - t.meanTime) / meanOver
}

// review reviews the latest failure, and hands out the slots that this frees. The
// caller holds the lock, as it does for fail and grant.
func (t *Throttle) review(now time.Time) {
	if t.adaptation.review(now) {
		t.grant()
	}
}

// fail records a failure, see adaptation.fail.
func (t *Throttle) fail(now time.Time, delay time.Duration) Pause {
	t.review(now)
	return t.adaptation.fail(now, delay)
}

// grant hands out the slots that are free.
func (t *Throttle) grant() {
	t.readying.grant()
	t.acquiring.grant()
}
