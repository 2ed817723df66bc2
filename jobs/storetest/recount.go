package storetest

import (
	"strings"
	"testing"
	"time"

	"shotline/jobs"
)

// Meddler is a Harness that can change a counter of a batch without the store.
// Tests of Recount need it; they are skipped if the harness cannot do that.
type Meddler interface {
	Meddle(t *testing.T, batch string, state jobs.State, by int64)
}

// corruptCounter makes a counter wrong. After that the test must call audit
// itself.
func (f *fixture) corruptCounter(batch string, state jobs.State, by int64) {
	f.t.Helper()
	m, able := f.harness.(Meddler)
	if !able {
		f.t.Skip("the harness cannot change counters")
	}
	f.uncheckedSteps = true
	m.Meddle(f.t, batch, state, by)
}

var recountTests = []test{
	{"a batch with correct counters is not changed", func(f *fixture) {
		f.open("b1", append(pages(6), rejected(9, "no"))...)
		ids := f.pending("b1", 4)
		f.webhook(ids[0], jobs.OutcomeDone)
		f.webhook(ids[1], jobs.OutcomeFailed)
		f.closeJobs(timeOut(ids[2]))
		f.leaseAndDoubt("b1", 1)
		f.importing("importing", pages(2)...)
		version := f.version()
		for _, batch := range []string{"b1", "importing"} {
			if r := f.recount(batch); len(r.Wrong) > 0 || r.Reopened || r.Finished || r.Revised {
				f.t.Fatalf("recount of %s found %+v", batch, r)
			}
		}
		wantSame(f, "version", f.version(), version)
		_, err := f.Recount(f.ctx(), "nothere", f.now)
		f.wantErr(err, jobs.ErrNotFound, "recount of an unknown batch")
	}},
	{"wrong counters are corrected and reported", func(f *fixture) {
		f.open("b1", pages(5)...)
		ids := f.pending("b1", 3)
		o := seen(ids[0], jobs.OutcomeDone)
		o.Cost = credits(1.5)
		f.observe(jobs.ByPoll, o)
		f.corruptCounter("b1", jobs.Done, 7)
		f.corruptCounter("b1", jobs.Pending, -1)
		r := f.recount("b1")
		wrong := strings.Join(r.Wrong, "; ")
		wantSame(f, "wrong counters", wrong, "pending is 1, the rows say 2; done is 8, the rows say 1")
		if r.Reopened || r.Finished || r.Revised {
			f.t.Fatalf("recount moved the batch: %+v", r)
		}
		f.audit()
		wantSame(f, "found a second time", len(f.recount("b1").Wrong), 0)
	}},
	{"a batch whose counters hid that no job is open finishes", func(f *fixture) {
		for _, paused := range []bool{false, true} {
			batch := map[bool]string{false: "open", true: "paused"}[paused]
			f.open(batch, pages(1)...)
			id := f.pending(batch, 1)[0]
			if paused {
				f.must(f.Pause(f.ctx(), batch, "", f.now), "pause")
			}
			f.corruptCounter(batch, jobs.Pending, 1)
			f.webhook(id, jobs.OutcomeDone)
			if f.batch(batch).State == jobs.BatchFinished {
				f.t.Fatal("the batch finished with a job that is pending by the counters")
			}
			f.later(time.Minute)
			if r := f.recount(batch); !r.Finished || r.Reopened {
				f.t.Fatalf("recount: %+v", r)
			}
			f.audit()
			f.wantTime("finished", f.batch(batch).FinishedAt, f.now)
			f.wantWork(f.now, f.now.Add(time.Hour), jobs.Work{Kind: jobs.WorkSummarize, Batch: batch, Revision: 1})
		}
	}},
	{"a counter that is too low does not prevent a result", func(f *fixture) {
		f.open("b1", pages(3)...)
		ids := f.pending("b1", 3)
		f.corruptCounter("b1", jobs.Pending, -3)
		for _, id := range ids[:2] {
			f.deliver(shot(id), jobs.OutcomeDone)
		}
		applied, err := f.ApplyInbox(f.ctx(), f.now, 100)
		f.must(err, "apply inbox")
		wantSame(f, "put aside", applied.Aside, 0)
		wantSame(f, "repaired", strings.Join(applied.Repaired, " "), "b1")
		for _, id := range ids[:2] {
			wantSame(f, "state of "+id.String(), f.job(id).State, jobs.Done)
		}
		f.audit()
	}},
	{"a batch that finished with an open job opens again", func(f *fixture) {
		f.open("b1", pages(3)...)
		ids := f.pending("b1", 3)
		f.corruptCounter("b1", jobs.Pending, -2)
		f.webhook(ids[0], jobs.OutcomeDone)
		wantSame(f, "state", f.batch("b1").State, jobs.BatchFinished)
		f.saveSummary("b1", 1, "wrong", true)

		r := f.recount("b1")
		if !r.Reopened || r.Finished || r.Revised {
			f.t.Fatalf("recount: %+v", r)
		}
		batch := f.batch("b1")
		wantSame(f, "state", batch.State, jobs.BatchOpen)
		wantSame(f, "pending", batch.Counts.Of(jobs.Pending), 2)
		f.wantTime("finished", batch.FinishedAt, time.Time{})

		f.webhook(ids[1], jobs.OutcomeDone)
		f.webhook(ids[2], jobs.OutcomeFailed)
		batch = f.batch("b1")
		wantSame(f, "state at the end", batch.State, jobs.BatchFinished)
		wantSame(f, "revision at the end", batch.Revision, 2)
		f.later(time.Minute)
		f.wantWork(f.now, f.now.Add(time.Hour), jobs.Work{Kind: jobs.WorkSummarize, Batch: "b1", Revision: 2})
		wantSame(f, "found at the end", len(f.recount("b1").Wrong), 0)
	}},
	{"a summary with wrong counters is made again", func(f *fixture) {
		f.open("b1", pages(2)...)
		for _, id := range f.pending("b1", 2) {
			f.webhook(id, jobs.OutcomeDone)
		}
		f.corruptCounter("b1", jobs.Done, 1)
		if r := f.recount("b1"); len(r.Wrong) != 1 || r.Revised {
			f.t.Fatalf("recount before the summary: %+v", r)
		}
		f.saveSummary("b1", 1, "right", true)
		f.corruptCounter("b1", jobs.Done, 1)
		if r := f.recount("b1"); !r.Revised {
			f.t.Fatalf("recount after the summary: %+v", r)
		}
		f.audit()
		f.later(time.Minute)
		f.wantWork(f.now, f.now.Add(time.Hour), jobs.Work{Kind: jobs.WorkSummarize, Batch: "b1", Revision: 2})
	}},
	{"of many recounts one repairs", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.pending("b1", 1)[0]
		f.corruptCounter("b1", jobs.Pending, 1)
		f.webhook(id, jobs.OutcomeDone)
		repairs := make([]jobs.Repair, 8)
		concurrently(f, len(repairs), func(i int) (err error) {
			repairs[i], err = f.Recount(f.ctx(), "b1", f.now)
			return err
		})
		finished := 0
		for _, r := range repairs {
			if r.Finished {
				finished++
			}
		}
		wantSame(f, "times it finished", finished, 1)
		f.audit()
	}},
	{"outstanding jobs and batches", func(f *fixture) {
		out := func() jobs.Outstanding {
			f.t.Helper()
			out, err := f.Outstanding(f.ctx())
			f.must(err, "outstanding")
			return out
		}
		if got := out(); got.Unfinished != nil || got.Unsummarized != nil {
			f.t.Fatalf("outstanding in an empty store: %+v", got)
		}
		f.importing("importing", pages(2)...)
		f.open("ended")
		f.open("b1", pages(9)...)
		f.pending("b1", 3)
		f.leaseAndDoubt("b1", 2)
		f.lease("b1", 1)
		f.open("b2", pages(2)...)
		f.must(f.Pause(f.ctx(), "b2", "", f.now), "pause")
		f.later(time.Second)
		f.deliver("stranger", jobs.OutcomeDone)
		f.apply()
		got := out()
		wantSame(f, "unfinished", strings.Join(got.Unfinished, " "), "b1 b2")
		wantSame(f, "unsummarized", strings.Join(got.Unsummarized, " "), "ended")
		got.Unfinished, got.Unsummarized = nil, nil
		want := jobs.Outstanding{Queued: 3, Paused: 2, Submitting: 3, InDoubt: 2, Pending: 3, Held: 1}
		if got.Queued != want.Queued || got.Paused != want.Paused || got.Submitting != want.Submitting ||
			got.InDoubt != want.InDoubt || got.Pending != want.Pending || got.Held != want.Held {
			f.t.Fatalf("outstanding %+v, want %+v", got, want)
		}
	}},
	{"a batch that finished too early is outstanding", func(f *fixture) {
		for batch, left := range map[string]func(){
			"queued":  func() {},
			"pending": func() { f.pending("pending", 1) },
			"leased":  func() { f.lease("leased", 1) },
			"doubted": func() { f.leaseAndDoubt("doubted", 1) },
		} {
			f.open(batch, pages(2)...)
			id := f.pending(batch, 1)[0]
			left()
			f.corruptCounter(batch, f.job(row(batch, 2)).State, -1)
			f.webhook(id, jobs.OutcomeDone)
			wantSame(f, batch, f.batch(batch).State, jobs.BatchFinished)
			out, err := f.Outstanding(f.ctx())
			f.must(err, "outstanding")
			wantSame(f, "unfinished", strings.Join(out.Unfinished, " "), batch)
			if r := f.recount(batch); !r.Reopened {
				f.t.Fatalf("recount: %+v", r)
			}
			f.closeJobs(cancel(row(batch, 2)))
		}
	}},
}

func (f *fixture) recount(batch string) jobs.Repair {
	f.t.Helper()
	r, err := f.Recount(f.ctx(), batch, f.now)
	f.must(err, "recount %s", batch)
	f.check()
	return r
}
