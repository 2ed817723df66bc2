package storetest

import (
	"fmt"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"shotline/jobs"
)

var eventTests = []test{
	{"the log tells every closure once and in order", func(b *book) {
		b.open("b1", pages(4)...)
		ids := b.pending("b1", 3)
		start := b.now
		b.later(time.Second)
		b.deliver(shot(ids[1]), jobs.OutcomeDone)
		b.deliver(shot(ids[0]), jobs.OutcomeFailed)
		b.deliver(shot(ids[1]), jobs.OutcomeDone)
		b.apply()
		b.later(time.Second)
		b.shut(timeOut(ids[2]), cancel(row("b1", 4)))
		b.later(time.Second)
		b.webhook(ids[2], jobs.OutcomeDone)
		b.webhook(ids[2], jobs.OutcomeDone)

		at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
		want := []jobs.Event{
			{At: at(1), Type: jobs.EventJobDone, Job: ids[1], Attempt: 1},
			{At: at(1), Type: jobs.EventJobFailed, Job: ids[0], Attempt: 1},
			{At: at(2), Type: jobs.EventJobTimedOut, Job: ids[2], Attempt: 1},
			{At: at(2), Type: jobs.EventJobCanceled, Job: row("b1", 4)},
			{At: at(2), Type: jobs.EventBatchFinished, Revision: 1},
			{At: at(3), Type: jobs.EventJobLate, Job: ids[2], Attempt: 1, State: jobs.Done},
			{At: at(3), Type: jobs.EventBatchRevised, Revision: 2},
		}
		got := b.allEvents()
		wantSame(b, "events", len(got), len(want))
		for i, e := range got {
			want[i].Seq, want[i].Batch = e.Seq, "b1"
			b.wantTime("event's time", e.At, want[i].At)
			e.At = want[i].At
			wantSame(b, "event", e, want[i])
		}
	}},
	{"the log is read from a place", func(b *book) {
		b.open("b1", pages(5)...)
		for n := range 5 {
			b.shut(cancel(row("b1", int64(n+1))))
		}
		all := b.allEvents()
		wantSame(b, "events", len(all), 6)
		page, upTo, err := b.Events(b.ctx(), jobs.EventFilter{After: all[1].Seq, Limit: 3})
		b.must(err, "events")
		wantSame(b, "page", len(page), 3)
		for i, e := range page {
			wantSame(b, "place", e.Seq, all[i+2].Seq)
		}
		wantSame(b, "looked up to", upTo, all[4].Seq)
		for _, after := range []int64{all[4].Seq, all[5].Seq} {
			page, upTo, err = b.Events(b.ctx(), jobs.EventFilter{After: after, Limit: 3})
			b.must(err, "events")
			wantSame(b, "events at the end", int64(len(page)), all[5].Seq-after)
			wantSame(b, "looked up to", upTo, all[5].Seq)
		}
	}},
	{"what is no closure is no event", func(b *book) {
		b.open("b1", append(pages(2), rejected(8, "bad"), pages(1)[0])...)
		b.pending("b1", 1)
		b.must(b.Pause(b.ctx(), "b1", "", b.now), "pause")
		_, err := b.AppendDelivery(b.ctx(), jobs.Delivery{ReceivedAt: b.now, Event: "batch.finished", Body: []byte("{}")})
		b.must(err, "append delivery")
		b.apply()
		wantSame(b, "events", len(b.allEvents()), 0)
	}},
	{"the log is filtered by batch, by job and by who is called", func(b *book) {
		b.called("quiet", "", false, 2)
		b.called("batch", "https://user.example/batch", false, 2)
		b.called("single", "https://user.example/single", true, 1)
		b.deliver("stranger", jobs.OutcomeDone)
		for _, batch := range []string{"batch", "quiet", "single"} {
			for _, id := range b.pending(batch, int(b.batch(batch).Counts.Rows)) {
				b.webhook(id, jobs.OutcomeFailed)
			}
		}
		b.retry(jobs.Retry{Job: row("single", 1), Attempt: 1, From: jobs.Retriable})
		all := b.allEvents()
		wantSame(b, "events", len(all), 1+3+3+2+1)
		urls := map[string]string{"batch": "https://user.example/batch", "single": "https://user.example/single"}
		for _, e := range all {
			want := urls[e.Batch]
			if (e.Batch == "single") != (e.Job != jobs.ID{}) {
				want = ""
			}
			wantSame(b, fmt.Sprintf("URL to call for %+v", e), e.CallbackURL, want)
		}
		for name, filter := range map[string]struct {
			jobs.EventFilter
			want func(jobs.Event) bool
		}{
			"batch":  {jobs.EventFilter{Batch: "batch"}, func(e jobs.Event) bool { return e.Batch == "batch" }},
			"job":    {jobs.EventFilter{Job: row("quiet", 2)}, func(e jobs.Event) bool { return e.Job == row("quiet", 2) }},
			"both":   {jobs.EventFilter{Batch: "quiet", Job: row("quiet", 1)}, func(e jobs.Event) bool { return e.Job == row("quiet", 1) }},
			"odds":   {jobs.EventFilter{Batch: "batch", Job: row("quiet", 1)}, func(jobs.Event) bool { return false }},
			"no job": {jobs.EventFilter{Job: row("quiet", 9)}, func(jobs.Event) bool { return false }},
			"calls":  {jobs.EventFilter{Calls: true}, func(e jobs.Event) bool { return e.CallbackURL != "" }},
			"types": {jobs.EventFilter{Types: []jobs.EventType{jobs.EventBatchFinished, jobs.EventJobDone}},
				func(e jobs.Event) bool { return e.Type == jobs.EventBatchFinished || e.Type == jobs.EventJobDone }},
			"type of a batch": {jobs.EventFilter{Batch: "quiet", Types: []jobs.EventType{jobs.EventBatchFinished}},
				func(e jobs.Event) bool { return e.Batch == "quiet" && e.Type == jobs.EventBatchFinished }},
			"calls of a batch": {jobs.EventFilter{Calls: true, Batch: "single"},
				func(e jobs.Event) bool { return e.CallbackURL != "" && e.Batch == "single" }},
		} {
			b.wantEvents(name, filter.EventFilter, all, filter.want)
		}
		for _, f := range []jobs.EventFilter{{Batch: "nothere"}, {Job: row("nothere", 1)}} {
			_, _, err := b.Events(b.ctx(), f)
			b.wantErr(err, jobs.ErrNotFound, "events of what is not there")
		}
	}},
	{"few events among very many are found", func(b *book) {
		const n = 6000
		b.called("b1", "https://user.example/", false, 1)
		b.called("b2", "", false, 1)
		b.pending("b1", 1)
		b.pending("b2", 1)
		b.quiet = true
		for _, batch := range []string{"b1", "b2"} {
			b.flood(n)
			b.deliver(shot(row(batch, 1)), jobs.OutcomeDone)
			b.applyAll()
		}
		b.flood(n)
		b.applyAll()
		all := b.allEvents()
		wantSame(b, "events", len(all), 3*n+4)
		b.wantEvents("batch", jobs.EventFilter{Batch: "b2"}, all, func(e jobs.Event) bool { return e.Batch == "b2" })
		b.wantEvents("job", jobs.EventFilter{Job: row("b1", 1)}, all, func(e jobs.Event) bool { return e.Job == row("b1", 1) })
		b.wantEvents("calls", jobs.EventFilter{Calls: true}, all, func(e jobs.Event) bool { return e.CallbackURL != "" })
	}},
	{"the log has a range", func(b *book) {
		b.wantRange(0, 0)
		_, upTo, err := b.Events(b.ctx(), jobs.EventFilter{})
		b.must(err, "events")
		wantSame(b, "looked up to", upTo, 0)
		b.open("b1", pages(3)...)
		for n := range int64(3) {
			b.shut(cancel(row("b1", n+1)))
		}
		all := b.allEvents()
		newest := all[len(all)-1].Seq
		b.wantRange(all[0].Seq, newest)
		b.later(time.Hour)
		b.quiet = true // the audit asks for the whole history
		b.open("b2", pages(1)...)
		wantSame(b, "events pruned", b.prune(jobs.Retention{Events: b.now}).Events, int64(len(all)))
		b.wantRange(newest+1, newest)
		for _, after := range []int64{0, newest - 1, newest} {
			page, upTo, err := b.Events(b.ctx(), jobs.EventFilter{After: after})
			b.must(err, "events")
			wantSame(b, "events left", len(page), 0)
			wantSame(b, "looked up to", upTo, newest)
		}
		b.shut(cancel(row("b2", 1)))
		left := b.allEvents()
		if left[0].Seq <= newest {
			b.t.Fatalf("an event has place %d, which was given before: the newest was %d", left[0].Seq, newest)
		}
		b.wantRange(left[0].Seq, left[1].Seq)
	}},
}

