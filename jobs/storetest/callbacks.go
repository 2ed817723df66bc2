package storetest

import (
	"fmt"
	"slices"
	"time"

	"shotline/jobs"
)

// claimTime is how long a claim keeps out other workers. attemptTime is how long
// an attempt does.
const (
	claimTime   = 2 * time.Minute
	attemptTime = time.Minute
)

var callbackTests = []test{
	{"a callback is claimed once until its wake time", func(f *fixture) {
		f.openCursor("r")
		f.addCallbacks("r", 0, 1, callback(1, "a"))
		claimed := f.claim(9, 9)
		wantSame(f, "claimed", len(claimed), 1)
		if c := claimed[0]; c.Generation != 1 || c.Body != nil || c.State != jobs.CallbackOwed || c.Event != 1 {
			f.t.Fatalf("claimed %+v", c)
		}
		f.wantClaimed(9, 9)
		f.later(claimTime - time.Second)
		f.wantClaimed(9, 9)
		f.later(time.Second)
		wantSame(f, "generation", f.claim(9, 9)[0].Generation, 2)
	}},
	{"callbacks are claimed in the order of their wake times", func(f *fixture) {
		f.openCursor("r")
		for i, event := range []int64{30, 10, 20} {
			f.addCallbacks("r", int64(i), int64(i+1), callback(event, fmt.Sprint(event%20)))
			f.later(time.Second)
		}
		f.addCallbacks("r", 3, 4, callback(41, "b"), callback(40, "b"))
		f.wantClaimed(9, 2, 30, 10)
		f.wantClaimed(9, 9, 20, 41, 40)
		c := f.begin(f.byEvent(20))
		f.settle(c, jobs.CallbackEnd{State: jobs.CallbackOwed, DueAt: f.now.Add(5 * time.Second)})
		f.later(time.Second)
		f.addCallbacks("r", 4, 5, callback(50, "z"))
		f.later(time.Minute)
		f.wantClaimed(9, 1, 50) // it became due before an older one was due again
		f.wantClaimed(9, 9, 20)
	}},
	{"the attempts under way are limited per lane", func(f *fixture) {
		f.openCursor("r")
		var callbacks []jobs.Callback
		for i := range int64(5) {
			callbacks = append(callbacks, callback(10+i, "a"), callback(20+i, "b"))
		}
		f.addCallbacks("r", 0, 1, append(callbacks, callback(30, "c"))...)
		f.wantClaimed(2, 9, 10, 20, 11, 21, 30)
		f.wantClaimed(2, 9)
		f.wantClaimed(3, 1, 12)
		f.wantClaimed(3, 9, 22)
		f.wantClaimed(3, 9)
		ten := f.begin(f.byEvent(10))
		f.wantClaimed(3, 9) // it still counts as under way
		f.settle(ten, jobs.CallbackEnd{State: jobs.CallbackOwed, DueAt: f.now.Add(time.Hour)})
		f.wantClaimed(3, 9, 13)
		f.settle(f.begin(f.byEvent(20)), jobs.CallbackEnd{State: jobs.CallbackDelivered})
		f.settle(f.begin(f.byEvent(21)), jobs.CallbackEnd{State: jobs.CallbackDead})
		f.wantClaimed(3, 9, 23, 24)
		f.later(claimTime) // the claims expire
		wantSame(f, "claimed again", len(f.claim(3, 9)), 3+3+1)
		f.later(claimTime)
		f.wantClaimed(0, 9)
		wantSame(f, "claimed when no more are wanted", len(f.claim(9, 0)), 0)
		wantSame(f, "claimed with room for all", len(f.claim(9, 99)), 4+3+1)
	}},
	{"undelivered callbacks of a lane are counted up to a limit", func(f *fixture) {
		count := func(lane string, most int) int {
			n, err := f.CountOwed(f.ctx(), lane, most)
			f.must(err, "count undelivered callbacks")
			return n
		}
		wantSame(f, "undelivered of an unknown lane", count("a", 9), 0)
		f.openCursor("r")
		f.addCallbacks("r", 0, 1, callback(1, "a"), callback(2, "a"), callback(3, "a"), callback(4, "b"))
		wantSame(f, "undelivered", count("a", 9), 3)
		wantSame(f, "undelivered up to a limit", count("a", 2), 2)
		wantSame(f, "undelivered of the other lane", count("b", 9), 1)
		f.claim(9, 9)
		wantSame(f, "undelivered after the claim", count("a", 9), 3)
		f.settle(f.begin(f.byEvent(1)), jobs.CallbackEnd{State: jobs.CallbackDelivered})
		f.settle(f.begin(f.byEvent(2)), jobs.CallbackEnd{State: jobs.CallbackDead})
		wantSame(f, "undelivered after two ends", count("a", 9), 1)
	}},
	{"only the owner of a claim begins an attempt, one at a time", func(f *fixture) {
		f.openCursor("r")
		f.addCallbacks("r", 0, 1, callback(1, "a"), callback(2, "a"))
		older := f.claim(1, 1)[0]
		f.wantNotBegun(older.Seq, older.Generation+1)
		f.wantNotBegun(older.Seq+9, 1)
		f.later(claimTime)
		newer := f.claim(1, 1)[0]
		wantSame(f, "claimed again", newer.Event, 2)
		newer = f.claim(2, 2)[0]
		wantSame(f, "claimed again", newer.Event, 1)
		f.wantNotBegun(older.Seq, older.Generation)
		begun := f.begin(newer)
		wantSame(f, "attempts", begun.Attempts, 1)
		f.wantTime("first attempt", begun.FirstAt, f.now)
		first := f.now
		f.wantNotBegun(newer.Seq, newer.Generation)
		f.later(attemptTime - time.Second)
		f.wantNotBegun(newer.Seq, newer.Generation)
		f.later(time.Second)
		again := f.begin(newer) // the worker of the first attempt has died
		wantSame(f, "attempts", again.Attempts, 2)
		f.wantTime("first attempt", again.FirstAt, first)
	}},
	{"a failed callback is due again at its due time", func(f *fixture) {
		f.openCursor("r")
		f.addCallbacks("r", 0, 1, callback(1, "a"))
		c := f.begin(f.claim(1, 1)[0])
		due := f.now.Add(time.Minute)
		f.must(f.SettleCallback(f.ctx(), c, jobs.CallbackEnd{State: jobs.CallbackOwed, DueAt: due, Status: 503, Error: "busy"}, f.now, due.Add(time.Minute)), "settle")
		kept := f.byEvent(1)
		wantSame(f, "state", kept.State, jobs.CallbackOwed)
		wantSame(f, "status", kept.Status, 503)
		wantSame(f, "error", kept.Error, "busy")
		f.wantTime("due", kept.DueAt, due)
		f.wantTime("settled", kept.SettledAt, time.Time{})
		f.later(time.Minute - time.Second)
		f.wantNotBegun(c.Seq, c.Generation)
		f.later(time.Second)
		f.wantClaimed(9, 9) // the claim still holds
		again := f.begin(c)
		wantSame(f, "attempts", again.Attempts, 2)
		wantSame(f, "body", string(again.Body), "body of 1")
		f.settle(again, jobs.CallbackEnd{State: jobs.CallbackOwed, DueAt: f.now.Add(time.Minute)})
		f.later(time.Minute) // a wake time before the due time is moved to the due time
		wantSame(f, "generation", f.claim(9, 9)[0].Generation, c.Generation+1)
	}},
	{"a callback without a new attempt is claimed again", func(f *fixture) {
		f.openCursor("r")
		f.addCallbacks("r", 0, 1, callback(1, "a"))
		c := f.begin(f.claim(1, 1)[0])
		due := f.now.Add(time.Minute)
		f.must(f.SettleCallback(f.ctx(), c, jobs.CallbackEnd{State: jobs.CallbackOwed, DueAt: due}, f.now, due.Add(time.Minute)), "settle")
		f.later(2*time.Minute - time.Second)
		f.wantClaimed(9, 9)
		f.later(time.Second)
		wantSame(f, "generation", f.claim(9, 9)[0].Generation, 2)
		f.wantNotBegun(c.Seq, c.Generation)
	}},
	{"a settled callback does not change", func(f *fixture) {
		for i, end := range []jobs.CallbackEnd{{State: jobs.CallbackDelivered, Status: 204}, {State: jobs.CallbackDead, Status: 410, Error: "gone"}} {
			event, name := int64(i+1), fmt.Sprint("r", i)
			f.openCursor(name)
			f.addCallbacks(name, 0, 1, callback(event, "a"))
			f.later(time.Second)
			c := f.begin(f.claim(1, 1)[0])
			f.later(time.Second)
			f.settle(c, end)
			kept := f.byEvent(event)
			wantSame(f, "state", kept.State, end.State)
			wantSame(f, "status", kept.Status, end.Status)
			wantSame(f, "error", kept.Error, end.Error)
			f.wantTime("settled", kept.SettledAt, f.now)
			f.wantTime("due", kept.DueAt, time.Time{})
			for _, other := range []jobs.CallbackState{jobs.CallbackDelivered, jobs.CallbackDead, jobs.CallbackOwed} {
				err := f.SettleCallback(f.ctx(), c, jobs.CallbackEnd{State: other, DueAt: f.now}, f.now, f.now)
				f.wantErr(err, jobs.ErrLeaseLost, "settle again")
			}
			f.later(100 * day)
			f.wantNotBegun(c.Seq, c.Generation)
			f.wantClaimed(9, 9)
			wantSame(f, "state", f.byEvent(event).State, end.State)
		}
	}},
	{"a late settle changes nothing", func(f *fixture) {
		f.openCursor("r")
		f.addCallbacks("r", 0, 1, callback(1, "a"))
		first := f.begin(f.claim(1, 1)[0])
		f.later(attemptTime)
		f.wantLateSettle(first, f.claim(1, 1)[0])        // claimed again
		second := f.begin(f.byEvent(1))                  // by another worker
		f.wantLateSettle(first, second)                  // whose attempt is under way
		f.wantLateSettle(jobs.Callback{Seq: 99}, second) // an unknown callback
		f.later(attemptTime)                             // the second attempt expires
		third := f.begin(second)                         // in the same generation
		f.wantLateSettle(second, third)                  // the second worker returns late
		f.settle(third, jobs.CallbackEnd{State: jobs.CallbackOwed, DueAt: f.now.Add(time.Second)})
		f.wantLateSettle(third, f.byEvent(1)) // settled twice
		claimed := f.claimLater(time.Second)
		f.wantLateSettle(third, claimed) // claimed, but not begun
		f.wantLateSettle(claimed, claimed)
		f.settle(f.begin(claimed), jobs.CallbackEnd{State: jobs.CallbackDead})
		f.replay(jobs.CallbackFilter{})
		replayed := f.begin(f.claim(1, 1)[0])
		wantSame(f, "attempts since the replay", replayed.Attempts, first.Attempts)
		f.wantLateSettle(first, replayed)
	}},
	{"invalid ends are refused", func(f *fixture) {
		f.openCursor("r")
		f.addCallbacks("r", 0, 1, callback(1, "a"))
		c := f.begin(f.claim(1, 1)[0])
		for _, end := range []jobs.CallbackEnd{{}, {State: "lost"}, {State: jobs.CallbackOwed}} {
			f.wantErr(f.SettleCallback(f.ctx(), c, end, f.now, f.now), jobs.ErrInvalid, "settle")
		}
		f.settle(c, jobs.CallbackEnd{State: jobs.CallbackDelivered})
	}},
	{"a dead lane does not delay other lanes", func(f *fixture) {
		const n = 20_000
		f.openCursor("r")
		f.uncheckedSteps = true
		var place int64
		for range n / 1000 {
			var callbacks []jobs.Callback
			for range 1000 {
				place++
				callbacks = append(callbacks, callback(place, "dead"))
			}
			f.addCallbacks("r", place-1000, place, callbacks...)
		}
		f.later(time.Second)
		f.addCallbacks("r", place, place+1, callback(n+1, "alive"), callback(n+2, "well"))
		f.wantClaimed(2, 4, 1, 2, n+1, n+2)
		f.addCallbacks("r", place+1, place+2, callback(n+3, "alive"))
		f.wantClaimed(2, 4, n+3)
	}},
}

