package storetest

import (
	"slices"
	"time"

	"shotline/jobs"
)

// replayTests are of what is done with callbacks beside delivering them.
var replayTests = []test{
	{"the dead are replayed from their beginning", func(b *book) {
		b.ends()
		before := b.byEvent(3)
		wantSame(b, "attempts before", before.Attempts, 1)
		b.later(day)
		wantSame(b, "replayed", b.replay(jobs.CallbackFilter{Seqs: []int64{before.Seq}}), 1)
		kept := b.byEvent(3)
		wantSame(b, "state", kept.State, jobs.CallbackOwed)
		wantSame(b, "attempts", kept.Attempts, 0)
		b.wantTime("first attempt", kept.FirstAt, time.Time{})
		b.wantTime("due", kept.DueAt, b.now)
		b.wantTime("settled", kept.SettledAt, time.Time{})
		wantSame(b, "replayed a second time", b.replay(jobs.CallbackFilter{Seqs: []int64{before.Seq}}), 0)
		b.wantNotBegun(before.Seq, before.Generation+1)
		c := b.begin(b.claimEvent(3))
		wantSame(b, "generation", c.Generation, before.Generation+1)
		wantSame(b, "body", string(c.Body), "body of 3")
		b.wantTime("first attempt", c.FirstAt, b.now)
	}},
	{"what waits for its next attempt is replayed at once", func(b *book) {
		b.ends()
		wantSame(b, "replayed", b.replay(jobs.CallbackFilter{}), 2)
		var owed []int64
		for _, c := range b.claim(9, 9) {
			owed = append(owed, c.Event)
		}
		slices.Sort(owed)
		if want := []int64{3, 4}; !slices.Equal(owed, want) {
			b.t.Fatalf("claimed %v after a replay, want %v", owed, want)
		}
		wantSame(b, "attempts of one that waited", b.byEvent(4).Attempts, 1)
	}},
	{"a replay is as wide as its filter", func(b *book) {
		all := []jobs.CallbackState{jobs.CallbackDead}
		for name, replay := range map[string]struct {
			filter jobs.CallbackFilter
			want   int
		}{
			"dead":            {jobs.CallbackFilter{States: all}, 2600},
			"dead of a sink":  {jobs.CallbackFilter{States: all, Sink: "a"}, 1300},
			"dead of a batch": {jobs.CallbackFilter{States: all, Batch: "b1"}, 0},
			"a page's bounds": {jobs.CallbackFilter{Sink: "b", Before: 5, Limit: 1}, 1300},
			"delivered":       {jobs.CallbackFilter{States: []jobs.CallbackState{jobs.CallbackDelivered}}, 0},
		} {
			b.openCursor(name)
			const n = 2600
			var owed []jobs.Callback
			for i := range int64(n) {
				owed = append(owed, callback(1_000_000*int64(len(name))+i, []string{"a", "b"}[i%2]))
			}
			b.owe(name, 0, 1, owed...)
			b.quiet = true
			b.settleAll(jobs.CallbackEnd{State: jobs.CallbackDead})
			wantSame(b, name, b.replay(replay.filter), replay.want)
			wantSame(b, name+": owed", b.totals().CallbacksOwed, int64(replay.want))
			b.settleAll(jobs.CallbackEnd{State: jobs.CallbackDelivered})
			wantSame(b, name+": pruned", b.prune(jobs.Retention{Callbacks: b.now.Add(day), Dead: b.now.Add(day)}).Callbacks, n)
		}
	}},
	{"callbacks are listed newest first, by what they are", func(b *book) {
		b.open("b1", pages(1)...)
		b.ends()
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
			"places":      {jobs.CallbackFilter{Seqs: []int64{b.byEvent(2).Seq, b.byEvent(4).Seq, 999}}, []int64{4, 2}},
			"page":        {jobs.CallbackFilter{Limit: 2}, []int64{5, 4}},
			"next page":   {jobs.CallbackFilter{Limit: 2, Before: b.byEvent(4).Seq}, []int64{3, 2}},
			"last page":   {jobs.CallbackFilter{Limit: 2, Before: b.byEvent(1).Seq}, nil},
		} {
			var got []int64
			for _, c := range b.callbacks(list.filter) {
				got = append(got, c.Event)
				if c.Body != nil {
					b.t.Fatalf("%s: callback %d is listed with its body", name, c.Seq)
				}
			}
			if !slices.Equal(got, list.want) {
				b.t.Fatalf("%s: listed %v, want %v", name, got, list.want)
			}
		}
		for _, f := range []jobs.CallbackFilter{{States: []jobs.CallbackState{"lost"}}, {Seqs: make([]int64, 1001)}} {
			_, err := b.Callbacks(b.ctx(), f)
			b.wantErr(err, jobs.ErrInvalid, "callbacks")
			_, err = b.ReplayCallbacks(b.ctx(), f, b.now)
			b.wantErr(err, jobs.ErrInvalid, "replay")
		}
	}},
	{"totals count what is owed and what is dead", func(b *book) {
		wantSame(b, "of an empty outbox", b.totals().CallbacksOwed+b.totals().CallbacksDead, 0)
		b.wantTime("due", b.totals().CallbackDue, time.Time{})
		b.openCursor("r")
		first := b.now
		b.owe("r", 0, 1, callback(90, "z"))
		b.later(time.Second)
		b.ends()
		totals := b.totals()
		wantSame(b, "owed", totals.CallbacksOwed, 4)
		wantSame(b, "dead", totals.CallbacksDead, 1)
		b.wantTime("due the longest", totals.CallbackDue, first)
	}},
	{"settled callbacks are let go, the dead later", func(b *book) {
		b.ends()
		wantSame(b, "pruned", b.prune(jobs.Retention{Callbacks: b.now, Dead: b.now}), jobs.Pruned{})
		b.later(time.Hour)
		wantSame(b, "pruned", b.prune(jobs.Retention{}), jobs.Pruned{})
		wantSame(b, "pruned", b.prune(jobs.Retention{Callbacks: b.now}), jobs.Pruned{Callbacks: 1})
		wantSame(b, "pruned", b.prune(jobs.Retention{Dead: b.now}), jobs.Pruned{Callbacks: 1})
		wantSame(b, "left", len(b.callbacks(jobs.CallbackFilter{})), 3)
	}},
}

// ends leaves callbacks of five events: 1 owed, 2 delivered, 3 dead, 4 waiting
// for its next attempt, 5 under way.
func (b *book) ends() {
	b.t.Helper()
	b.openCursor("ends")
	four := callback(4, "c")
	if _, err := b.Batch(b.ctx(), "b1"); err == nil {
		four.Batch = "b1"
	}
	b.owe("ends", 0, 1, callback(1, "a"), callback(2, "b"), callback(3, "b"), four, callback(5, "d"))
	for _, c := range b.claim(9, 9) {
		switch c.Event {
		case 2:
			b.settle(b.begin(c), jobs.CallbackEnd{State: jobs.CallbackDelivered})
		case 3:
			b.settle(b.begin(c), jobs.CallbackEnd{State: jobs.CallbackDead})
		case 4:
			b.settle(b.begin(c), jobs.CallbackEnd{State: jobs.CallbackOwed, DueAt: b.now.Add(30 * day)})
		case 5:
			b.begin(c)
		}
	}
}

func (b *book) replay(f jobs.CallbackFilter) int {
	b.t.Helper()
	n, err := b.ReplayCallbacks(b.ctx(), f, b.now)
	b.must(err, "replay %+v", f)
	return n
}
