package throttle

import (
	"context"
	"testing"
	"time"
)

// mustBeFree checks that no slot is in use.
func (t *Throttle) mustBeFree(tb testing.TB) {
	tb.Helper()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.acquired != 0 || t.sending != 0 {
		tb.Errorf("%d slots are acquired and %d ready, want none", t.acquired, t.sending)
	}
}

func TestASlotEndsOnce(t *testing.T) {
	t.Parallel()
	th := New(Config{Fixed: 4}, newFakeClock())
	slot := th.mustAcquire(t)
	if pause := slot.End(Unreached); !pause.Began {
		t.Errorf("End returns %+v, want the begin of a pause", pause)
	}
	until, _ := th.Paused()
	if pause := slot.End(Limited(time.Hour)); pause != (Pause{}) {
		t.Errorf("the second End returns %+v, want no pause", pause)
	}
	if got, _ := th.Paused(); got != until {
		t.Errorf("after the second End the pause lasts until %s, want %s", got, until)
	}
	if err := slot.Ready(t.Context()); err == nil {
		t.Error("an ended slot is ready, want an error")
	}
	th.mustBeFree(t)
}

func TestASlotIsReadyOnce(t *testing.T) {
	t.Parallel()
	th := New(Config{Fixed: 4}, newFakeClock())
	slot := th.mustAcquire(t)
	if err := slot.Ready(t.Context()); err != nil {
		t.Errorf("the second Ready: %v", err)
	}
	slot.End(Unused)
	th.mustBeFree(t)
}

// TestAResultWithoutACreateIsIgnored ends slots that were never ready.
func TestAResultWithoutACreateIsIgnored(t *testing.T) {
	t.Parallel()
	th := New(Config{Fixed: 1}, newFakeClock())
	slot, err := th.Acquire(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	slot.End(Limited(time.Hour))
	if _, paused := th.Paused(); paused {
		t.Error("paused by a create that was not sent")
	}
	th.mustBeFree(t)

	slot, err = th.Acquire(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	other := th.sendingTaken(t)
	if slot.Ready(over) == nil {
		t.Error("ready without a free place, want an error")
	}
	slot.End(Unused)
	other()
	th.mustBeFree(t)
}

// sendingTaken takes the place of a ready slot, and returns how to give it back.
func (t *Throttle) sendingTaken(tb testing.TB) (back func()) {
	tb.Helper()
	if err := t.readying.enter(tb.Context(), 0); err != nil {
		tb.Fatal(err)
	}
	return t.readying.leave
}
