package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
)

var readerTests = []test{
	{"a new reader begins at the end of the log", func(f *fixture) {
		wantSame(f, "place in an empty log", f.openCursor("early"), 0)
		f.open("b1", pages(3)...)
		f.closeJobs(cancel(row("b1", 1)))
		f.closeJobs(cancel(row("b1", 2)))
		newest := f.allEvents()[1].Seq
		wantSame(f, "place", f.openCursor("late"), newest)
		f.closeJobs(cancel(row("b1", 3)))
		wantSame(f, "place when it is opened again", f.openCursor("late"), newest)
		wantSame(f, "place of the first", f.openCursor("early"), 0)
		f.wantCursors("early", "late")
		f.must(f.CloseCursor(f.ctx(), "late"), "close cursor")
		f.must(f.CloseCursor(f.ctx(), "nothere"), "close no cursor")
		f.wantCursors("early")
		wantSame(f, "place of one that was forgotten", f.openCursor("late"), newest+2)
	}},
	{"callbacks are stored unchanged", func(f *fixture) {
		f.open("b1", pages(3)...)
		f.openCursor("r")
		f.later(time.Second)
		want := []jobs.Callback{
			{EventID: "evt_1", Type: jobs.EventJobDone, Event: 7, Batch: "b1", Job: row("b1", 2), Target: jobs.Target{URL: "https://user.example/hook?x=1"}, Lane: "https://user.example"},
			{EventID: "evt_2", Type: jobs.EventBatchFinished, Event: 8, Batch: "b1", Target: jobs.Target{Sink: "crm"}, Lane: "crm"},
			{EventID: "evt_3", Type: jobs.EventForeign, Event: 9, Target: jobs.Target{Sink: "crm"}, Lane: "crm"},
		}
		bodies := [][]byte{[]byte(`{"a":1}`), []byte("\x00\xff"), {}}
		given := slices.Clone(want)
		for i := range given {
			given[i].Body = bodies[i]
			want[i].State, want[i].CreatedAt, want[i].DueAt = jobs.CallbackOwed, f.now, f.now
		}
		f.addCallbacks("r", 0, 9, given...)
		kept := f.callbacks(jobs.CallbackFilter{})
		slices.Reverse(kept)
		for i := range kept {
			if i > 0 && kept[i].Seq <= kept[i-1].Seq {
				f.t.Fatalf("places %d and %d", kept[i-1].Seq, kept[i].Seq)
			}
			begun := f.begin(f.claim(9, 1)[0])
			wantSame(f, "body", string(begun.Body), string(bodies[i]))
			kept[i].Seq = 0
		}
		if diff := cmp.Diff(want, kept, sameInstant); diff != "" {
			f.t.Fatalf("callbacks changed on their way (-given +kept):\n%s", diff)
		}
	}},
	{"a reader whose cursor has moved adds no callbacks", func(f *fixture) {
		f.openCursor("r")
		f.openCursor("other")
		f.addCallbacks("r", 0, 5, callback(3, "a"))
		for from, cursor := range map[int64]string{0: "r", 4: "r", 6: "r", 5: "other", 7: "nothere"} {
			moved, err := f.AddCallbacks(f.ctx(), cursor, from, 9, []jobs.Callback{callback(8, "a")}, f.now)
			f.must(err, "add callbacks")
			wantSame(f, fmt.Sprintf("%s moved from %d", cursor, from), moved, false)
		}
		wantSame(f, "place", f.openCursor("r"), 5)
		wantSame(f, "callbacks", len(f.callbacks(jobs.CallbackFilter{})), 1)
		f.addCallbacks("r", 5, 6)
		wantSame(f, "place", f.openCursor("r"), 6)
	}},
	{"an event and a target have one callback", func(f *fixture) {
		f.openCursor("r")
		url := callback(1, "a")
		url.Target = jobs.Target{URL: "a"}
		f.addCallbacks("r", 0, 1, callback(1, "a"), callback(1, "a"), callback(1, "b"), url, callback(2, "a"))
		wantSame(f, "callbacks", len(f.callbacks(jobs.CallbackFilter{})), 4)
		c := f.begin(f.claim(1, 1)[0])
		f.settle(c, jobs.CallbackEnd{State: jobs.CallbackDelivered})
		f.addCallbacks("r", 1, 2, callback(1, "a"), url)
		wantSame(f, "callbacks", len(f.callbacks(jobs.CallbackFilter{})), 4)
		wantSame(f, "delivered", len(f.callbacks(jobs.CallbackFilter{States: []jobs.CallbackState{jobs.CallbackDelivered}})), 1)
	}},
	{"an invalid callback does not move the cursor", func(f *fixture) {
		f.openCursor("r")
		noTarget, both, unknown := callback(2, ""), callback(2, "a"), callback(2, "a")
		both.Target.URL = "https://user.example/"
		unknown.Batch = "nothere"
		for want, c := range map[error]jobs.Callback{jobs.ErrInvalid: noTarget, jobs.ErrNotFound: unknown} {
			_, err := f.AddCallbacks(f.ctx(), "r", 0, 5, []jobs.Callback{callback(1, "a"), c}, f.now)
			f.wantErr(err, want, "add callbacks")
		}
		_, err := f.AddCallbacks(f.ctx(), "r", 0, 5, []jobs.Callback{both}, f.now)
		f.wantErr(err, jobs.ErrInvalid, "add a callback with two targets")
		wantSame(f, "place", f.openCursor("r"), 0)
		wantSame(f, "callbacks", len(f.callbacks(jobs.CallbackFilter{})), 0)
	}},
	{"events that a reader has not read are kept", func(f *fixture) {
		f.openCursor("fast")
		f.openCursor("slow")
		f.open("b1", pages(3)...)
		for n := range int64(3) {
			f.closeJobs(cancel(row("b1", n+1)))
		}
		f.later(100 * day)
		all := f.allEvents()
		f.uncheckedSteps = true // the audit reads the whole history
		r := jobs.Retention{Events: f.now}
		f.addCallbacks("fast", 0, all[3].Seq)
		wantSame(f, "pruned", f.prune(r).Events, 0)
		f.wantEventLag(all[3].Seq)
		f.addCallbacks("slow", 0, all[1].Seq)
		wantSame(f, "pruned", f.prune(r).Events, 2)
		f.wantEventLag(all[3].Seq - all[1].Seq)
		f.must(f.CloseCursor(f.ctx(), "slow"), "close cursor")
		wantSame(f, "pruned", f.prune(r).Events, 2)
		f.wantEventLag(0)
	}},
	{"two processes at one cursor add each callback once", func(f *fixture) {
		const n = 400
		f.openCursor("r")
		f.bulk("b1", n)
		for _, id := range f.bulkRows("b1", n) {
			f.bulkDeliver(id)
		}
		f.applyAll()
		newest := f.allEvents()[n].Seq
		stores := f.twoStores()
		var moves [2]int64
		read := func(i int) func() error {
			return func() error {
				for {
					from, err := stores[i].OpenCursor(f.ctx(), "r", f.now)
					if err != nil || from == newest {
						return err
					}
					page, to, err := stores[i].Events(f.ctx(), jobs.EventFilter{After: from, Limit: 7})
					if err != nil {
						return err
					}
					var callbacks []jobs.Callback
					for _, e := range page {
						callbacks = append(callbacks, callback(e.Seq, "a"))
					}
					moved, err := stores[i].AddCallbacks(f.ctx(), "r", from, to, callbacks, f.now)
					if err != nil {
						return err
					}
					if moved {
						moves[i] += int64(len(callbacks))
					}
				}
			}
		}
		simultaneously(f, read(0), read(1))
		wantSame(f, "events read", moves[0]+moves[1], n+1)
		var want, got []int64
		for _, e := range f.allEvents() {
			want = append(want, e.Seq)
		}
		for _, c := range f.callbacks(jobs.CallbackFilter{Limit: 1000}) {
			got = append(got, c.Event)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			f.t.Fatalf("callbacks for the events %v, want %v", got, want)
		}
	}},
}

