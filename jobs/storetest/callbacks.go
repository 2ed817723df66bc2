package storetest

import (
	"fmt"
	"slices"
	"time"

	"shotline/jobs"
)

// claimTime is how long a claim keeps others off, attemptTime how long an attempt.
const (
	claimTime   = 2 * time.Minute
	attemptTime = time.Minute
)

var callbackTests = []test{
	{"a callback is claimed once until its wake time", func(b *book) {
		b.openCursor("r")
		b.owe("r", 0, 1, callback(1, "a"))
		claimed := b.claim(9, 9)
		wantSame(b, "claimed", len(claimed), 1)
		if c := claimed[0]; c.Generation != 1 || c.Body != nil || c.State != jobs.CallbackOwed || c.Event != 1 {
			b.t.Fatalf("claimed %+v", c)
		}
		b.wantClaimed(9, 9)
		b.later(claimTime - time.Second)
		b.wantClaimed(9, 9)
		b.later(time.Second)
		wantSame(b, "generation", b.claim(9, 9)[0].Generation, 2)
	}},
	{"those that wake first are claimed first", func(b *book) {
		b.openCursor("r")
		for i, event := range []int64{30, 10, 20} {
			b.owe("r", int64(i), int64(i+1), callback(event, fmt.Sprint(event%20)))
			b.later(time.Second)
		}
		b.owe("r", 3, 4, callback(41, "b"), callback(40, "b"))
		b.wantClaimed(9, 2, 30, 10)
		b.wantClaimed(9, 9, 20, 41, 40)
		c := b.begin(b.byEvent(20))
		b.settle(c, jobs.CallbackEnd{State: jobs.CallbackOwed, DueAt: b.now.Add(5 * time.Second)})
		b.later(time.Second)
		b.owe("r", 4, 5, callback(50, "z"))
		b.later(time.Minute)
		b.wantClaimed(9, 1, 50) // it became due before an older one was due again
		b.wantClaimed(9, 9, 20)
	}},
	{"of each lane only so many are under way", func(b *book) {
		b.openCursor("r")
		var owed []jobs.Callback
		for i := range int64(5) {
			owed = append(owed, callback(10+i, "a"), callback(20+i, "b"))
		}
		b.owe("r", 0, 1, append(owed, callback(30, "c"))...)
		b.wantClaimed(2, 9, 10, 20, 11, 21, 30)
		b.wantClaimed(2, 9)
		b.wantClaimed(3, 1, 12)
		b.wantClaimed(3, 9, 22)
		b.wantClaimed(3, 9)
		ten := b.begin(b.byEvent(10))
		b.wantClaimed(3, 9) // it is under way as before
		b.settle(ten, jobs.CallbackEnd{State: jobs.CallbackOwed, DueAt: b.now.Add(time.Hour)})
		b.wantClaimed(3, 9, 13)
		b.settle(b.begin(b.byEvent(20)), jobs.CallbackEnd{State: jobs.CallbackDelivered})
		b.settle(b.begin(b.byEvent(21)), jobs.CallbackEnd{State: jobs.CallbackDead})
		b.wantClaimed(3, 9, 23, 24)
		b.later(claimTime) // nobody came for those that were claimed
		wantSame(b, "claimed anew", len(b.claim(3, 9)), 3+3+1)
		b.later(claimTime)
		b.wantClaimed(0, 9)
		wantSame(b, "claimed when no more are wanted", len(b.claim(9, 0)), 0)
		wantSame(b, "claimed with room for all", len(b.claim(9, 99)), 4+3+1)
	}},
	{"what a lane is owed is counted, up to a bound", func(b *book) {
		owed := func(lane string, most int) int {
			n, err := b.CountOwed(b.ctx(), lane, most)
			b.must(err, "count owed")
			return n
		}
		wantSame(b, "of an unknown lane", owed("a", 9), 0)
		b.openCursor("r")
		b.owe("r", 0, 1, callback(1, "a"), callback(2, "a"), callback(3, "a"), callback(4, "b"))
		wantSame(b, "owed", owed("a", 9), 3)
		wantSame(b, "up to a bound", owed("a", 2), 2)
		wantSame(b, "of the other", owed("b", 9), 1)
		b.claim(9, 9)
		wantSame(b, "once claimed", owed("a", 9), 3)
		b.settle(b.begin(b.byEvent(1)), jobs.CallbackEnd{State: jobs.CallbackDelivered})
		b.settle(b.begin(b.byEvent(2)), jobs.CallbackEnd{State: jobs.CallbackDead})
		wantSame(b, "once settled", owed("a", 9), 1)
	}},
	{"an attempt is the claim's, one at a time", func(b *book) {
		b.openCursor("r")
		b.owe("r", 0, 1, callback(1, "a"), callback(2, "a"))
		older := b.claim(1, 1)[0]
		b.wantNotBegun(older.Seq, older.Generation+1)
		b.wantNotBegun(older.Seq+9, 1)
		b.later(claimTime)
		newer := b.claim(1, 1)[0]
		wantSame(b, "claimed anew", newer.Event, 2)
		newer = b.claim(2, 2)[0]
		wantSame(b, "claimed anew", newer.Event, 1)
		b.wantNotBegun(older.Seq, older.Generation)
		begun := b.begin(newer)
		wantSame(b, "attempts", begun.Attempts, 1)
		b.wantTime("first attempt", begun.FirstAt, b.now)
		first := b.now
		b.wantNotBegun(newer.Seq, newer.Generation)
		b.later(attemptTime - time.Second)
		b.wantNotBegun(newer.Seq, newer.Generation)
		b.later(time.Second)
		again := b.begin(newer) // who made the first attempt is gone
		wantSame(b, "attempts", again.Attempts, 2)
		b.wantTime("first attempt", again.FirstAt, first)
	}},
	{"an attempt that failed is due again in its time", func(b *book) {
		b.openCursor("r")
		b.owe("r", 0, 1, callback(1, "a"))
		c := b.begin(b.claim(1, 1)[0])
		due := b.now.Add(time.Minute)
		b.must(b.SettleCallback(b.ctx(), c, jobs.CallbackEnd{State: jobs.CallbackOwed, DueAt: due, Status: 503, Error: "busy"}, b.now, due.Add(time.Minute)), "settle")
		kept := b.byEvent(1)
		wantSame(b, "state", kept.State, jobs.CallbackOwed)
		wantSame(b, "status", kept.Status, 503)
		wantSame(b, "error", kept.Error, "busy")
		b.wantTime("due", kept.DueAt, due)
		b.wantTime("settled", kept.SettledAt, time.Time{})
		b.later(time.Minute - time.Second)
		b.wantNotBegun(c.Seq, c.Generation)
		b.later(time.Second)
		b.wantClaimed(9, 9) // whoever keeps the time of its attempts has it still
		again := b.begin(c)
		wantSame(b, "attempts", again.Attempts, 2)
		wantSame(b, "body", string(again.Body), "body of 1")
		b.settle(again, jobs.CallbackEnd{State: jobs.CallbackOwed, DueAt: b.now.Add(time.Minute)})
		b.later(time.Minute) // a wake time that is before it is due is put off
		wantSame(b, "generation", b.claim(9, 9)[0].Generation, c.Generation+1)
	}},
	{"an attempt that nobody began again is claimed anew", func(b *book) {
		b.openCursor("r")
		b.owe("r", 0, 1, callback(1, "a"))
		c := b.begin(b.claim(1, 1)[0])
		due := b.now.Add(time.Minute)
		b.must(b.SettleCallback(b.ctx(), c, jobs.CallbackEnd{State: jobs.CallbackOwed, DueAt: due}, b.now, due.Add(time.Minute)), "settle")
		b.later(2*time.Minute - time.Second)
		b.wantClaimed(9, 9)
		b.later(time.Second)
		wantSame(b, "generation", b.claim(9, 9)[0].Generation, 2)
		b.wantNotBegun(c.Seq, c.Generation)
	}},
	{"what is settled stays as it is", func(b *book) {
		for i, end := range []jobs.CallbackEnd{{State: jobs.CallbackDelivered, Status: 204}, {State: jobs.CallbackDead, Status: 410, Error: "gone"}} {
			event, name := int64(i+1), fmt.Sprint("r", i)
			b.openCursor(name)
			b.owe(name, 0, 1, callback(event, "a"))
			b.later(time.Second)
			c := b.begin(b.claim(1, 1)[0])
			b.later(time.Second)
			b.settle(c, end)
			kept := b.byEvent(event)
			wantSame(b, "state", kept.State, end.State)
			wantSame(b, "status", kept.Status, end.Status)
			wantSame(b, "error", kept.Error, end.Error)
			b.wantTime("settled", kept.SettledAt, b.now)
			b.wantTime("due", kept.DueAt, time.Time{})
			for _, other := range []jobs.CallbackState{jobs.CallbackDelivered, jobs.CallbackDead, jobs.CallbackOwed} {
				err := b.SettleCallback(b.ctx(), c, jobs.CallbackEnd{State: other, DueAt: b.now}, b.now, b.now)
				b.wantErr(err, jobs.ErrLeaseLost, "settle again")
			}
			b.later(100 * day)
			b.wantNotBegun(c.Seq, c.Generation)
			b.wantClaimed(9, 9)
			wantSame(b, "state", b.byEvent(event).State, end.State)
		}
	}},
	{"a late settle changes nothing", func(b *book) {
		b.openCursor("r")
		b.owe("r", 0, 1, callback(1, "a"))
		first := b.begin(b.claim(1, 1)[0])
		b.later(attemptTime)
		b.late(first, b.claim(1, 1)[0])        // claimed anew
		second := b.begin(b.byEvent(1))        // by another
		b.late(first, second)                  // who is under way
		b.late(jobs.Callback{Seq: 99}, second) // nothing of the kind
		b.later(attemptTime)                   // and did not come back
		third := b.begin(second)               // in the same generation
		b.late(second, third)                  // after all
		b.settle(third, jobs.CallbackEnd{State: jobs.CallbackOwed, DueAt: b.now.Add(time.Second)})
		b.late(third, b.byEvent(1)) // a second time
		claimed := b.claimLater(time.Second)
		b.late(third, claimed) // claimed, and nobody has begun
		b.late(claimed, claimed)
		b.settle(b.begin(claimed), jobs.CallbackEnd{State: jobs.CallbackDead})
		b.replay(jobs.CallbackFilter{})
		replayed := b.begin(b.claim(1, 1)[0])
		wantSame(b, "attempts since the replay", replayed.Attempts, first.Attempts)
		b.late(first, replayed)
	}},
	{"ends are checked", func(b *book) {
		b.openCursor("r")
		b.owe("r", 0, 1, callback(1, "a"))
		c := b.begin(b.claim(1, 1)[0])
		for _, end := range []jobs.CallbackEnd{{}, {State: "lost"}, {State: jobs.CallbackOwed}} {
			b.wantErr(b.SettleCallback(b.ctx(), c, end, b.now, b.now), jobs.ErrInvalid, "settle")
		}
		b.settle(c, jobs.CallbackEnd{State: jobs.CallbackDelivered})
	}},
	{"a dead lane keeps nobody waiting", func(b *book) {
		const n = 20_000
		b.openCursor("r")
		b.quiet = true
		var place int64
		for range n / 1000 {
			var owed []jobs.Callback
			for range 1000 {
				place++
				owed = append(owed, callback(place, "dead"))
			}
			b.owe("r", place-1000, place, owed...)
		}
		b.later(time.Second)
		b.owe("r", place, place+1, callback(n+1, "alive"), callback(n+2, "well"))
		b.wantClaimed(2, 4, 1, 2, n+1, n+2)
		b.owe("r", place+1, place+2, callback(n+3, "alive"))
		b.wantClaimed(2, 4, n+3)
	}},
}

