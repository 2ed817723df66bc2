package throttle

import (
	"context"
	"errors"
	"time"
)

// Slot is the place of one create. It is used by one goroutine at a time, and it
// is in use until End.
type Slot struct {
	throttle *Throttle
	priority int
	stage    stage // guarded by the lock of the throttle
}

type stage int

const (
	acquired stage = iota // the intent may be opened
	ready                 // the create may be sent
	ended
)

var errEnded = errors.New("the slot has ended")

// Ready waits until the create may be sent, for a short time only: slots might end
// more slowly than expected, or go to creates of higher priority. After an error
// the create must not be sent.
func (s *Slot) Ready(ctx context.Context) error {
	t := s.throttle
	t.mu.Lock()
	stage := s.stage
	t.mu.Unlock()
	switch stage {
	case ready:
		return nil
	case ended:
		return errEnded
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	err := t.readying.enter(ctx, s.priority)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.notAheadUntil = t.readClock().Add(notAheadTime)
		return err
	}
	s.stage = ready
	return nil
}

// Result is the result of a create, from which the throttle learns. The zero value
// is Unused.
type Result struct {
	kind  kind
	took  time.Duration
	delay time.Duration
}

type kind int

const (
	unused kind = iota
	answered
	unanswered
	limited
	unreached
)

// Unused is the result if no create was sent, or if its result says nothing about
// the state of the vendor.
var Unused = Result{}

// Answered is the result of a create that the vendor answered without trouble,
// after so long.
func Answered(took time.Duration) Result { return Result{kind: answered, took: took} }

// Unanswered is the result of a create that was sent and got no answer for so
// long. The page might be the cause. Only if several in a row got no answer, the
// next one counts as a failure.
func Unanswered(took time.Duration) Result { return Result{kind: unanswered, took: took} }

// Limited is the result of a create that the vendor's rate limit refused, with the
// delay that the vendor asked for. If the delay is 0, the throttle pauses for a time
// that doubles with each failure.
//
// A refusal does not pause creates as long as ten are answered for each that is
// refused: a vendor that refuses so few does not object to our rate. Other
// refusals, and those with a long delay, are failures.
func Limited(delay time.Duration) Result { return Result{kind: limited, delay: delay} }

// Unreached is the result of a create that could not be sent, because the vendor
// was not reached.
var Unreached = Result{kind: unreached}

// Pause is a pause of all creates.
type Pause struct {
	Until time.Time
	Began bool // by this result: false if it was a part of the same failure
}

// End ends the slot with the result of the create. Calls after the first do
// nothing, so that End(Unused) can be deferred. If the slot was not ready, the
// result is ignored, since no create was sent. If the result is a failure, End
// returns the pause that follows from it.
func (s *Slot) End(r Result) Pause {
	t := s.throttle
	t.mu.Lock()
	defer t.mu.Unlock()
	stage := s.stage
	s.stage = ended
	switch stage {
	case ended:
		return Pause{}
	case acquired:
		t.acquired--
		t.acquiring.grant()
		return Pause{}
	}
	pause := t.learn(r)
	t.acquired--
	t.sending--
	t.grant()
	return pause
}

// learn adapts to the result of a create. The caller holds the lock.
func (t *Throttle) learn(r Result) Pause {
	switch r.kind {
	case answered:
		t.measure(r.took)
		t.adaptation.succeed()
	case unanswered:
		t.measure(r.took)
		if t.adaptation.missAnswer() {
			return t.fail(t.readClock(), 0)
		}
	case limited:
		if now := t.readClock(); !t.adaptation.forgive(now, r.delay) {
			return t.fail(now, r.delay)
		}
	case unreached:
		return t.fail(t.readClock(), 0)
	}
	return Pause{}
}
