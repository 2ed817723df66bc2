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
	{"the log has every closure once and in order", func(f *fixture) {
		f.open("b1", pages(4)...)
		ids := f.pending("b1", 3)
		start := f.now
		f.later(time.Second)
		f.deliver(shot(ids[1]), jobs.OutcomeDone)
		f.deliver(shot(ids[0]), jobs.OutcomeFailed)
		f.deliver(shot(ids[1]), jobs.OutcomeDone)
		f.apply()
		f.later(time.Second)
		f.closeJobs(timeOut(ids[2]), cancel(row("b1", 4)))
		f.later(time.Second)
		f.webhook(ids[2], jobs.OutcomeDone)
		f.webhook(ids[2], jobs.OutcomeDone)

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
		got := f.allEvents()
		wantSame(f, "events", len(got), len(want))
		for i, e := range got {
			want[i].Seq, want[i].Batch = e.Seq, "b1"
			f.wantTime("event's time", e.At, want[i].At)
			e.At = want[i].At
			wantSame(f, "event", e, want[i])
		}
	}},
	{"the log is read from a place", func(f *fixture) {
		f.open("b1", pages(5)...)
		for n := range 5 {
			f.closeJobs(cancel(row("b1", int64(n+1))))
		}
		all := f.allEvents()
		wantSame(f, "events", len(all), 6)
		page, upTo, err := f.Events(f.ctx(), jobs.EventFilter{After: all[1].Seq, Limit: 3})
		f.must(err, "events")
		wantSame(f, "page", len(page), 3)
		for i, e := range page {
			wantSame(f, "place", e.Seq, all[i+2].Seq)
		}
		wantSame(f, "looked up to", upTo, all[4].Seq)
		for _, after := range []int64{all[4].Seq, all[5].Seq} {
			page, upTo, err = f.Events(f.ctx(), jobs.EventFilter{After: after, Limit: 3})
			f.must(err, "events")
			wantSame(f, "events at the end", int64(len(page)), all[5].Seq-after)
			wantSame(f, "looked up to", upTo, all[5].Seq)
		}
	}},
	{"a step without a closure is not an event", func(f *fixture) {
		f.open("b1", append(pages(2), rejected(8, "bad"), pages(1)[0])...)
		f.pending("b1", 1)
		f.must(f.Pause(f.ctx(), "b1", "", f.now), "pause")
		_, err := f.AppendDelivery(f.ctx(), jobs.Delivery{ReceivedAt: f.now, Event: "batch.finished", Body: []byte("{}")})
		f.must(err, "append delivery")
		f.apply()
		wantSame(f, "events", len(f.allEvents()), 0)
	}},
	{"the log is filtered by batch, by job and by callback URL", func(f *fixture) {
		f.openWithURL("quiet", "", false, 2)
		f.openWithURL("batch", "https://user.example/batch", false, 2)
		f.openWithURL("single", "https://user.example/single", true, 1)
		f.deliver("stranger", jobs.OutcomeDone)
		for _, batch := range []string{"batch", "quiet", "single"} {
			for _, id := range f.pending(batch, int(f.batch(batch).Counts.Rows)) {
				f.webhook(id, jobs.OutcomeFailed)
			}
		}
		f.retry(jobs.Retry{Job: row("single", 1), Attempt: 1, From: jobs.Retriable})
		all := f.allEvents()
		wantSame(f, "events", len(all), 1+3+3+2+1)
		urls := map[string]string{"batch": "https://user.example/batch", "single": "https://user.example/single"}
		for _, e := range all {
			want := urls[e.Batch]
			if (e.Batch == "single") != (e.Job != jobs.ID{}) {
				want = ""
			}
			wantSame(f, fmt.Sprintf("URL to call for %+v", e), e.CallbackURL, want)
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
			f.wantEvents(name, filter.EventFilter, all, filter.want)
		}
		for _, filter := range []jobs.EventFilter{{Batch: "nothere"}, {Job: row("nothere", 1)}} {
			_, _, err := f.Events(f.ctx(), filter)
			f.wantErr(err, jobs.ErrNotFound, "events of an unknown batch or job")
		}
	}},
	{"few events among very many are found", func(f *fixture) {
		const n = 6000
		f.openWithURL("b1", "https://user.example/", false, 1)
		f.openWithURL("b2", "", false, 1)
		f.pending("b1", 1)
		f.pending("b2", 1)
		f.uncheckedSteps = true
		for _, batch := range []string{"b1", "b2"} {
			f.deliverForeign(n)
			f.deliver(shot(row(batch, 1)), jobs.OutcomeDone)
			f.applyAll()
		}
		f.deliverForeign(n)
		f.applyAll()
		all := f.allEvents()
		wantSame(f, "events", len(all), 3*n+4)
		f.wantEvents("batch", jobs.EventFilter{Batch: "b2"}, all, func(e jobs.Event) bool { return e.Batch == "b2" })
		f.wantEvents("job", jobs.EventFilter{Job: row("b1", 1)}, all, func(e jobs.Event) bool { return e.Job == row("b1", 1) })
		f.wantEvents("calls", jobs.EventFilter{Calls: true}, all, func(e jobs.Event) bool { return e.CallbackURL != "" })
	}},
	{"the log has a range", func(f *fixture) {
		f.wantRange(0, 0)
		_, upTo, err := f.Events(f.ctx(), jobs.EventFilter{})
		f.must(err, "events")
		wantSame(f, "looked up to", upTo, 0)
		f.open("b1", pages(3)...)
		for n := range int64(3) {
			f.closeJobs(cancel(row("b1", n+1)))
		}
		all := f.allEvents()
		newest := all[len(all)-1].Seq
		f.wantRange(all[0].Seq, newest)
		f.later(time.Hour)
		f.uncheckedSteps = true // the audit reads the whole history
		f.open("b2", pages(1)...)
		wantSame(f, "events pruned", f.prune(jobs.Retention{Events: f.now}).Events, int64(len(all)))
		f.wantRange(newest+1, newest)
		for _, after := range []int64{0, newest - 1, newest} {
			page, upTo, err := f.Events(f.ctx(), jobs.EventFilter{After: after})
			f.must(err, "events")
			wantSame(f, "events left", len(page), 0)
			wantSame(f, "looked up to", upTo, newest)
		}
		f.closeJobs(cancel(row("b2", 1)))
		left := f.allEvents()
		if left[0].Seq <= newest {
			f.t.Fatalf("an event has place %d, which was given before: the newest was %d", left[0].Seq, newest)
		}
		f.wantRange(left[0].Seq, left[1].Seq)
	}},
}

