package throttle

import (
	"testing"
	"time"
)

func TestWidthGrowsWithSuccessAndShrinksWithFailure(t *testing.T) {
	t.Parallel()
	clock := newFakeClock()
	th := New(Config{}, clock)
	for range 200 {
		th.mustAcquire(t).End(Answered(0))
	}
	if th.Width() != DefaultMax {
		t.Errorf("width after 200 successes is %d, want %d", th.Width(), DefaultMax)
	}
	for range 10 { // one failure, met by ten creates that were under way
		th.mustAcquire(t).End(Limited(longDelay))
	}
	if got, want := th.Width(), DefaultMax*7/10; got != want {
		t.Errorf("width after one failure is %d, want %d", got, want)
	}
	if _, paused := th.Paused(); !paused {
		t.Error("not paused after a rate limit with a long delay")
	}
	clock.advance(longDelay)
	if _, paused := th.Paused(); paused {
		t.Error("the pause does not end")
	}
}

// burst sends as many creates as may be under way. They are answered in the given
// order: true is an answer, false a rate limit. Then it waits for the end of the
// pause that this might have caused.
func burst(t *testing.T, th *Throttle, clock *fakeClock, well func(i, n int) bool) (accepted, refused int) {
	t.Helper()
	n := th.Width()
	slots := make([]*Slot, n)
	for i := range slots {
		slots[i] = th.mustAcquire(t)
	}
	for i, slot := range slots {
		if well(i, n) {
			accepted++
			slot.End(Answered(0))
		} else {
			refused++
			slot.End(Limited(time.Second))
		}
	}
	clock.advance(time.Second)
	return accepted, refused
}

func TestWidthStaysIfMostCreatesSucceed(t *testing.T) {
	t.Parallel()
	clock := newFakeClock()
	th := New(Config{}, clock)
	for range 100 {
		burst(t, th, clock, func(i, _ int) bool { return i%5 != 0 }) // one in five is refused, however many are sent
	}
	if th.Width() < DefaultMax*9/10 {
		t.Errorf("width is %d, want about %d: sending less does not help", th.Width(), DefaultMax)
	}
	for range 30 {
		burst(t, th, clock, func(i, _ int) bool { return i%5 > 2 })
	}
	if th.Width() > 3 {
		t.Errorf("width is %d when three creates in five are refused, want at most 3", th.Width())
	}
}

func TestFewCreatesAreSentIntoARateLimit(t *testing.T) {
	t.Parallel()
	const perSecond = 10
	for name, well := range map[string]func(i, n int) bool{
		"refusals come last":  func(i, _ int) bool { return i < perSecond },
		"refusals come first": func(i, n int) bool { return i >= n-perSecond },
	} {
		clock := newFakeClock()
		th := New(Config{}, clock)
		var accepted, refused int
		for range 300 {
			a, r := burst(t, th, clock, well)
			accepted, refused = accepted+a, refused+r
		}
		if refused > accepted/2 {
			t.Errorf("%s: %d creates were refused and %d accepted, want at most half as many", name, refused, accepted)
		}
		if accepted < 300*perSecond/2 {
			t.Errorf("%s: %d creates were accepted in 300 s, want at least half of the vendor's rate", name, accepted)
		}
	}
}

func TestFewRefusalsDoNotPause(t *testing.T) {
	t.Parallel()
	th := New(Config{Fixed: 64}, newFakeClock())
	refuse := func(delay time.Duration) (paused bool) {
		th.mustAcquire(t).End(Limited(delay))
		_, paused = th.Paused()
		return paused
	}
	for i := range 1000 {
		if i%20 == 0 && refuse(time.Second) {
			t.Fatalf("create %d paused although one in twenty was refused", i)
		}
		th.mustAcquire(t).End(Answered(0))
	}
	forgiven := 0
	for ; forgiven < 100 && !refuse(time.Second); forgiven++ {
	}
	if want := maxCredit / refusalCost; forgiven != want {
		t.Errorf("%d refusals in a row did not pause, want %d", forgiven, want)
	}
}

func TestALongDelayPausesAtOnce(t *testing.T) {
	t.Parallel()
	clock := newFakeClock()
	th := New(Config{Fixed: 64}, clock)
	pause := th.mustAcquire(t).End(Limited(longDelay))
	if _, paused := th.Paused(); !paused || !pause.Began || pause.Until.Sub(clock.Now()) != longDelay {
		t.Errorf("paused %t for %s, want %s", paused, pause.Until.Sub(clock.Now()), longDelay)
	}
}

func TestPausesDoubleUntilASuccess(t *testing.T) {
	t.Parallel()
	clock := newFakeClock()
	th := New(Config{Fixed: 1}, clock)
	fail := func() time.Duration {
		th.mustAcquire(t).End(Unreached)
		until, _ := th.Paused()
		d := until.Sub(clock.Now())
		clock.advance(d)
		return d
	}
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		if got := fail(); got != want*time.Second {
			t.Errorf("pause of %s, want %ds", got, want)
		}
	}
	th.mustAcquire(t).End(Answered(0))
	if got := fail(); got != time.Second {
		t.Errorf("pause after a success of %s, want 1s", got)
	}
}

func TestOnlySeveralMissingAnswersPause(t *testing.T) {
	t.Parallel()
	th := New(Config{Fixed: 4}, newFakeClock())
	for i := 1; i <= unansweredToFail; i++ {
		th.mustAcquire(t).End(Unanswered(0))
		if _, paused := th.Paused(); paused != (i == unansweredToFail) {
			t.Errorf("after %d missing answers paused is %t", i, paused)
		}
	}
}
