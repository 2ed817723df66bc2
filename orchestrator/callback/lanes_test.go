package callback

import (
	"fmt"
	"testing"
	"time"
)

func (l *lanes) must(t *testing.T, name string, want entry) *place {
	t.Helper()
	p, got := l.enter(name)
	if got != want {
		t.Fatalf("lane %s said %d, want %d", name, got, want)
	}
	return p
}

func TestALaneHasAFewPlaces(t *testing.T) {
	l := newLanes(2, 8)
	first := l.must(t, "a", entered)
	l.must(t, "a", entered)
	l.must(t, "a", busy)
	l.must(t, "b", entered)
	first.leave()
	first.leave() // once is enough
	l.must(t, "a", entered)
	l.must(t, "a", busy)
}

// fail lets attempts of a lane fail.
func (l *lanes) fail(t *testing.T, name string, n int) (isCrowded bool) {
	for range n {
		p := l.must(t, name, entered)
		isCrowded = p.ended(true, 0)
		p.leave()
	}
	return isCrowded
}

func TestALaneThatFailsHasOnePlaceUntilItSucceeds(t *testing.T) {
	l := newLanes(2, 8)
	l.fail(t, "a", 2)
	p := l.must(t, "a", entered)
	l.must(t, "a", troubled)
	p.leave() // without an attempt
	p = l.must(t, "a", entered)
	l.must(t, "a", troubled)
	p.ended(false, 0)
	p.leave()
	l.must(t, "a", entered)
	l.must(t, "a", entered)
	l.must(t, "a", busy)
}

func TestLanesThatFailOrAreSlowLeaveHalfOfTheSlots(t *testing.T) {
	l := newLanes(2, 8)
	for n := range 3 {
		l.fail(t, fmt.Sprint("dead", n), 2)
		l.must(t, fmt.Sprint("dead", n), entered)
	}
	p := l.must(t, "slow", entered)
	p.ended(false, slowAnswer)
	p.leave()
	l.must(t, "slow", entered)
	l.must(t, "slow", troubled)
	l.must(t, "healthy", entered)
}

func TestALaneIsCrowdedAfterManyFailures(t *testing.T) {
	l := newLanes(2, 8)
	if l.fail(t, "a", crowded) {
		t.Error("too early")
	}
	if !l.fail(t, "a", 1) {
		t.Error("not at all")
	}
}

func TestLanesAreForgotten(t *testing.T) {
	l := newLanes(2, 8)
	for range 3 {
		p := l.must(t, "fine", entered)
		p.ended(false, time.Millisecond)
		p.leave()
	}
	if len(l.lanes) != 0 {
		t.Errorf("%d are remembered", len(l.lanes))
	}
	stays := l.must(t, "under way", entered)
	for n := range maxLanes + 10 {
		l.fail(t, fmt.Sprint("dead", n), 1)
	}
	if len(l.lanes) > maxLanes || l.lanes["under way"] == nil {
		t.Errorf("%d are remembered", len(l.lanes))
	}
	stays.leave()
}
