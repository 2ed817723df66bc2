package storetest

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"shotline/jobs"
)

var summaryTests = []test{
	{"a revision is summarized once", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.pending("b1", 1)[0]
		f.wantSummary("b1", 0, "")
		f.closeJobs(timeOut(id))
		f.saveSummary("b1", 1, "one", true)
		f.wantSummary("b1", 1, "one")
		wantSame(f, "summarized", f.batch("b1").Summarized, 1)
		f.saveSummary("b1", 1, "again", false)
		f.wantSummary("b1", 1, "one")
		f.webhook(id, jobs.OutcomeDone)
		f.saveSummary("b1", 2, "two\x00", true)
		f.saveSummary("b1", 1, "old", false)
		f.wantSummary("b1", 2, "two\x00")
		wantSame(f, "summarized", f.batch("b1").Summarized, 2)
	}},
	{"timings span submission to closure", func(f *fixture) {
		const n = 20
		f.open("b1", pages(n+2)...)
		if timings := f.timings("b1"); timings != (jobs.Timings{}) {
			f.t.Fatalf("timings without closures: %+v", timings)
		}
		ids := f.bulkPending("b1", n+1)
		for _, id := range ids[:n] {
			f.later(time.Second)
			_, err := f.AppendDelivery(f.ctx(), f.delivery(shot(id), jobs.OutcomeDone))
			f.must(err, "append delivery")
			_, err = f.ApplyInbox(f.ctx(), f.now, 10)
			f.must(err, "apply inbox")
		}
		f.later(time.Hour)
		f.webhook(ids[n], jobs.OutcomeFailed)
		timings := f.timings("b1")
		wantSame(f, "count", timings.Count, n)
		wantSame(f, "min", timings.Min, time.Second)
		wantSame(f, "max", timings.Max, n*time.Second)
		wantSame(f, "mean", timings.Mean, 10500*time.Millisecond)
		for what, p := range map[string][2]time.Duration{"p50": {timings.P50, 10 * time.Second}, "p95": {timings.P95, 19 * time.Second}} {
			if p[0] < p[1] || p[0] > p[1]+time.Second {
				f.t.Fatalf("%s is %v, want %v or up to a second more", what, p[0], p[1])
			}
		}
	}},
	{"reasons group failures", func(f *fixture) {
		f.open("b1", append(pages(8), rejected(20, "no scheme"), rejected(21, "no scheme"))...)
		f.pending("b1", 7)
		fail := func(n int64, reason string) {
			d := f.delivery(shot(row("b1", n)), jobs.OutcomeFailed)
			d.Error = reason
			_, err := f.AppendDelivery(f.ctx(), d)
			f.must(err, "append delivery")
		}
		fail(5, "dns")
		fail(2, "dns")
		fail(4, "dns")
		fail(1, "tls")
		f.apply()
		f.webhook(row("b1", 3), jobs.OutcomeDone)
		timedOut := timeOut(row("b1", 6))
		timedOut.Error = "dns"
		f.closeJobs(timedOut)
		reasons, err := f.Reasons(f.ctx(), "b1", 10)
		f.must(err, "reasons")
		wantSame(f, "reasons", len(reasons), 4)
		wantSame(f, "most frequent", reasons[0], jobs.Reason{State: jobs.Failed, Error: "dns", Count: 3, First: row("b1", 2), Line: 3})
		wantSame(f, "second", reasons[1], jobs.Reason{State: jobs.Rejected, Error: "no scheme", Count: 2, First: row("b1", 9), Line: 20})
		rest := map[jobs.Reason]bool{reasons[2]: true, reasons[3]: true}
		for _, want := range []jobs.Reason{
			{State: jobs.Failed, Error: "tls", Count: 1, First: row("b1", 1), Line: 2},
			{State: jobs.TimedOut, Error: "dns", Count: 1, First: row("b1", 6), Line: 7},
		} {
			if !rest[want] {
				f.t.Fatalf("reasons %+v lack %+v", reasons, want)
			}
		}
		reasons, err = f.Reasons(f.ctx(), "b1", 1)
		f.must(err, "reasons")
		wantSame(f, "reasons up to one", len(reasons), 1)
	}},
	{"rejections that differ only in what they quote are one reason", func(f *fixture) {
		var requests []jobs.Request
		for _, why := range []string{`not a URL: "a"`, "no scheme", `not a URL: "b \"c\" d"`, `column "w": want a number`, `not a URL: "ä"`, `column "w": want a number`, `want a "`} {
			requests = append(requests, jobs.Request{Line: 10 + len(requests), URL: "x", Reject: why})
		}
		f.open("b1", requests...)
		reasons, err := f.Reasons(f.ctx(), "b1", 10)
		f.must(err, "reasons")
		wantSame(f, "reasons", len(reasons), 4)
		for i, want := range []jobs.Reason{
			{State: jobs.Rejected, Error: `not a URL: "…"`, Count: 3, First: row("b1", 1), Line: 10},
			{State: jobs.Rejected, Error: `column "w": want a number`, Count: 2, First: row("b1", 4), Line: 13},
			{State: jobs.Rejected, Error: "no scheme", Count: 1, First: row("b1", 2), Line: 11},
			{State: jobs.Rejected, Error: `want a "`, Count: 1, First: row("b1", 7), Line: 16},
		} {
			wantSame(f, "reason", reasons[i], want)
		}
	}},
	{"missing costs and reasons are counted", func(f *fixture) {
		f.open("b1", pages(8)...)
		ids := f.pending("b1", 5)
		unexplained := func(costs, reasons int) {
			f.t.Helper()
			c, r, err := f.Unexplained(f.ctx(), "b1")
			f.must(err, "unexplained")
			wantSame(f, "costs", c, costs)
			wantSame(f, "reasons", r, reasons)
		}
		unexplained(0, 0)
		f.webhook(ids[0], jobs.OutcomeDone)
		silent := f.delivery(shot(ids[1]), jobs.OutcomeFailed)
		silent.Error = ""
		_, err := f.AppendDelivery(f.ctx(), silent)
		f.must(err, "append delivery")
		f.apply()
		f.closeJobs(timeOut(ids[2]), cancel(ids[3]), cancel(row("b1", 8)))
		unexplained(4, 1)
		for i, id := range ids[:4] {
			o := seen(id, jobs.OutcomeProcessing)
			o.Cost = credits(float64(i))
			f.observe(jobs.ByPoll, o)
			unexplained(3-i, 1)
		}
		f.observe(jobs.ByPoll, seen(ids[1], jobs.OutcomeFailed))
		unexplained(0, 0)
	}},
	{"a resent submission is unexplained until each send has its cost", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.leaseAndDoubt("b1", 1)[0].Job.ID
		f.later(time.Minute)
		f.resend(f.claimDoubts(f.now, 10), f.now, 1)
		f.leaseAndIntend("b1", 1)
		for i, cost := range []*float64{credits(1), nil, credits(1)} {
			o := seen(id, jobs.OutcomeDone)
			if o.Cost = cost; i > 0 {
				o.ScreenshotID += " again"
			}
			f.observe(jobs.ByPoll, o)
			costs, _, err := f.Unexplained(f.ctx(), "b1")
			f.must(err, "unexplained")
			wantSame(f, fmt.Sprintf("costs that are missing after sight %d", i+1), costs, []int{1, 1, 0}[i])
		}
		wantSame(f, "double charges", f.job(id).DoubleCharged, 1)
	}},
}

