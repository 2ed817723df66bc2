package orchestrator

import (
	"context"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	firstLimit = 8
	topLimit   = 64
	firstPause = time.Second
	topPause   = 30 * time.Second

	stumblesToTrouble = 5
)

// throttle decides when the next create may be sent: how many at once, how
// many a second, and not at all while the vendor asked for a pause. Without a
// fixed concurrency the limit adapts: it grows with every success, quickly at
// first, and shrinks when the vendor shows trouble (additive increase,
// multiplicative decrease). A trouble that most creates under way escape has
// nothing to do with how many they are: it costs its pause and no more. It is
// shared by all batches of a process, since the vendor sees one account.
type throttle struct {
	clock Clock
	rate  *rate.Limiter // nil without a rate of our own

	mu         sync.Mutex
	fixed      bool
	limit      float64
	slowStart  bool
	inUse      int
	seen       time.Time // by the clock, the last time it was asked
	pauseUntil time.Time
	pauseNext  time.Duration
	before     *bounds         // what the trouble of the latest pause took back; nil when judged
	escaped    int             // creates that succeeded after it, sent before it
	caught     int             // and those that met the same trouble
	stumbles   int             // creates without an answer since the last good one
	waiting    []chan struct{} // who waits for a slot, first come first served; closed to give it
}

// bounds is how many creates may be under way, and how quickly that grows.
type bounds struct {
	limit     float64
	slowStart bool
}

func newThrottle(concurrency int, perSecond float64, clock Clock) *throttle {
	t := &throttle{clock: clock, limit: firstLimit, slowStart: true, pauseNext: firstPause}
	if concurrency > 0 {
		t.fixed, t.limit = true, float64(concurrency)
	}
	if perSecond > 0 {
		t.rate = rate.NewLimiter(rate.Limit(perSecond), 1)
	}
	return t
}

// now is called with the lock held. A clock that was set back takes the end of a
// pause with it: hours must not become of seconds.
func (t *throttle) now() time.Time {
	now := t.clock.Now()
	if now.Before(t.seen) {
		t.pauseUntil = t.pauseUntil.Add(now.Sub(t.seen))
	}
	t.seen = now
	return now
}

// width is how many creates may be under way at once.
func (t *throttle) width() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.judge(t.now())
	return int(t.limit)
}

// paused tells until when nothing may be sent; false when sending is fine.
func (t *throttle) paused() (time.Time, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	return t.pauseUntil, now.Before(t.pauseUntil)
}

// acquire waits for a slot and for the rate. Every nil result must be followed
// by one of succeeded, stumbled, troubled or released.
func (t *throttle) acquire(ctx context.Context) error {
	if err := t.takeSlot(ctx); err != nil {
		return err
	}
	if t.rate == nil {
		return nil
	}
	now := t.clock.Now()
	if delay := t.rate.ReserveN(now, 1).DelayFrom(now); delay > 0 {
		if err := t.clock.Sleep(ctx, delay); err != nil {
			t.released()
			return err
		}
	}
	return nil
}

// takeSlot waits in line, so that no batch's creates wait for ever behind those
// of others.
func (t *throttle) takeSlot(ctx context.Context) error {
	t.mu.Lock()
	t.judge(t.now())
	if len(t.waiting) == 0 && t.inUse < int(t.limit) {
		t.inUse++
		t.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	t.waiting = append(t.waiting, turn)
	t.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(t.waiting, turn); i >= 0 {
		t.waiting = slices.Delete(t.waiting, i, i+1)
	} else {
		t.free() // it was given while we left
	}
	return ctx.Err()
}

// released gives a slot back without a verdict on the vendor.
func (t *throttle) released() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.free()
}

// succeeded gives a slot back after an answer that shows the vendor well.
func (t *throttle) succeeded() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.pauseNext, t.stumbles = firstPause, 0
	if t.before != nil {
		t.escaped++
	}
	t.grow()
	t.free()
}

// grow is what one success allows.
func (t *throttle) grow() {
	switch {
	case t.fixed:
	case t.slowStart:
		t.limit = min(t.limit+1, topLimit)
	default:
		t.limit = min(t.limit+1/t.limit, topLimit)
	}
}

// troubled gives a slot back after a rate limit or a failed connection. Nothing
// is sent for delay, or, when that is 0, for a pause that doubles from one
// trouble to the next. Answers to creates that were sent before a pause began
// are one trouble, not many: began is true for the first.
func (t *throttle) troubled(delay time.Duration) (until time.Time, began bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	t.judge(now)
	began = !now.Before(t.pauseUntil)
	if !began {
		t.caught++
	} else {
		if !t.fixed {
			t.before, t.escaped, t.caught = &bounds{t.limit, t.slowStart}, 0, 0
			t.slowStart = false
			t.limit = max(1, t.limit*0.7)
		}
		if delay <= 0 {
			delay = t.pauseNext
			t.pauseNext = min(2*t.pauseNext, topPause)
		}
	}
	if end := now.Add(delay); end.After(t.pauseUntil) {
		t.pauseUntil = end
	}
	t.free()
	return t.pauseUntil, began
}

// judge looks back at a trouble when its pause is over. A limit on the rate
// catches most of the creates that are under way beyond it; when two thirds
// escaped, what the trouble took back is given back. So at most one create in
// three is sent into a real limit.
func (t *throttle) judge(now time.Time) {
	if t.before == nil || now.Before(t.pauseUntil) {
		return
	}
	if t.escaped > 2*t.caught {
		t.limit, t.slowStart = t.before.limit, t.before.slowStart
		for range t.escaped {
			t.grow()
		}
		t.give()
	}
	t.before = nil
}

// pauseFor stops sending for delay after trouble outside of a create.
func (t *throttle) pauseFor(delay time.Duration) {
	t.mu.Lock()
	t.inUse++ // troubled gives back a slot
	t.mu.Unlock()
	t.troubled(delay)
}

// stumbled gives a slot back after a create that was sent and got no answer.
// One page may have caused that; several in a row are trouble.
func (t *throttle) stumbled() {
	t.mu.Lock()
	t.stumbles++
	inARow := t.stumbles >= stumblesToTrouble
	t.mu.Unlock()
	if inARow {
		t.troubled(0)
		return
	}
	t.released()
}

func (t *throttle) free() {
	t.inUse--
	t.give()
}

// give lets those who wait have what is free.
func (t *throttle) give() {
	for len(t.waiting) > 0 && t.inUse < int(t.limit) {
		close(t.waiting[0])
		t.waiting = t.waiting[1:]
		t.inUse++
	}
}