// claim claims what is due.
func (b *book) claim(perLane, limit int) []jobs.Callback {
	b.t.Helper()
	claimed, err := b.ClaimCallbacks(b.ctx(), b.now, b.now.Add(claimTime), perLane, limit)
	b.must(err, "claim callbacks")
	return claimed
}

func (b *book) claimLater(d time.Duration) jobs.Callback {
	b.t.Helper()
	b.later(d)
	claimed := b.claim(9, 9)
	wantSame(b, "claimed", len(claimed), 1)
	return claimed[0]
}

// claimEvent claims what is due, and returns the callback of an event.
func (b *book) claimEvent(event int64) jobs.Callback {
	b.t.Helper()
	for _, c := range b.claim(99, 99) {
		if c.Event == event {
			return c
		}
	}
	b.t.Fatalf("the callback of event %d was not claimed", event)
	return jobs.Callback{}
}

// wantClaimed asserts whose callbacks are claimed, in order.
func (b *book) wantClaimed(perLane, limit int, events ...int64) {
	b.t.Helper()
	var got []int64
	for _, c := range b.claim(perLane, limit) {
		got = append(got, c.Event)
	}
	if !slices.Equal(got, events) {
		b.t.Fatalf("claimed the callbacks of %v, want %v", got, events)
	}
}