var sameInstant = cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })

// callback returns a callback of an event for a sink. The lane has the name of
// the sink.
func callback(event int64, sink string) jobs.Callback {
	return jobs.Callback{
		EventID: fmt.Sprint("evt_", event), Type: jobs.EventForeign, Event: event, Target: jobs.Target{Sink: sink}, Lane: sink,
		Body: []byte(fmt.Sprint("body of ", event)),
	}
}

func (f *fixture) openCursor(name string) int64 {
	f.t.Helper()
	place, err := f.OpenCursor(f.ctx(), name, f.now)
	f.must(err, "open cursor %s", name)
	return place
}

func (f *fixture) wantCursors(want ...string) {
	f.t.Helper()
	names, err := f.Cursors(f.ctx())
	f.must(err, "cursors")
	slices.Sort(names)
	if !slices.Equal(names, want) {
		f.t.Fatalf("readers %v, want %v", names, want)
	}
}

// addCallbacks adds callbacks and moves a cursor, which must be at from.
func (f *fixture) addCallbacks(cursor string, from, to int64, callbacks ...jobs.Callback) {
	f.t.Helper()
	moved, err := f.AddCallbacks(f.ctx(), cursor, from, to, callbacks, f.now)
	f.must(err, "add %d callbacks", len(callbacks))
	wantSame(f, "cursor moved", moved, true)
	f.check()
}

func (f *fixture) wantEventLag(want int64) {
	f.t.Helper()
	totals, err := f.Totals(f.ctx())
	f.must(err, "totals")
	wantSame(f, "event lag", totals.EventLag, want)
}

func (f *fixture) bulkDeliver(id jobs.ID) {
	f.t.Helper()
	_, err := f.AppendDelivery(f.ctx(), f.delivery(shot(id), jobs.OutcomeDone))
	f.must(err, "append delivery")
}
