package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"shotline/client"
	"shotline/jobs"
)

func TestWhatIsUrgentGoesFirstAndEqualsInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(1, 0, SystemClock{})
		if err := th.acquire(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		order := make(chan string, 10)
		gone, leave := context.WithCancel(t.Context())
		wait := func(ctx context.Context, name string, priority int) {
			go func() {
				if th.acquire(ctx, priority) == nil {
					order <- name
					th.released()
				}
			}()
			synctest.Wait() // it stands in line
		}
		wait(t.Context(), "low", -5)
		wait(t.Context(), "first", 0)
		wait(t.Context(), "second", 0)
		wait(gone, "gone", 9)
		wait(t.Context(), "urgent", 7)
		wait(t.Context(), "third", 0)
		wait(t.Context(), "urgent too", 7)
		leave()
		synctest.Wait()
		th.succeeded(0)
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

func TestASlotThatIsGivenToOneWhoLeavesIsNotLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for range 50 { // of two reasons to go on, one is chosen by chance
			th := newThrottle(1, 0, SystemClock{})
			if err := th.acquire(t.Context(), 0); err != nil {
				t.Fatal(err)
			}
			gone, leave := context.WithCancel(t.Context())
			left := make(chan error)
			go func() { left <- th.acquire(gone, 0) }()
			synctest.Wait()
			th.mu.Lock()
			leave()
			th.free()
			th.mu.Unlock()
			if err := <-left; err == nil {
				th.released()
			}
			if th.inUse != 0 {
				t.Fatal("nobody holds the slot, and it is not free")
			}
		}
	})
}

// TestTheRateServesTheUrgentFirst: many creates may be under way, and all wait
// for the rate. What comes later and is urgent waits for one of them.
func TestTheRateServesTheUrgentFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(50, 1, SystemClock{})
		start := time.Now()
		sent := make(chan string, 30)
		send := func(priority int) {
			go func() {
				if err := th.acquire(t.Context(), priority); err != nil {
					t.Error(err)
				}
				sent <- fmt.Sprintf("%d after %s", priority, time.Since(start))
				th.succeeded(0)
			}()
			synctest.Wait()
		}
		for range 20 {
			send(0)
		}
		time.Sleep(1500 * time.Millisecond) // two are sent, and one has its place in the rate
		send(5)
		for range 3 {
			<-sent
		}
		if got := <-sent; got != "5 after 3s" {
			t.Errorf("the fourth create is of priority %s, want 5 after 3s", got)
		}
		for range 17 {
			<-sent
		}
		if took := time.Since(start); took != 20*time.Second {
			t.Errorf("21 creates at 1 a second took %s", took)
		}
	})
}

// TestAJobAskedForByItselfOvertakesABatch: one create at a time, a batch whose
// creates are under way, and a job of higher priority.
func TestAJobAskedForByItselfOvertakesABatch(t *testing.T) {
	overtakes(t, func(r *rig) {
		_, err := r.store.AddJob(r.ctx(), jobs.BatchSpec{ID: "urgent", Priority: 1}, jobs.Request{URL: "https://urgent.test/"}, r.clock.Now())
		r.must(err)
	})
}

// A row of higher priority does so as well, whatever that of its batch.
func TestAnUrgentRowOvertakesAnotherBatch(t *testing.T) {
	overtakes(t, func(r *rig) {
		rows := requests{{Line: 1, URL: "https://urgent.test/", Priority: new(1)}}
		_, err := Import(r.ctx(), r.store, jobs.BatchSpec{ID: "urgent", Priority: -1}, &rows, r.clock, nil)
		r.must(err)
	})
}

func overtakes(t *testing.T, add func(*rig)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, one)
		r.load(4)
		add(r)
		answer := make(chan struct{})
		r.vendor.onCreate = func(client.Screenshot) { <-answer }
		ended := make(chan error, 2)
		submit := func(batch string) {
			go func() { ended <- r.SubmitBatch(r.ctx(), batch) }()
			synctest.Wait()
		}
		submit(rigBatch) // its first create is under way, and its second waits
		submit("urgent")
		close(answer)
		r.must(errors.Join(<-ended, <-ended))
		var order []string
		for _, create := range r.vendor.creates {
			order = append(order, strings.Split(strings.TrimPrefix(create.URL, "https://"), ".")[0])
		}
		if want := []string{rigBatch, "urgent", rigBatch, rigBatch, rigBatch}; !slices.Equal(order, want) {
			t.Errorf("creates were sent for %v, want %v", order, want)
		}
	})
}
