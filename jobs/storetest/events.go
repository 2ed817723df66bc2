package storetest

import (
	"time"

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
			{At: at(3), Type: jobs.EventJobLate, Job: ids[2], Attempt: 1},
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
}
