package throttle

import (
	"cmp"
	"time"
)

const (
	firstPause = time.Second
	maxPause   = 30 * time.Second

	unansweredToFail = 5

	// A create that is answered earns one of credit. One that the vendor's rate
	// limit refuses costs refusalCost, as long as there is so much credit.
	refusalCost = 10
	firstCredit = 5 * refusalCost
	maxCredit   = 10 * refusalCost
	longDelay   = 2 * time.Second // is respected, whatever the credit
)

// adaptation derives from the results of creates how many may be under way, and
// when they pause. The lock of the Throttle guards it.
type adaptation struct {
	fixed bool
	max   float64 // of the limit while it adapts
	bounds

	pauseUntil time.Time
	nextPause  time.Duration
	before     *bounds // what the latest failure reduced; nil after its review
	succeeded  int     // creates that succeeded since then, sent before it
	failed     int     // and those that failed as well
	unanswered int     // creates without an answer since the last success
	credit     int     // for creates that the vendor's rate limit refuses
}

// bounds is how many creates may be under way, and how quickly that grows.
type bounds struct {
	limit     float64
	slowStart bool
}

func newAdaptation(cfg Config) adaptation {
	a := adaptation{max: float64(cmp.Or(cfg.Max, DefaultMax)), nextPause: firstPause, credit: firstCredit}
	a.slowStart = true
	if cfg.Fixed > 0 {
		a.fixed, a.limit = true, float64(cfg.Fixed)
	} else {
		a.limit = min(firstLimit, a.max)
	}
	return a
}

func (a *adaptation) width() int { return int(a.limit) }

func (a *adaptation) isPaused(now time.Time) bool { return now.Before(a.pauseUntil) }

func (a *adaptation) shiftPause(d time.Duration) { a.pauseUntil = a.pauseUntil.Add(d) }

// succeed records a create that was answered.
func (a *adaptation) succeed() {
	a.nextPause, a.unanswered = firstPause, 0
	a.credit = min(a.credit+1, maxCredit)
	if a.before != nil {
		a.succeeded++
	}
	a.grow()
}

// grow raises the limit as one success allows it.
func (a *adaptation) grow() {
	switch {
	case a.fixed:
	case a.slowStart:
		a.limit = min(a.limit+1, a.max)
	default:
		a.limit = min(a.limit+1/a.limit, a.max)
	}
}

// missAnswer records a create without an answer, and reports whether several in a
// row had none.
func (a *adaptation) missAnswer() (failed bool) {
	a.unanswered++
	return a.unanswered >= unansweredToFail
}

// forgive reports whether a refusal by the vendor's rate limit is covered by the
// credit. If so, it uses up the credit.
func (a *adaptation) forgive(now time.Time, delay time.Duration) bool {
	if a.credit < refusalCost || delay >= longDelay || a.isPaused(now) {
		return false
	}
	a.credit -= refusalCost
	return true
}

// fail records a failure. Nothing is sent for delay, or, if that is 0, for a pause
// that doubles with each failure. Creates that were sent before a pause began and
// fail during it are part of one failure, not failures of their own. The caller has
// called review.
func (a *adaptation) fail(now time.Time, delay time.Duration) Pause {
	began := !a.isPaused(now)
	if !began {
		a.failed++
	} else {
		if !a.fixed {
			before := a.bounds
			a.before, a.succeeded, a.failed = &before, 0, 0
			a.slowStart = false
			a.limit = max(1, a.limit*0.7)
		}
		if delay <= 0 {
			delay = a.nextPause
			a.nextPause = min(2*a.nextPause, maxPause)
		}
	}
	if end := now.Add(delay); end.After(a.pauseUntil) {
		a.pauseUntil = end
	}
	return Pause{Until: a.pauseUntil, Began: began}
}

// review looks at the latest failure once its pause is over, and reports whether
// it restored the limit. A rate limit refuses most of the creates under way that
// exceed it. If two thirds succeeded, the number of creates was not the cause. So at
// most one create in three is sent into a real rate limit.
func (a *adaptation) review(now time.Time) (restored bool) {
	if a.before == nil || a.isPaused(now) {
		return false
	}
	if restored = a.succeeded > 2*a.failed; restored {
		a.bounds = *a.before
		for range a.succeeded {
			a.grow()
		}
	}
	a.before = nil
	return restored
}