// openWithURL makes an open batch of n rows with a callback URL.
func (f *fixture) openWithURL(batch, url string, single bool, n int) {
	f.t.Helper()
	f.must(f.CreateBatch(f.ctx(), jobs.BatchSpec{ID: batch, CallbackURL: url, Single: single}, f.now), "create batch %s", batch)
	f.must(f.AppendRequests(f.ctx(), batch, pages(n), f.now), "append to %s", batch)
	_, err := f.OpenBatch(f.ctx(), batch, f.now)
	f.must(err, "open batch %s", batch)
	f.check()
}

// wantEvents reads all pages of a filter, with several page sizes. It asserts
// that they are the events of all for which wanted returns true.
func (f *fixture) wantEvents(what string, filter jobs.EventFilter, all []jobs.Event, wanted func(jobs.Event) bool) {
	f.t.Helper()
	want := slices.DeleteFunc(slices.Clone(all), func(e jobs.Event) bool { return !wanted(e) })
	newest := all[len(all)-1].Seq
	for _, limit := range []int{0, 1, 2} {
		var got []jobs.Event
		filter.Limit = limit
		for filter.After = 0; filter.After < newest; {
			page, upTo, err := f.Events(f.ctx(), filter)
			f.must(err, "events")
			if upTo <= filter.After || len(page) > 0 && page[len(page)-1].Seq > upTo {
				f.t.Fatalf("%s: looked from %d up to %d and found %v", what, filter.After, upTo, page)
			}
			filter.After = upTo
			got = append(got, page...)
		}
		wantSame(f, what+": the end of the log", filter.After, newest)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			f.t.Fatalf("%s: events (-want +got):\n%s", what, diff)
		}
	}
}

func (f *fixture) wantRange(oldest, newest int64) {
	f.t.Helper()
	gotOldest, gotNewest, err := f.EventRange(f.ctx())
	f.must(err, "range of events")
	wantSame(f, "oldest event", gotOldest, oldest)
	wantSame(f, "newest event", gotNewest, newest)
}