// claim claims callbacks that are due.
func (f *fixture) claim(perLane, limit int) []jobs.Callback {
	f.t.Helper()
	claimed, err := f.ClaimCallbacks(f.ctx(), f.now, f.now.Add(claimTime), perLane, limit)
	f.must(err, "claim callbacks")
	return claimed
}

func (f *fixture) claimLater(d time.Duration) jobs.Callback {
	f.t.Helper()
	f.later(d)
	claimed := f.claim(9, 9)
	wantSame(f, "claimed", len(claimed), 1)
	return claimed[0]
}

// claimEvent claims all callbacks that are due, and returns the callback of an
// event.
func (f *fixture) claimEvent(event int64) jobs.Callback {
	f.t.Helper()
	for _, c := range f.claim(99, 99) {
		if c.Event == event {
			return c
		}
	}
	f.t.Fatalf("the callback of event %d was not claimed", event)
	return jobs.Callback{}
}

// wantClaimed claims callbacks and asserts their events, in order.
func (f *fixture) wantClaimed(perLane, limit int, events ...int64) {
	f.t.Helper()
	var got []int64
	for _, c := range f.claim(perLane, limit) {
		got = append(got, c.Event)
	}
	if !slices.Equal(got, events) {
		f.t.Fatalf("claimed the callbacks of %v, want %v", got, events)
	}
}

