package orchestrator

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestAdaptiveLimitStaysBelowItsTop(t *testing.T) {
	for _, top := range []int{1, 5, 40} {
		th := newThrottle(0, 0, newFakeClock()).upTo(top)
		for range 200 {
			if err := th.begin(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			if err := th.send(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			th.succeeded(time.Millisecond)
		}
		if got := th.width(); got != top {
			t.Errorf("after 200 successes %d at once, want %d", got, top)
		}
	}
	if got := newThrottle(7, 0, newFakeClock()).upTo(64).width(); got != 7 {
		t.Errorf("a fixed number of 7 became %d", got)
	}
}

func TestThrottleGrowsWithSuccessAndShrinksWithTrouble(t *testing.T) {
	t.Parallel()
	clock := newFakeClock()
	th := newThrottle(0, 0, clock)
	for range 200 {
		if err := th.acquire(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		th.succeeded(0)
	}
	if th.width() != topLimit {
		t.Errorf("after 200 successes %d at once, want %d", th.width(), topLimit)
	}
	for range 10 { // one trouble, seen by ten creates that were under way
		_ = th.acquire(t.Context(), 0)
		th.troubled(time.Second)
	}
	if got, want := th.width(), topLimit*7/10; got != want {
		t.Errorf("after one trouble %d at once, want %d", got, want)
	}
	if _, paused := th.paused(); !paused {
		t.Error("sending goes on in the pause that the vendor asked for")
	}
	clock.advance(time.Second)
	if _, paused := th.paused(); paused {
		t.Error("the pause does not end")
	}
}

func TestAClockThatIsSetBackDoesNotProlongAPause(t *testing.T) {
	t.Parallel()
	clock := newFakeClock()
	th := newThrottle(0, 0, clock)
	th.pauseFor(10 * time.Second)
	clock.advance(3*time.Second - time.Hour)
	if until, paused := th.paused(); !paused || until.Sub(clock.Now()) > 10*time.Second {
		t.Errorf("paused %t until %s from now, want at most the ten seconds asked for", paused, until.Sub(clock.Now()))
	}
	clock.advance(10 * time.Second)
	if _, paused := th.paused(); paused {
		t.Error("the pause does not end")
	}
}

// burst sends as many creates as may be under way, has them answered in the
// given order (true: well) and lets the pause pass that this may have caused.
func burst(t *testing.T, th *throttle, clock *fakeClock, well func(i, n int) bool) (accepted, limited int) {
	t.Helper()
	n := th.width()
	for range n {
		if err := th.acquire(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	}
	for i := range n {
		if well(i, n) {
			accepted++
			th.succeeded(0)
		} else {
			limited++
			th.limited(time.Second)
		}
	}
	clock.advance(time.Second)
	return accepted, limited
}

func TestThrottleStaysWideWhenMostEscapeTheTrouble(t *testing.T) {
	t.Parallel()
	clock := newFakeClock()
	th := newThrottle(0, 0, clock)
	for range 100 {
		burst(t, th, clock, func(i, _ int) bool { return i%5 != 0 }) // one in five is limited, whatever we do
	}
	if th.width() < topLimit*9/10 {
		t.Errorf("%d at once, want about %d: sending less does not help", th.width(), topLimit)
	}
	for range 30 {
		burst(t, th, clock, func(i, _ int) bool { return i%5 > 2 })
	}
	if th.width() > 3 {
		t.Errorf("%d at once when three in five are limited, want few", th.width())
	}
}

func TestThrottleDoesNotHammerAVendorThatLimits(t *testing.T) {
	t.Parallel()
	const perSecond = 10
	for name, well := range map[string]func(i, n int) bool{
		"refusals come last":  func(i, _ int) bool { return i < perSecond },
		"refusals come first": func(i, n int) bool { return i >= n-perSecond },
	} {
		clock := newFakeClock()
		th := newThrottle(0, 0, clock)
		var accepted, limited int
		for range 300 {
			a, l := burst(t, th, clock, well)
			accepted, limited = accepted+a, limited+l
		}
		if limited > accepted/2 {
			t.Errorf("%s: %d creates were limited for %d that were not, want at most half as many", name, limited, accepted)
		}
		if accepted < 300*perSecond/2 {
			t.Errorf("%s: %d creates in 300 s, want at least half of what the vendor takes", name, accepted)
		}
	}
}

func TestThrottleForgivesFewRefusals(t *testing.T) {
	t.Parallel()
	th := newThrottle(64, 0, newFakeClock())
	refused := func(delay time.Duration) (paused bool) {
		_ = th.acquire(t.Context(), 0)
		th.limited(delay)
		_, paused = th.paused()
		return paused
	}
	for i := range 1000 {
		if i%20 == 0 && refused(time.Second) {
			t.Fatalf("one refusal in twenty made the %dth create wait", i)
		}
		_ = th.acquire(t.Context(), 0)
		th.succeeded(0)
	}
	forgiven := 0
	for ; forgiven < 100 && !refused(time.Second); forgiven++ {
	}
	if want := topCredit / refusalCost; forgiven != want {
		t.Errorf("%d refusals in a row were forgiven, want %d", forgiven, want)
	}
}

func TestThrottleHeedsALongWaitAtOnce(t *testing.T) {
	t.Parallel()
	clock := newFakeClock()
	th := newThrottle(64, 0, clock)
	_ = th.acquire(t.Context(), 0)
	until, began := th.limited(longWait)
	if _, paused := th.paused(); !paused || !began || until.Sub(clock.Now()) != longWait {
		t.Errorf("paused %t until %s from now, want %s", paused, until.Sub(clock.Now()), longWait)
	}
}

func TestThrottlePausesDoubleUntilASuccess(t *testing.T) {
	t.Parallel()
	clock := newFakeClock()
	th := newThrottle(1, 0, clock)
	trouble := func() time.Duration {
		_ = th.acquire(t.Context(), 0)
		th.troubled(0)
		until, _ := th.paused()
		d := until.Sub(clock.Now())
		clock.advance(d)
		return d
	}
	for _, want := range []time.Duration{1, 2, 4, 8, 16, 30, 30} {
		if got := trouble(); got != want*time.Second {
			t.Errorf("pause of %s, want %ds", got, want)
		}
	}
	_ = th.acquire(t.Context(), 0)
	th.succeeded(0)
	if got := trouble(); got != time.Second {
		t.Errorf("after a success the pause is %s, want 1s", got)
	}
}

func TestThrottleTakesOneMissingAnswerLightly(t *testing.T) {
	t.Parallel()
	th := newThrottle(4, 0, newFakeClock())
	for i := 1; i <= stumblesToTrouble; i++ {
		_ = th.acquire(t.Context(), 0)
		th.stumbled(0)
		if _, paused := th.paused(); paused != (i == stumblesToTrouble) {
			t.Errorf("paused after %d missing answers: %t", i, paused)
		}
	}
}

func TestThrottleBoundsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	th := newThrottle(2, 0, newFakeClock())
	for range 2 {
		if err := th.acquire(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := th.acquire(ended, 0); err == nil {
		t.Error("a third create was let through")
	}
	got := make(chan error, 1)
	go func() { got <- th.acquire(context.Background(), 0) }()
	th.succeeded(0)
	if err := <-got; err != nil {
		t.Errorf("a free slot was refused: %v", err)
	}
}

func TestThrottleKeepsTheRate(t *testing.T) {
	t.Parallel()
	clock := newFakeClock()
	th := newThrottle(100, 10, clock)
	began := clock.Now()
	for range 51 {
		if err := th.acquire(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		th.succeeded(0)
	}
	if took := clock.Now().Sub(began); took < 4900*time.Millisecond || took > 5100*time.Millisecond {
		t.Errorf("51 creates at 10 a second took %s, want 5s", took)
	}
}

func TestThrottleMakesUpForAShortDelay(t *testing.T) {
	t.Parallel()
	const perSecond = 1000
	clock := newFakeClock()
	th := newThrottle(100, perSecond, clock)
	began := clock.Now()
	for range 20 {
		for range perSecond / 20 {
			if err := th.acquire(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			th.succeeded(0)
		}
		clock.advance(catchUp / 2) // something else took its time
	}
	if took := clock.Now().Sub(began); took > 1050*time.Millisecond {
		t.Errorf("%d creates at %d a second took %s in spite of its delays", perSecond, perSecond, took)
	}
	clock.advance(time.Hour)
	began = clock.Now()
	for range perSecond {
		if err := th.acquire(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		th.succeeded(0)
	}
	if took := clock.Now().Sub(began); took < time.Second-catchUp-time.Millisecond {
		t.Errorf("%d creates after a long rest took %s: it was saved up", perSecond, took)
	}
}

// acquire waits until a create may be sent.
func (t *throttle) acquire(ctx context.Context, priority int) error {
	if err := t.begin(ctx, priority); err != nil {
		return err
	}
	return t.send(ctx, priority)
}

// TestIntentsAreOpenedAheadOfQuickCreates: as many as slots come free while one is
// committed.
func TestIntentsAreOpenedAheadOfQuickCreates(t *testing.T) {
	t.Parallel()
	for takes, want := range map[time.Duration]int{
		0: 0, -time.Hour: 0, time.Millisecond: topLimit, 2 * aheadTime: topLimit / 2, 100 * aheadTime: 0, time.Hour: 0,
	} {
		synctest.Test(t, func(t *testing.T) {
			th := newThrottle(topLimit, 0, SystemClock{})
			if err := th.acquire(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			th.succeeded(takes)
			ctx, leave := context.WithCancel(t.Context())
			begun, sent := make(chan bool, 3*topLimit), make(chan bool, 3*topLimit)
			for range 3 * topLimit {
				go func() {
					if th.begin(ctx, 0) != nil {
						return
					}
					begun <- true
					if th.send(ctx, 0) == nil {
						sent <- true
					}
				}()
			}
			synctest.Wait()
			if got := len(begun) - len(sent); got != want || len(sent) != topLimit {
				t.Errorf("creates of %s: %d under way and %d about to be, want %d and %d", takes, len(sent), got, topLimit, want)
			}
			leave()
			synctest.Wait()
			for range topLimit {
				th.released()
			}
			if th.inUse != 0 || th.underWay != 0 {
				t.Errorf("%d places and %d slots are taken by nobody", th.inUse, th.underWay)
			}
		})
	}
}

func TestNoIntentIsOpenedAheadAfterOneWaitedInVain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(1, 0, SystemClock{})
		if err := th.acquire(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		th.succeeded(aheadTime)
		if err := th.acquire(t.Context(), 0); err != nil { // and takes long
			t.Fatal(err)
		}
		began := time.Now()
		if err := th.acquire(t.Context(), 0); err == nil || time.Since(began) != intentTime {
			t.Errorf("waited for %s (%v), want %s in vain", time.Since(began), err, intentTime)
		}
		ctx, leave := context.WithCancel(t.Context())
		go func() { _ = th.begin(ctx, 0) }()
		synctest.Wait()
		if th.inUse != 1 {
			t.Errorf("%d have begun, want only the one under way", th.inUse)
		}
		leave()
		synctest.Wait()
		time.Sleep(apartTime)
		if err := th.begin(t.Context(), 0); err != nil {
			t.Error(err)
		}
		th.left()
	})
}

func TestCreatesWithoutAnswerTellHowLongOneTakes(t *testing.T) {
	t.Parallel()
	th := newThrottle(topLimit, 0, newFakeClock())
	for range takesOver {
		_ = th.acquire(t.Context(), 0)
		th.succeeded(aheadTime)
	}
	if th.ahead() != topLimit {
		t.Errorf("%d intents ahead of creates of %s, want %d", th.ahead(), aheadTime, topLimit)
	}
	_ = th.acquire(t.Context(), 0)
	th.stumbled(topLimit * takesOver * aheadTime)
	if th.ahead() != 0 {
		t.Errorf("%d intents ahead after a create without an answer for long, want none", th.ahead())
	}
}
