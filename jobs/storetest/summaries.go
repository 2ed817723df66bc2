package storetest

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"shotline/jobs"
)

var summaryTests = []test{
	{"a revision is summed up once", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.pending("b1", 1)[0]
		b.wantSummary("b1", 0, "")
		b.shut(timeOut(id))
		b.saved("b1", 1, "one", true)
		b.wantSummary("b1", 1, "one")
		wantSame(b, "summarized", b.batch("b1").Summarized, 1)
		b.saved("b1", 1, "again", false)
		b.wantSummary("b1", 1, "one")
		b.webhook(id, jobs.OutcomeDone)
		b.saved("b1", 2, "two\x00", true)
		b.saved("b1", 1, "old", false)
		b.wantSummary("b1", 2, "two\x00")
		wantSame(b, "summarized", b.batch("b1").Summarized, 2)
	}},
	{"timings span submission to closure", func(b *book) {
		const n = 20
		b.open("b1", pages(n+2)...)
		if timings := b.timings("b1"); timings != (jobs.Timings{}) {
			b.t.Fatalf("timings of nothing: %+v", timings)
		}
		ids := b.bulkPending("b1", n+1)
		for _, id := range ids[:n] {
			b.later(time.Second)
			_, err := b.AppendDelivery(b.ctx(), b.told(shot(id), jobs.OutcomeDone))
			b.must(err, "append delivery")
			_, err = b.ApplyInbox(b.ctx(), b.now, 10)
			b.must(err, "apply inbox")
		}
		b.later(time.Hour)
		b.webhook(ids[n], jobs.OutcomeFailed)
		timings := b.timings("b1")
		wantSame(b, "count", timings.Count, n)
		wantSame(b, "min", timings.Min, time.Second)
		wantSame(b, "max", timings.Max, n*time.Second)
		wantSame(b, "mean", timings.Mean, 10500*time.Millisecond)
		for what, p := range map[string][2]time.Duration{"p50": {timings.P50, 10 * time.Second}, "p95": {timings.P95, 19 * time.Second}} {
			if p[0] < p[1] || p[0] > p[1]+time.Second {
				b.t.Fatalf("%s is %v, want %v or up to a second more", what, p[0], p[1])
			}
		}
	}},
	{"reasons group what went wrong", func(b *book) {
		b.open("b1", append(pages(8), rejected(20, "no scheme"), rejected(21, "no scheme"))...)
		b.pending("b1", 7)
		fail := func(n int64, reason string) {
			d := b.told(shot(row("b1", n)), jobs.OutcomeFailed)
			d.Error = reason
			_, err := b.AppendDelivery(b.ctx(), d)
			b.must(err, "append delivery")
		}
		fail(5, "dns")
		fail(2, "dns")
		fail(4, "dns")
		fail(1, "tls")
		b.apply()
		b.webhook(row("b1", 3), jobs.OutcomeDone)
		timedOut := timeOut(row("b1", 6))
		timedOut.Error = "dns"
		b.shut(timedOut)
		reasons, err := b.Reasons(b.ctx(), "b1", 10)
		b.must(err, "reasons")
		wantSame(b, "reasons", len(reasons), 4)
		wantSame(b, "most frequent", reasons[0], jobs.Reason{State: jobs.Failed, Error: "dns", Count: 3, First: row("b1", 2), Line: 3})
		wantSame(b, "second", reasons[1], jobs.Reason{State: jobs.Rejected, Error: "no scheme", Count: 2, First: row("b1", 9), Line: 20})
		rest := map[jobs.Reason]bool{reasons[2]: true, reasons[3]: true}
		for _, want := range []jobs.Reason{
			{State: jobs.Failed, Error: "tls", Count: 1, First: row("b1", 1), Line: 2},
			{State: jobs.TimedOut, Error: "dns", Count: 1, First: row("b1", 6), Line: 7},
		} {
			if !rest[want] {
				b.t.Fatalf("reasons %+v lack %+v", reasons, want)
			}
		}
		reasons, err = b.Reasons(b.ctx(), "b1", 1)
		b.must(err, "reasons")
		wantSame(b, "reasons up to one", len(reasons), 1)
	}},
	{"what the vendor has not explained is counted", func(b *book) {
		b.open("b1", pages(8)...)
		ids := b.pending("b1", 5)
		unexplained := func(costs, reasons int) {
			b.t.Helper()
			c, r, err := b.Unexplained(b.ctx(), "b1")
			b.must(err, "unexplained")
			wantSame(b, "costs", c, costs)
			wantSame(b, "reasons", r, reasons)
		}
		unexplained(0, 0)
		b.webhook(ids[0], jobs.OutcomeDone)
		silent := b.told(shot(ids[1]), jobs.OutcomeFailed)
		silent.Error = ""
		_, err := b.AppendDelivery(b.ctx(), silent)
		b.must(err, "append delivery")
		b.apply()
		b.shut(timeOut(ids[2]), cancel(ids[3]), cancel(row("b1", 8)))
		unexplained(4, 1)
		for i, id := range ids[:4] {
			o := seen(id, jobs.OutcomeProcessing)
			o.Cost = credits(float64(i))
			b.observe(jobs.ByPoll, o)
			unexplained(3-i, 1)
		}
		b.observe(jobs.ByPoll, seen(ids[1], jobs.OutcomeFailed))
		unexplained(0, 0)
	}},
	{"what was sent anew is unexplained until each send has its cost", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.doubted("b1", 1)[0].Job.ID
		b.later(time.Minute)
		b.resend(b.claimDoubts(b.now, 10), b.now, 1)
		b.sent("b1", 1)
		for i, cost := range []*float64{credits(1), nil, credits(1)} {
			o := seen(id, jobs.OutcomeDone)
			if o.Cost = cost; i > 0 {
				o.ScreenshotID += " again"
			}
			b.observe(jobs.ByPoll, o)
			costs, _, err := b.Unexplained(b.ctx(), "b1")
			b.must(err, "unexplained")
			wantSame(b, fmt.Sprintf("costs that are missing after sight %d", i+1), costs, []int{1, 1, 0}[i])
		}
		wantSame(b, "double charges", b.job(id).DoubleCharged, 1)
	}},
}

// saved saves a summary and asserts whether this call stored it.
func (b *book) saved(batch string, revision int, data string, want bool) {
	b.t.Helper()
	told, err := b.SaveSummary(b.ctx(), batch, revision, b.batch(batch).Counts, []byte(data), b.now)
	b.must(err, "save summary")
	b.check()
	wantSame(b, fmt.Sprintf("revision %d stored", revision), told, want)
}

func (b *book) wantSummary(batch string, revision int, data string) {
	b.t.Helper()
	r, d, err := b.Summary(b.ctx(), batch)
	b.must(err, "summary")
	wantSame(b, "revision", r, revision)
	wantSame(b, "data", string(d), data)
}

func (b *book) timings(batch string) jobs.Timings {
	b.t.Helper()
	timings, err := b.Timings(b.ctx(), batch)
	b.must(err, "timings")
	return timings
}

// saving sums up what has finished.
func (w *liver) saving(t *rapid.T) {
	w.begin(t)
	b, err := w.Batch(w.ctx(), "b1")
	w.must(err, "batch")
	if b.Revision == 0 {
		t.Skip("nothing has finished")
	}
	told, err := w.SaveSummary(w.ctx(), "b1", b.Revision, b.Counts, []byte("{}"), w.now)
	w.must(err, "save summary")
	if want := w.lives.save(b.Revision); told != want {
		w.Fatalf("summary %d stored: %v, want %v", b.Revision, told, want)
	}
}