// begin begins an attempt of a claimed callback.
func (f *fixture) begin(c jobs.Callback) jobs.Callback {
	f.t.Helper()
	begun, err := f.BeginCallback(f.ctx(), c.Seq, c.Generation, f.now, f.now.Add(attemptTime))
	f.must(err, "begin callback of event %d", c.Event)
	return begun
}

// wantNotBegun asserts that no attempt of a callback can begin in a generation.
func (f *fixture) wantNotBegun(seq, generation int64) {
	f.t.Helper()
	_, err := f.BeginCallback(f.ctx(), seq, generation, f.now, f.now.Add(attemptTime))
	f.wantErr(err, jobs.ErrLeaseLost, fmt.Sprintf("begin callback %d in generation %d", seq, generation))
}

// settle ends an attempt without a wake time.
func (f *fixture) settle(c jobs.Callback, end jobs.CallbackEnd) {
	f.t.Helper()
	f.must(f.SettleCallback(f.ctx(), c, end, f.now, time.Time{}), "settle callback of event %d", c.Event)
}

// settleAll claims all callbacks that are due, and ends them.
func (f *fixture) settleAll(end jobs.CallbackEnd) {
	f.t.Helper()
	claimed := f.claim(10_000, 10_000)
	concurrently(f, len(claimed), func(i int) error {
		c, err := f.BeginCallback(f.ctx(), claimed[i].Seq, claimed[i].Generation, f.now, f.now.Add(attemptTime))
		if err != nil {
			return err
		}
		return f.SettleCallback(f.ctx(), c, end, f.now, time.Time{})
	})
}

