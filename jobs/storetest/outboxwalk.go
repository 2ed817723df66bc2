package storetest

import (
	"time"

	"shotline/jobs"
)

// walkCursor is the cursor of the reader that makes callbacks from the events of
// a walk.
const walkCursor = "callback_url"

// addNewCallbacks reads the next events and adds their callbacks. Sometimes it
// uses an old place, as if the other process had moved the cursor in the
// meantime.
func (w *walker) addNewCallbacks() {
	from := w.openCursor(walkCursor)
	if w.IntN(4) == 0 {
		from = max(0, from-int64(w.IntN(3)))
	}
	page, to, err := w.Events(w.ctx(), jobs.EventFilter{After: from, Calls: w.IntN(2) == 0, Limit: 1 + w.IntN(5)})
	w.must(err, "events")
	var callbacks []jobs.Callback
	for _, e := range page {
		if e.CallbackURL != "" {
			callbacks = append(callbacks, jobs.Callback{
				EventID: e.ID(), Type: e.Type, Event: e.Seq, Batch: e.Batch, Job: e.Job,
				Target: jobs.Target{URL: e.CallbackURL}, Lane: e.Batch, Body: []byte(e.ID()),
			})
		}
	}
	want := from == w.openCursor(walkCursor)
	moved, err := w.AddCallbacks(w.ctx(), walkCursor, from, to, callbacks, w.now)
	w.must(err, "add callbacks")
	wantSame(w.fixture, "cursor moved", moved, want)
}

// deliverCallbacks claims callbacks, begins some of them, and settles attempts
// that began at any earlier time.
func (w *walker) deliverCallbacks() {
	perLane := 1 + w.IntN(3)
	claimed, err := w.ClaimCallbacks(w.ctx(), w.now, w.now.Add(10*time.Second), perLane, 1+w.IntN(4))
	w.must(err, "claim callbacks")
	ofLane := map[string]int{}
	for _, c := range claimed {
		if ofLane[c.Lane]++; ofLane[c.Lane] > perLane {
			w.t.Fatalf("claimed %d callbacks of lane %s at once, want no more than %d", ofLane[c.Lane], c.Lane, perLane)
		}
		if w.IntN(4) > 0 {
			begun, err := w.BeginCallback(w.ctx(), c.Seq, c.Generation, w.now, w.now.Add(5*time.Second))
			w.must(err, "begin callback")
			wantSame(w.fixture, "body", string(begun.Body), c.EventID)
			w.begun = append(w.begun, begun)
		}
	}
	for range 2 {
		c, ok := pick(w, w.begun)
		if !ok {
			return
		}
		end, _ := pick(w, []jobs.CallbackEnd{
			{State: jobs.CallbackDelivered}, {State: jobs.CallbackDead}, {State: jobs.CallbackOwed, DueAt: w.now.Add(3 * time.Second)},
		})
		now := w.callbackAt(c.Seq)
		stale := now.Generation != c.Generation || now.Attempts != c.Attempts || now.State != jobs.CallbackOwed
		err := w.SettleCallback(w.ctx(), c, end, w.now, end.DueAt.Add(time.Second))
		if w.allow(err, jobs.ErrLeaseLost); err == nil && stale {
			w.t.Fatalf("attempt %d of generation %d was settled, the callback was %+v", c.Attempts, c.Generation, now)
		}
	}
}

func (w *walker) replayCallback() {
	dead := w.callbacks(jobs.CallbackFilter{States: []jobs.CallbackState{jobs.CallbackDead}})
	if c, ok := pick(w, dead); ok {
		wantSame(w.fixture, "replayed", w.replay(jobs.CallbackFilter{Seqs: []int64{c.Seq}}), 1)
		wantSame(w.fixture, "attempts of a replayed callback", w.callbackAt(c.Seq).Attempts, 0)
	}
}

func (w *walker) callbackAt(seq int64) jobs.Callback {
	w.t.Helper()
	page := w.callbacks(jobs.CallbackFilter{Seqs: []int64{seq}})
	wantSame(w.fixture, "callbacks at one place", len(page), 1)
	return page[0]
}

// compareOutbox asserts that each event with a callback URL has one callback once
// the reader has passed it, and none before.
func (w *walker) compareOutbox() {
	w.t.Helper()
	place := w.openCursor(walkCursor)
	callbacks := map[int64]int{}
	for _, c := range w.callbacks(jobs.CallbackFilter{Limit: 1000}) {
		callbacks[c.Event]++
	}
	for _, e := range w.allEvents() {
		want := 0
		if e.CallbackURL != "" && e.Seq <= place {
			want = 1
		}
		if callbacks[e.Seq] != want {
			w.t.Fatalf("%d callbacks of event %+v, want %d with the reader at %d", callbacks[e.Seq], e, want, place)
		}
		delete(callbacks, e.Seq)
	}
	if len(callbacks) > 0 {
		w.t.Fatalf("callbacks of unknown events: %v", callbacks)
	}
}

// drainOutbox adds the callbacks of all remaining events and delivers everything.
func (w *walker) drainOutbox() {
	w.t.Helper()
	log := w.allEvents()
	for w.openCursor(walkCursor) < log[len(log)-1].Seq {
		w.addNewCallbacks()
	}
	w.compareOutbox()
	w.later(time.Hour)
	w.replay(jobs.CallbackFilter{})
	w.settleAll(jobs.CallbackEnd{State: jobs.CallbackDelivered})
	totals := w.totals()
	wantSame(w.fixture, "undelivered or dead at the end", totals.CallbacksOwed+totals.CallbacksDead, 0)
	wantSame(w.fixture, "event lag at the end", totals.EventLag, 0)
}
