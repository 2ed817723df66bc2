package orchestrator

import (
	"context"
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

	// A create that is answered well earns one of credit; one that the vendor's
	// rate limit refuses takes so much of it, as far as it is there.
	refusalCost = 10
	firstCredit = 5 * refusalCost
	topCredit   = 10 * refusalCost
	longWait    = 2 * time.Second // is heeded, whatever the credit

	// aheadTime is for how long an intent may be expected to wait for a slot: what
	// commits take while much is written, so that no slot waits for one.
	aheadTime = 20 * time.Millisecond
	takesOver = 16 // creates, for the mean of what they take

	// intentTime is for how long at most an open intent waits for a slot. When that
	// happens, for apartTime no intent is opened ahead any more.
	intentTime = 100 * time.Millisecond
	apartTime  = time.Second

	// catchUp is for how long the rate may be exceeded after it was not used up.
	catchUp = 50 * time.Millisecond
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
	begun line          // for an intent, or what follows from it
	slots line          // for a create under way
	next  line          // to be the one that waits for the rate

	mu         sync.Mutex
	fixed      bool
	limit      float64
	top        float64 // of the limit while it adapts
	slowStart  bool
	takes      time.Duration // a create, about; 0 before the first
	apartUntil time.Time     // no intents ahead
	inUse      int           // places of those who have begun
	underWay   int           // and those among them who have a slot
	seen       time.Time     // by the clock, the last time it was asked
	pauseUntil time.Time
	pauseNext  time.Duration
	reserving  bool    // somebody waits for the rate
	before     *bounds // what the trouble of the latest pause took back; nil when judged
	escaped    int     // creates that succeeded after it, sent before it
	caught     int     // and those that met the same trouble
	stumbles   int     // creates without an answer since the last good one
	credit     int     // for creates that the vendor's rate limit refuses
}

// bounds is how many creates may be under way, and how quickly that grows.
type bounds struct {
	limit     float64
	slowStart bool
}

func newThrottle(concurrency int, perSecond float64, clock Clock) *throttle {
	t := &throttle{clock: clock, limit: firstLimit, top: topLimit, slowStart: true, pauseNext: firstPause, credit: firstCredit}
	if concurrency > 0 {
		t.fixed, t.limit = true, float64(concurrency)
	}
	if perSecond > 0 {
		// What a late timer or the commit of the next leases held up is made good.
		t.rate = rate.NewLimiter(rate.Limit(perSecond), max(1, int(perSecond*catchUp.Seconds())))
	}
	t.begun = line{mu: &t.mu, take: t.takePlace, back: func() { t.inUse-- }}
	t.slots = line{mu: &t.mu, take: t.takeSlot, back: func() { t.underWay-- }}
	t.next = line{mu: &t.mu, take: t.takeNext, back: func() { t.reserving = false }}
	return t
}

// upTo bounds the adaptive limit, before anything has begun.
func (t *throttle) upTo(most int) *throttle {
	t.top = float64(most)
	if !t.fixed {
		t.limit = min(t.limit, t.top)
	}
	return t
}

func (t *throttle) takePlace() bool {
	if t.inUse >= int(t.limit)+t.ahead() {
		return false
	}
	t.inUse++
	return true
}

// ahead is how many may have begun beyond those who have slots: as many slots as
// come free within aheadTime.
func (t *throttle) ahead() int {
	if t.takes == 0 || t.seen.Before(t.apartUntil) {
		return 0
	}
	return int(t.limit * min(1, aheadTime.Seconds()/t.takes.Seconds()))
}

func (t *throttle) takeSlot() bool {
	if t.underWay >= int(t.limit) {
		return false
	}
	t.underWay++
	return true
}

func (t *throttle) takeNext() bool {
	if t.reserving {
		return false
	}
	t.reserving = true
	return true
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

// begin waits until an intent may be opened, and for the rate. Every nil result
// must be followed by send or left. One at a time waits for the rate, so that
// what is urgent comes next and not behind all who have begun.
func (t *throttle) begin(ctx context.Context, priority int) error {
	if t.rate == nil {
		return t.enter(ctx, priority)
	}
	if err := t.next.enter(ctx, priority); err != nil {
		return err
	}
	defer t.next.leave()
	if err := t.enter(ctx, priority); err != nil {
		return err
	}
	now := t.clock.Now()
	if delay := t.rate.ReserveN(now, 1).DelayFrom(now); delay > 0 {
		if err := t.clock.Sleep(ctx, delay); err != nil {
			t.left()
			return err
		}
	}
	return nil
}

// enter waits for a place.
func (t *throttle) enter(ctx context.Context, priority int) error {
	t.mu.Lock()
	t.judge(t.now())
	t.mu.Unlock()
	return t.begun.enter(ctx, priority)
}

// left gives back the place of one who has begun and sends nothing.
func (t *throttle) left() { t.begun.leave() }

// send waits for the slot of one who has begun, for intentTime at most: slots may
// come free more slowly than was thought, or go to what is more urgent. Every nil
// result must be followed by one of succeeded, stumbled, limited, troubled or
// released, which give back the place as well; an error has given it back.
func (t *throttle) send(ctx context.Context, priority int) error {
	ctx, cancel := context.WithTimeout(ctx, intentTime)
	defer cancel()
	err := t.slots.enter(ctx, priority)
	if err != nil {
		t.mu.Lock()
		t.apartUntil = t.now().Add(apartTime)
		t.mu.Unlock()
		t.left()
	}
	return err
}

// released gives a slot back without a verdict on the vendor.
func (t *throttle) released() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.free()
}

// learn takes in how long a create took.
func (t *throttle) learn(took time.Duration) {
	took = max(took, 0) // the clock may be set back
	if t.takes == 0 {
		t.takes = took
	}
	t.takes += (took - t.takes) / takesOver
}

// succeeded gives a slot back after an answer that shows the vendor well, and
// that took so long.
func (t *throttle) succeeded(took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.learn(took)
	t.pauseNext, t.stumbles = firstPause, 0
	t.credit = min(t.credit+1, topCredit)
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
		t.limit = min(t.limit+1, t.top)
	default:
		t.limit = min(t.limit+1/t.limit, t.top)
	}
}

// limited gives a slot back after a rate limit. While ten creates are answered
// well for each that is refused, a refusal sends its own job back into the queue
// and does no more: those who refuse so few do not mean how many we send. All
// other refusals, and those that ask for a long wait, are trouble.
func (t *throttle) limited(delay time.Duration) (until time.Time, began bool) {
	t.mu.Lock()
	now := t.now()
	if t.credit < refusalCost || delay >= longWait || now.Before(t.pauseUntil) {
		t.mu.Unlock()
		return t.troubled(delay)
	}
	defer t.mu.Unlock()
	t.credit -= refusalCost
	t.free()
	return now, false
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
	t.underWay++
	t.mu.Unlock()
	t.troubled(delay)
}

// stumbled gives a slot back after a create that was sent and got no answer for
// so long. One page may have caused that; several in a row are trouble.
func (t *throttle) stumbled(took time.Duration) {
	t.mu.Lock()
	t.learn(took)
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
	t.underWay--
	t.give()
}

func (t *throttle) give() {
	t.slots.give()
	t.begun.give()
}