// begin begins the attempt of a claim.
func (b *book) begin(c jobs.Callback) jobs.Callback {
	b.t.Helper()
	begun, err := b.BeginCallback(b.ctx(), c.Seq, c.Generation, b.now, b.now.Add(attemptTime))
	b.must(err, "begin callback of event %d", c.Event)
	return begun
}

// wantNotBegun asserts that no attempt of a callback can begin in a generation.
func (b *book) wantNotBegun(seq, generation int64) {
	b.t.Helper()
	_, err := b.BeginCallback(b.ctx(), seq, generation, b.now, b.now.Add(attemptTime))
	b.wantErr(err, jobs.ErrLeaseLost, fmt.Sprintf("begin callback %d in generation %d", seq, generation))
}

// settle ends an attempt, without a wake time of its own.
func (b *book) settle(c jobs.Callback, end jobs.CallbackEnd) {
	b.t.Helper()
	b.must(b.SettleCallback(b.ctx(), c, end, b.now, time.Time{}), "settle callback of event %d", c.Event)
}

// settleAll claims what is due and ends it.
func (b *book) settleAll(end jobs.CallbackEnd) {
	b.t.Helper()
	claimed := b.claim(10_000, 10_000)
	crowd(b, len(claimed), func(i int) error {
		c, err := b.BeginCallback(b.ctx(), claimed[i].Seq, claimed[i].Generation, b.now, b.now.Add(attemptTime))
		if err != nil {
			return err
		}
		return b.SettleCallback(b.ctx(), c, end, b.now, time.Time{})
	})
}

