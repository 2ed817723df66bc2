package storetest

import (
	"slices"
	"time"

	"shotline/jobs"
)

// replayTests test operations on callbacks other than their delivery.
var replayTests = []test{
	{"dead callbacks are replayed from their first attempt", func(f *fixture) {
		f.callbacksInAllStates()
		before := f.byEvent(3)
		wantSame(f, "attempts before", before.Attempts, 1)
		f.later(day)
		wantSame(f, "replayed", f.replay(jobs.CallbackFilter{Seqs: []int64{before.Seq}}), 1)
		kept := f.byEvent(3)
		wantSame(f, "state", kept.State, jobs.CallbackOwed)
		wantSame(f, "attempts", kept.Attempts, 0)
		f.wantTime("first attempt", kept.FirstAt, time.Time{})
		f.wantTime("due", kept.DueAt, f.now)
		f.wantTime("settled", kept.SettledAt, time.Time{})
		wantSame(f, "replayed a second time", f.replay(jobs.CallbackFilter{Seqs: []int64{before.Seq}}), 0)
		f.wantNotBegun(before.Seq, before.Generation+1)
		c := f.begin(f.claimEvent(3))
		wantSame(f, "generation", c.Generation, before.Generation+1)
		wantSame(f, "body", string(c.Body), "body of 3")
		f.wantTime("first attempt", c.FirstAt, f.now)
	}},
	{"a callback that waits for its next attempt is replayed at once", func(f *fixture) {
		f.callbacksInAllStates()
		wantSame(f, "replayed", f.replay(jobs.CallbackFilter{}), 2)
		var events []int64
		for _, c := range f.claim(9, 9) {
			events = append(events, c.Event)
		}
		slices.Sort(events)
		if want := []int64{3, 4}; !slices.Equal(events, want) {
			f.t.Fatalf("claimed %v after a replay, want %v", events, want)
		}
		wantSame(f, "attempts of one that waited", f.byEvent(4).Attempts, 1)
	}},
	{"a replay affects the callbacks of its filter", func(f *fixture) {
		all := []jobs.CallbackState{jobs.CallbackDead}
		for name, replay := range map[string]struct {
			filter  jobs.CallbackFilter
			n, want int
		}{
			"dead":            {jobs.CallbackFilter{States: all}, 1100, 1100}, // more than a store changes in one transaction
			"dead of a sink":  {jobs.CallbackFilter{States: all, Sink: "a"}, 20, 10},
			"dead of a batch": {jobs.CallbackFilter{States: all, Batch: "b1"}, 20, 0},
			"a page's bounds": {jobs.CallbackFilter{Sink: "b", Before: 5, Limit: 1}, 20, 10},
			"delivered":       {jobs.CallbackFilter{States: []jobs.CallbackState{jobs.CallbackDelivered}}, 20, 0},
		} {
			f.openCursor(name)
			var callbacks []jobs.Callback
			for i := range replay.n {
				callbacks = append(callbacks, callback(1_000_000*int64(len(name))+int64(i), []string{"a", "b"}[i%2]))
			}
			f.addCallbacks(name, 0, 1, callbacks...)
			f.uncheckedSteps = true
			f.settleAll(jobs.CallbackEnd{State: jobs.CallbackDead})
			wantSame(f, name, f.replay(replay.filter), replay.want)
			wantSame(f, name+": undelivered", f.totals().CallbacksOwed, int64(replay.want))
			f.settleAll(jobs.CallbackEnd{State: jobs.CallbackDelivered})
			wantSame(f, name+": pruned", f.prune(jobs.Retention{Callbacks: f.now.Add(day), Dead: f.now.Add(day)}).Callbacks, int64(replay.n))
		}
	}},
	{"callbacks are listed newest first, and filtered", func(f *fixture) {
		f.open("b1", pages(1)...)
		f.callbacksInAllStates()
		for name, list := range map[string]struct {
			filter jobs.CallbackFilter
			want   []int64
		}{
			"all":         {jobs.CallbackFilter{}, []int64{5, 4, 3, 2, 1}},
			"dead":        {jobs.CallbackFilter{States: []jobs.CallbackState{jobs.CallbackDead}}, []int64{3}},
			"owed":        {jobs.CallbackFilter{States: []jobs.CallbackState{jobs.CallbackOwed}}, []int64{5, 4, 1}},
			"settled":     {jobs.CallbackFilter{States: []jobs.CallbackState{jobs.CallbackDead, jobs.CallbackDelivered}}, []int64{3, 2}},
			"sink":        {jobs.CallbackFilter{Sink: "b"}, []int64{3, 2}},
			"no sink":     {jobs.CallbackFilter{Sink: "z"}, nil},
			"batch":       {jobs.CallbackFilter{Batch: "b1"}, []int64{4}},
			"no batch":    {jobs.CallbackFilter{Batch: "nothere"}, nil},
			"sink, state": {jobs.CallbackFilter{Sink: "b", States: []jobs.CallbackState{jobs.CallbackDelivered}}, []int64{2}},
			"places":      {jobs.CallbackFilter{Seqs: []int64{f.byEvent(2).Seq, f.byEvent(4).Seq, 999}}, []int64{4, 2}},
			"page":        {jobs.CallbackFilter{Limit: 2}, []int64{5, 4}},
			"next page":   {jobs.CallbackFilter{Limit: 2, Before: f.byEvent(4).Seq}, []int64{3, 2}},
			"last page":   {jobs.CallbackFilter{Limit: 2, Before: f.byEvent(1).Seq}, nil},
		} {
			var got []int64
			for _, c := range f.callbacks(list.filter) {
				got = append(got, c.Event)
				if c.Body != nil {
					f.t.Fatalf("%s: callback %d is listed with its body", name, c.Seq)
				}
			}
			if !slices.Equal(got, list.want) {
				f.t.Fatalf("%s: listed %v, want %v", name, got, list.want)
			}
		}
		for _, filter := range []jobs.CallbackFilter{{States: []jobs.CallbackState{"lost"}}, {Seqs: make([]int64, 1001)}} {
			_, err := f.Callbacks(f.ctx(), filter)
			f.wantErr(err, jobs.ErrInvalid, "callbacks")
			_, err = f.ReplayCallbacks(f.ctx(), filter, f.now)
			f.wantErr(err, jobs.ErrInvalid, "replay")
		}
	}},
	{"totals count undelivered and dead callbacks", func(f *fixture) {
		wantSame(f, "of an empty outbox", f.totals().CallbacksOwed+f.totals().CallbacksDead, 0)
		f.wantTime("due", f.totals().CallbackDue, time.Time{})
		f.openCursor("r")
		first := f.now
		f.addCallbacks("r", 0, 1, callback(90, "z"))
		f.later(time.Second)
		f.callbacksInAllStates()
		totals := f.totals()
		wantSame(f, "undelivered", totals.CallbacksOwed, 4)
		wantSame(f, "dead", totals.CallbacksDead, 1)
		f.wantTime("due the longest", totals.CallbackDue, first)
	}},
	{"settled callbacks are removed, dead ones later", func(f *fixture) {
		f.callbacksInAllStates()
		wantSame(f, "pruned", f.prune(jobs.Retention{Callbacks: f.now, Dead: f.now}), jobs.Pruned{})
		f.later(time.Hour)
		wantSame(f, "pruned", f.prune(jobs.Retention{}), jobs.Pruned{})
		wantSame(f, "pruned", f.prune(jobs.Retention{Callbacks: f.now}), jobs.Pruned{Callbacks: 1})
		wantSame(f, "pruned", f.prune(jobs.Retention{Dead: f.now}), jobs.Pruned{Callbacks: 1})
		wantSame(f, "left", len(f.callbacks(jobs.CallbackFilter{})), 3)
	}},
}

