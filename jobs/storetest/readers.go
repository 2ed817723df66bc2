package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
)

var readerTests = []test{
	{"a new reader begins at the end of the log", func(b *book) {
		wantSame(b, "place in an empty log", b.openCursor("early"), 0)
		b.open("b1", pages(3)...)
		b.shut(cancel(row("b1", 1)))
		b.shut(cancel(row("b1", 2)))
		newest := b.allEvents()[1].Seq
		wantSame(b, "place", b.openCursor("late"), newest)
		b.shut(cancel(row("b1", 3)))
		wantSame(b, "place when it is opened again", b.openCursor("late"), newest)
		wantSame(b, "place of the first", b.openCursor("early"), 0)
		b.wantCursors("early", "late")
		b.must(b.CloseCursor(b.ctx(), "late"), "close cursor")
		b.must(b.CloseCursor(b.ctx(), "nothere"), "close no cursor")
		b.wantCursors("early")
		wantSame(b, "place of one that was forgotten", b.openCursor("late"), newest+2)
	}},
	{"callbacks are owed as they were made", func(b *book) {
		b.open("b1", pages(3)...)
		b.openCursor("r")
		b.later(time.Second)
		want := []jobs.Callback{
			{EventID: "evt_1", Type: jobs.EventJobDone, Event: 7, Batch: "b1", Job: row("b1", 2), Target: jobs.Target{URL: "https://user.example/hook?x=1"}, Lane: "https://user.example"},
			{EventID: "evt_2", Type: jobs.EventBatchFinished, Event: 8, Batch: "b1", Target: jobs.Target{Sink: "crm"}, Lane: "crm"},
			{EventID: "evt_3", Type: jobs.EventForeign, Event: 9, Target: jobs.Target{Sink: "crm"}, Lane: "crm"},
		}
		bodies := [][]byte{[]byte(`{"a":1}`), []byte("\x00\xff"), {}}
		given := slices.Clone(want)
		for i := range given {
			given[i].Body = bodies[i]
			want[i].State, want[i].CreatedAt, want[i].DueAt = jobs.CallbackOwed, b.now, b.now
		}
		b.owe("r", 0, 9, given...)
		kept := b.callbacks(jobs.CallbackFilter{})
		slices.Reverse(kept)
		for i := range kept {
			if i > 0 && kept[i].Seq <= kept[i-1].Seq {
				b.t.Fatalf("places %d and %d", kept[i-1].Seq, kept[i].Seq)
			}
			begun := b.begin(b.claim(9, 1)[0])
			wantSame(b, "body", string(begun.Body), string(bodies[i]))
			kept[i].Seq = 0
		}
		if diff := cmp.Diff(want, kept, sameInstant); diff != "" {
			b.t.Fatalf("callbacks changed on their way (-given +kept):\n%s", diff)
		}
	}},
	{"a reader that was overtaken owes nothing", func(b *book) {
		b.openCursor("r")
		b.openCursor("other")
		b.owe("r", 0, 5, callback(3, "a"))
		for from, cursor := range map[int64]string{0: "r", 4: "r", 6: "r", 5: "other", 7: "nothere"} {
			moved, err := b.AddCallbacks(b.ctx(), cursor, from, 9, []jobs.Callback{callback(8, "a")}, b.now)
			b.must(err, "owe")
			wantSame(b, fmt.Sprintf("%s moved from %d", cursor, from), moved, false)
		}
		wantSame(b, "place", b.openCursor("r"), 5)
		wantSame(b, "callbacks", len(b.callbacks(jobs.CallbackFilter{})), 1)
		b.owe("r", 5, 6)
		wantSame(b, "place", b.openCursor("r"), 6)
	}},
	{"of one event and target there is one callback", func(b *book) {
		b.openCursor("r")
		url := callback(1, "a")
		url.Target = jobs.Target{URL: "a"}
		b.owe("r", 0, 1, callback(1, "a"), callback(1, "a"), callback(1, "b"), url, callback(2, "a"))
		wantSame(b, "callbacks", len(b.callbacks(jobs.CallbackFilter{})), 4)
		c := b.begin(b.claim(1, 1)[0])
		b.settle(c, jobs.CallbackEnd{State: jobs.CallbackDelivered})
		b.owe("r", 1, 2, callback(1, "a"), url)
		wantSame(b, "callbacks", len(b.callbacks(jobs.CallbackFilter{})), 4)
		wantSame(b, "delivered", len(b.callbacks(jobs.CallbackFilter{States: []jobs.CallbackState{jobs.CallbackDelivered}})), 1)
	}},
	{"what cannot be owed moves nothing", func(b *book) {
		b.openCursor("r")
		nobody, both, unknown := callback(2, ""), callback(2, "a"), callback(2, "a")
		both.Target.URL = "https://user.example/"
		unknown.Batch = "nothere"
		for want, c := range map[error]jobs.Callback{jobs.ErrInvalid: nobody, jobs.ErrNotFound: unknown} {
			_, err := b.AddCallbacks(b.ctx(), "r", 0, 5, []jobs.Callback{callback(1, "a"), c}, b.now)
			b.wantErr(err, want, "owe")
		}
		_, err := b.AddCallbacks(b.ctx(), "r", 0, 5, []jobs.Callback{both}, b.now)
		b.wantErr(err, jobs.ErrInvalid, "owe to two targets")
		wantSame(b, "place", b.openCursor("r"), 0)
		wantSame(b, "callbacks", len(b.callbacks(jobs.CallbackFilter{})), 0)
	}},
	{"what a reader has not got to is kept", func(b *book) {
		b.openCursor("fast")
		b.openCursor("slow")
		b.open("b1", pages(3)...)
		for n := range int64(3) {
			b.shut(cancel(row("b1", n+1)))
		}
		b.later(100 * day)
		all := b.allEvents()
		b.quiet = true // the audit asks for the whole history
		r := jobs.Retention{Events: b.now}
		b.owe("fast", 0, all[3].Seq)
		wantSame(b, "pruned", b.prune(r).Events, 0)
		b.wantUntold(all[3].Seq)
		b.owe("slow", 0, all[1].Seq)
		wantSame(b, "pruned", b.prune(r).Events, 2)
		b.wantUntold(all[3].Seq - all[1].Seq)
		b.must(b.CloseCursor(b.ctx(), "slow"), "close cursor")
		wantSame(b, "pruned", b.prune(r).Events, 2)
		b.wantUntold(0)
	}},
	{"of two processes at one cursor each event is owed once", func(b *book) {
		const n = 400
		b.openCursor("r")
		b.bulk("b1", n)
		for _, id := range b.bulkRows("b1", n) {
			b.bulkDeliver(id)
		}
		b.applyAll()
		newest := b.allEvents()[n].Seq
		stores := b.openers()
		var moves [2]int64
		read := func(i int) func() error {
			return func() error {
				for {
					from, err := stores[i].OpenCursor(b.ctx(), "r", b.now)
					if err != nil || from == newest {
						return err
					}
					page, to, err := stores[i].Events(b.ctx(), jobs.EventFilter{After: from, Limit: 7})
					if err != nil {
						return err
					}
					var owed []jobs.Callback
					for _, e := range page {
						owed = append(owed, callback(e.Seq, "a"))
					}
					moved, err := stores[i].AddCallbacks(b.ctx(), "r", from, to, owed, b.now)
					if err != nil {
						return err
					}
					if moved {
						moves[i] += int64(len(owed))
					}
				}
			}
		}
		race(b, read(0), read(1))
		wantSame(b, "events read", moves[0]+moves[1], n+1)
		var want, got []int64
		for _, e := range b.allEvents() {
			want = append(want, e.Seq)
		}
		for _, c := range b.callbacks(jobs.CallbackFilter{Limit: 1000}) {
			got = append(got, c.Event)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			b.t.Fatalf("owed for the events %v, want %v", got, want)
		}
	}},
}

