package throttle

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestWidthStaysWithinMax(t *testing.T) {
	t.Parallel()
	for _, most := range []int{1, 5, 40} {
		th := New(Config{Max: most}, newFakeClock())
		for range 200 {
			th.mustAcquire(t).End(Answered(time.Millisecond))
		}
		if got := th.Width(); got != most {
			t.Errorf("width after 200 successes is %d, want %d", got, most)
		}
	}
	if got := New(Config{Fixed: 7, Max: 64}, newFakeClock()).Width(); got != 7 {
		t.Errorf("fixed width is %d, want 7", got)
	}
}

func TestClockSetBackDoesNotProlongAPause(t *testing.T) {
	t.Parallel()
	clock := newFakeClock()
	th := New(Config{}, clock)
	th.PauseFor(10 * time.Second)
	clock.advance(3*time.Second - time.Hour)
	if until, paused := th.Paused(); !paused || until.Sub(clock.Now()) > 10*time.Second {
		t.Errorf("paused %t for another %s, want at most 10s", paused, until.Sub(clock.Now()))
	}
	clock.advance(10 * time.Second)
	if _, paused := th.Paused(); paused {
		t.Error("the pause does not end")
	}
}

func TestThrottleBoundsParallelCreates(t *testing.T) {
	t.Parallel()
	th := New(Config{Fixed: 2}, newFakeClock())
	first := th.mustAcquire(t)
	th.mustAcquire(t)
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := th.acquire(ended, 0); err == nil {
		t.Error("got a third slot, want an error")
	}
	got := make(chan error, 1)
	go func() {
		_, err := th.acquire(context.Background(), 0)
		got <- err
	}()
	first.End(Answered(0))
	if err := <-got; err != nil {
		t.Errorf("acquire with a free slot: %v", err)
	}
}

func TestThrottleKeepsTheRate(t *testing.T) {
	t.Parallel()
	clock := newFakeClock()
	th := New(Config{Fixed: 100, Rate: 10}, clock)
	began := clock.Now()
	for range 51 {
		th.mustAcquire(t).End(Answered(0))
	}
	if took := clock.Now().Sub(began); took < 4900*time.Millisecond || took > 5100*time.Millisecond {
		t.Errorf("51 creates at 10 per second took %s, want 5s", took)
	}
}

func TestThrottleCatchesUpAfterAShortDelay(t *testing.T) {
	t.Parallel()
	const perSecond = 1000
	clock := newFakeClock()
	th := New(Config{Fixed: 100, Rate: perSecond}, clock)
	began := clock.Now()
	for range 20 {
		for range perSecond / 20 {
			th.mustAcquire(t).End(Answered(0))
		}
		clock.advance(catchUp / 2)
	}
	if took := clock.Now().Sub(began); took > 1050*time.Millisecond {
		t.Errorf("%d creates at %d per second with short delays took %s, want about 1s", perSecond, perSecond, took)
	}
	clock.advance(time.Hour)
	began = clock.Now()
	for range perSecond {
		th.mustAcquire(t).End(Answered(0))
	}
	if took := clock.Now().Sub(began); took < time.Second-catchUp-time.Millisecond {
		t.Errorf("%d creates after an hour without any took %s, want about 1s", perSecond, took)
	}
}

// TestIntentsAreOpenedAheadOfQuickCreates checks that as many slots are acquired
// ahead as are expected to end while an intent is committed.
func TestIntentsAreOpenedAheadOfQuickCreates(t *testing.T) {
	t.Parallel()
	const width = 64
	for takes, want := range map[time.Duration]int{
		0: 0, -time.Hour: 0, time.Millisecond: width, 2 * aheadTime: width / 2, 100 * aheadTime: 0, time.Hour: 0,
	} {
		synctest.Test(t, func(t *testing.T) {
			th := New(Config{Fixed: width}, bubbleClock{})
			th.mustAcquire(t).End(Answered(takes))
			ctx, leave := context.WithCancel(t.Context())
			begun, sending := make(chan *Slot, 3*width), make(chan *Slot, 3*width)
			for range 3 * width {
				go func() {
					slot, err := th.Acquire(ctx, 0)
					if err != nil {
						return
					}
					begun <- slot
					if slot.Ready(ctx) == nil {
						sending <- slot
					} else {
						slot.End(Unused)
					}
				}()
			}
			synctest.Wait()
			if got := len(begun) - len(sending); got != want || len(sending) != width {
				t.Errorf("creates of %s: %d slots ready and %d ahead, want %d and %d", takes, len(sending), got, width, want)
			}
			leave()
			synctest.Wait()
			for range width {
				(<-sending).End(Unused)
			}
			th.mustBeFree(t)
		})
	}
}

func TestNoIntentIsOpenedAheadAfterATimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := New(Config{Fixed: 1}, bubbleClock{})
		th.mustAcquire(t).End(Answered(aheadTime))
		th.mustAcquire(t) // its create takes long
		began := time.Now()
		if _, err := th.acquire(t.Context(), 0); err == nil || time.Since(began) != readyTimeout {
			t.Errorf("got %v after %s, want an error after %s", err, time.Since(began), readyTimeout)
		}
		ctx, leave := context.WithCancel(t.Context())
		go func() { _, _ = th.Acquire(ctx, 0) }()
		synctest.Wait()
		if th.acquired != 1 {
			t.Errorf("%d slots are acquired, want 1", th.acquired)
		}
		leave()
		synctest.Wait()
		time.Sleep(notAheadTime)
		slot, err := th.Acquire(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		slot.End(Unused)
	})
}

func TestCreatesWithoutAnswerCountInTheMeanTime(t *testing.T) {
	t.Parallel()
	const width = 64
	th := New(Config{Fixed: width}, newFakeClock())
	for range meanOver {
		th.mustAcquire(t).End(Answered(aheadTime))
	}
	if th.ahead() != width {
		t.Errorf("%d slots ahead with creates of %s, want %d", th.ahead(), aheadTime, width)
	}
	th.mustAcquire(t).End(Unanswered(width * meanOver * aheadTime))
	if th.ahead() != 0 {
		t.Errorf("%d slots ahead after a create without an answer, want 0", th.ahead())
	}
}