// called makes an open batch of n rows that wants to be called.
func (b *book) called(batch, url string, single bool, n int) {
	b.t.Helper()
	b.must(b.CreateBatch(b.ctx(), jobs.BatchSpec{ID: batch, CallbackURL: url, Single: single}, b.now), "create batch %s", batch)
	b.must(b.AppendRequests(b.ctx(), batch, pages(n), b.now), "append to %s", batch)
	_, err := b.OpenBatch(b.ctx(), batch, b.now)
	b.must(err, "open batch %s", batch)
	b.check()
}

// wantEvents follows a filter from page to page of several sizes, and asserts
// that it finds those of all events that are wanted.
func (b *book) wantEvents(what string, f jobs.EventFilter, all []jobs.Event, wanted func(jobs.Event) bool) {
	b.t.Helper()
	want := slices.DeleteFunc(slices.Clone(all), func(e jobs.Event) bool { return !wanted(e) })
	newest := all[len(all)-1].Seq
	for _, limit := range []int{0, 1, 2} {
		var got []jobs.Event
		f.Limit = limit
		for f.After = 0; f.After < newest; {
			page, upTo, err := b.Events(b.ctx(), f)
			b.must(err, "events")
			if upTo <= f.After || len(page) > 0 && page[len(page)-1].Seq > upTo {
				b.t.Fatalf("%s: looked from %d up to %d and found %v", what, f.After, upTo, page)
			}
			f.After = upTo
			got = append(got, page...)
		}
		wantSame(b, what+": the end of the log", f.After, newest)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			b.t.Fatalf("%s: events (-want +got):\n%s", what, diff)
		}
	}
}

func (b *book) wantRange(oldest, newest int64) {
	b.t.Helper()
	gotOldest, gotNewest, err := b.EventRange(b.ctx())
	b.must(err, "range of events")
	wantSame(b, "oldest event", gotOldest, oldest)
	wantSame(b, "newest event", gotNewest, newest)
}
