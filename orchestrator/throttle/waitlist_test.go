package throttle

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestHigherPriorityGoesFirstAndEqualsInOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := New(Config{Fixed: 1}, bubbleClock{})
		held := th.mustAcquire(t)
		order := make(chan string, 10)
		canceled, cancel := context.WithCancel(t.Context())
		wait := func(ctx context.Context, name string, priority int) {
			go func() {
				if slot, err := th.acquire(ctx, priority); err == nil {
					order <- name
					slot.End(Unused)
				}
			}()
			synctest.Wait() // it waits
		}
		wait(t.Context(), "low", -5)
		wait(t.Context(), "first", 0)
		wait(t.Context(), "second", 0)
		wait(canceled, "canceled", 9)
		wait(t.Context(), "urgent", 7)
		wait(t.Context(), "third", 0)
		wait(t.Context(), "urgent too", 7)
		cancel()
		synctest.Wait()
		held.End(Answered(0))
		synctest.Wait()
		close(order)
		var got []string
		for name := range order {
			got = append(got, name)
		}
		if want := []string{"urgent", "urgent too", "first", "second", "third", "low"}; !slices.Equal(got, want) {
			t.Errorf("slots went to %q, want %q", got, want)
		}
	})
}

// TestASlotGrantedToACanceledWaiterIsNotLost grants a slot and cancels its waiter
// at the same moment.
func TestASlotGrantedToACanceledWaiterIsNotLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for range 50 { // select chooses at random
			th := New(Config{Fixed: 1}, bubbleClock{})
			th.mustAcquire(t)
			canceled, cancel := context.WithCancel(t.Context())
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				if slot, err := th.acquire(canceled, 0); err == nil {
					slot.End(Unused)
				}
			}()
			synctest.Wait()
			th.mu.Lock()
			cancel()
			th.acquired--
			th.sending--
			th.grant()
			th.mu.Unlock()
			<-ended
			th.mustBeFree(t)
		}
	})
}

// TestTheRateServesHigherPriorityFirst has many creates wait for the rate. One that
// comes later and has a higher priority waits for one of them only.
func TestTheRateServesHigherPriorityFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := New(Config{Fixed: 50, Rate: 1}, bubbleClock{})
		start := time.Now()
		sent := make(chan string, 30)
		send := func(priority int) {
			go func() {
				slot, err := th.acquire(t.Context(), priority)
				if err != nil {
					t.Error(err)
					return
				}
				sent <- fmt.Sprintf("%d after %s", priority, time.Since(start))
				slot.End(Answered(0))
			}()
			synctest.Wait()
		}
		for range 20 {
			send(0)
		}
		time.Sleep(1500 * time.Millisecond) // two are sent, and one has reserved its place in the rate
		send(5)
		for range 3 {
			<-sent
		}
		if got := <-sent; got != "5 after 3s" {
			t.Errorf("the fourth create has priority %s, want 5 after 3s", got)
		}
		for range 17 {
			<-sent
		}
		if took := time.Since(start); took != 20*time.Second {
			t.Errorf("21 creates at 1 per second took %s, want 20s", took)
		}
	})
}