// wantLateSettle asserts that settling an old attempt changes nothing.
func (f *fixture) wantLateSettle(past, now jobs.Callback) {
	f.t.Helper()
	for _, state := range jobs.CallbackStates {
		err := f.SettleCallback(f.ctx(), past, jobs.CallbackEnd{State: state, DueAt: f.now}, f.now, f.now)
		f.wantErr(err, jobs.ErrLeaseLost, "settle")
	}
	kept := f.byEvent(now.Event)
	if kept.State != now.State || kept.Generation != now.Generation || kept.Attempts != now.Attempts || !kept.DueAt.Equal(now.DueAt) {
		f.t.Fatalf("after a late settle the callback is %+v, want %+v", kept, now)
	}
}

func (f *fixture) callbacks(filter jobs.CallbackFilter) []jobs.Callback {
	f.t.Helper()
	page, err := f.Callbacks(f.ctx(), filter)
	f.must(err, "callbacks %+v", filter)
	return page
}

// byEvent returns the callback of an event.
func (f *fixture) byEvent(event int64) jobs.Callback {
	f.t.Helper()
	for _, c := range f.callbacks(jobs.CallbackFilter{Limit: 1000}) {
		if c.Event == event {
			return c
		}
	}
	f.t.Fatalf("no callback of event %d", event)
	return jobs.Callback{}
}

func (f *fixture) totals() jobs.Totals {
	f.t.Helper()
	totals, err := f.Totals(f.ctx())
	f.must(err, "totals")
	return totals
}