// late asserts that settling an attempt of the past changes nothing.
func (b *book) late(past, now jobs.Callback) {
	b.t.Helper()
	for _, state := range jobs.CallbackStates {
		err := b.SettleCallback(b.ctx(), past, jobs.CallbackEnd{State: state, DueAt: b.now}, b.now, b.now)
		b.wantErr(err, jobs.ErrLeaseLost, "settle")
	}
	kept := b.byEvent(now.Event)
	if kept.State != now.State || kept.Generation != now.Generation || kept.Attempts != now.Attempts || !kept.DueAt.Equal(now.DueAt) {
		b.t.Fatalf("after a late settle the callback is %+v, want %+v", kept, now)
	}
}

func (b *book) callbacks(f jobs.CallbackFilter) []jobs.Callback {
	b.t.Helper()
	page, err := b.Callbacks(b.ctx(), f)
	b.must(err, "callbacks %+v", f)
	return page
}

// byEvent finds the callback of an event that has one.
func (b *book) byEvent(event int64) jobs.Callback {
	b.t.Helper()
	for _, c := range b.callbacks(jobs.CallbackFilter{Limit: 1000}) {
		if c.Event == event {
			return c
		}
	}
	b.t.Fatalf("no callback of event %d", event)
	return jobs.Callback{}
}

func (b *book) totals() jobs.Totals {
	b.t.Helper()
	totals, err := b.Totals(b.ctx())
	b.must(err, "totals")
	return totals
}