// saveSummary saves a summary and asserts whether this call stored it.
func (f *fixture) saveSummary(batch string, revision int, data string, want bool) {
	f.t.Helper()
	stored, err := f.SaveSummary(f.ctx(), batch, revision, f.batch(batch).Counts, []byte(data), f.now)
	f.must(err, "save summary")
	f.check()
	wantSame(f, fmt.Sprintf("revision %d stored", revision), stored, want)
}

func (f *fixture) wantSummary(batch string, revision int, data string) {
	f.t.Helper()
	r, d, err := f.Summary(f.ctx(), batch)
	f.must(err, "summary")
	wantSame(f, "revision", r, revision)
	wantSame(f, "data", string(d), data)
}

func (f *fixture) timings(batch string) jobs.Timings {
	f.t.Helper()
	timings, err := f.Timings(f.ctx(), batch)
	f.must(err, "timings")
	return timings
}

// saveSummary saves the summary of a batch that has finished.
func (w *modelWalk) saveSummary(t *rapid.T) {
	w.begin(t)
	b, err := w.Batch(w.ctx(), "b1")
	w.must(err, "batch")
	if b.Revision == 0 {
		t.Skip("nothing has finished")
	}
	stored, err := w.SaveSummary(w.ctx(), "b1", b.Revision, b.Counts, []byte("{}"), w.now)
	w.must(err, "save summary")
	if want := w.model.saveSummary(b.Revision); stored != want {
		w.Fatalf("summary %d stored: %v, want %v", b.Revision, stored, want)
	}
}