var sameInstant = cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })

// callback is one of an event to a sink, which is its lane as well.
func callback(event int64, sink string) jobs.Callback {
	return jobs.Callback{
		EventID: fmt.Sprint("evt_", event), Type: jobs.EventForeign, Event: event, Target: jobs.Target{Sink: sink}, Lane: sink,
		Body: []byte(fmt.Sprint("body of ", event)),
	}
}

func (b *book) openCursor(name string) int64 {
	b.t.Helper()
	place, err := b.OpenCursor(b.ctx(), name, b.now)
	b.must(err, "open cursor %s", name)
	return place
}

func (b *book) wantCursors(want ...string) {
	b.t.Helper()
	names, err := b.Cursors(b.ctx())
	b.must(err, "cursors")
	slices.Sort(names)
	if !slices.Equal(names, want) {
		b.t.Fatalf("readers %v, want %v", names, want)
	}
}

// owe moves a cursor, which must be where the caller says.
func (b *book) owe(cursor string, from, to int64, callbacks ...jobs.Callback) {
	b.t.Helper()
	moved, err := b.AddCallbacks(b.ctx(), cursor, from, to, callbacks, b.now)
	b.must(err, "owe %d callbacks", len(callbacks))
	wantSame(b, "cursor moved", moved, true)
	b.check()
}

func (b *book) wantUntold(want int64) {
	b.t.Helper()
	totals, err := b.Totals(b.ctx())
	b.must(err, "totals")
	wantSame(b, "events that are not told", totals.EventLag, want)
}

func (b *book) bulkDeliver(id jobs.ID) {
	b.t.Helper()
	_, err := b.AppendDelivery(b.ctx(), b.told(shot(id), jobs.OutcomeDone))
	b.must(err, "append delivery")
}