// callbacksInAllStates makes callbacks of five events: 1 is undelivered, 2
// delivered, 3 dead, 4 waits for its next attempt, and 5 is under way.
func (f *fixture) callbacksInAllStates() {
	f.t.Helper()
	f.openCursor("ends")
	four := callback(4, "c")
	if _, err := f.Batch(f.ctx(), "b1"); err == nil {
		four.Batch = "b1"
	}
	f.addCallbacks("ends", 0, 1, callback(1, "a"), callback(2, "b"), callback(3, "b"), four, callback(5, "d"))
	for _, c := range f.claim(9, 9) {
		switch c.Event {
		case 2:
			f.settle(f.begin(c), jobs.CallbackEnd{State: jobs.CallbackDelivered})
		case 3:
			f.settle(f.begin(c), jobs.CallbackEnd{State: jobs.CallbackDead})
		case 4:
			f.settle(f.begin(c), jobs.CallbackEnd{State: jobs.CallbackOwed, DueAt: f.now.Add(30 * day)})
		case 5:
			f.begin(c)
		}
	}
}

func (f *fixture) replay(filter jobs.CallbackFilter) int {
	f.t.Helper()
	n, err := f.ReplayCallbacks(f.ctx(), filter, f.now)
	f.must(err, "replay %+v", filter)
	return n
}
