package storetest

import (
	"strings"
	"testing"
	"time"

	"shotline/jobs"
)

// Meddler is a Harness that can make a counter of a batch wrong by some number
// behind the store's back. What Recount does about that is tested with one only.
type Meddler interface {
	Meddle(t *testing.T, batch string, state jobs.State, by int64)
}

// meddle makes a counter wrong. From here on the test audits by itself.
func (b *book) meddle(batch string, state jobs.State, by int64) {
	b.t.Helper()
	m, able := b.harness.(Meddler)
	if !able {
		b.t.Skip("the harness cannot make counters wrong")
	}
	b.quiet = true
	m.Meddle(b.t, batch, state, by)
}

var recountTests = []test{
	{"a batch that is right is left alone", func(b *book) {
		b.open("b1", append(pages(6), rejected(9, "no"))...)
		ids := b.pending("b1", 4)
		b.webhook(ids[0], jobs.OutcomeDone)
		b.webhook(ids[1], jobs.OutcomeFailed)
		b.shut(timeOut(ids[2]))
		b.doubted("b1", 1)
		b.importing("importing", pages(2)...)
		version := b.version()
		for _, batch := range []string{"b1", "importing"} {
			if r := b.recount(batch); len(r.Wrong) > 0 || r.Reopened || r.Finished || r.Revised {
				b.t.Fatalf("recount of %s found %+v", batch, r)
			}
		}
		wantSame(b, "version", b.version(), version)
		_, err := b.Recount(b.ctx(), "nothere", b.now)
		b.wantErr(err, jobs.ErrNotFound, "recount of no batch")
	}},
	{"counters are set right and what was wrong is told", func(b *book) {
		b.open("b1", pages(5)...)
		ids := b.pending("b1", 3)
		o := seen(ids[0], jobs.OutcomeDone)
		o.Cost = credits(1.5)
		b.observe(jobs.ByPoll, o)
		b.meddle("b1", jobs.Done, 7)
		b.meddle("b1", jobs.Pending, -1)
		r := b.recount("b1")
		told := strings.Join(r.Wrong, "; ")
		wantSame(b, "told", told, "pending is 1, the rows say 2; done is 8, the rows say 1")
		if r.Reopened || r.Finished || r.Revised {
			b.t.Fatalf("recount moved the batch: %+v", r)
		}
		b.audit()
		wantSame(b, "found a second time", len(b.recount("b1").Wrong), 0)
	}},
	{"a batch that hid that nothing is open finishes", func(b *book) {
		for _, paused := range []bool{false, true} {
			batch := map[bool]string{false: "open", true: "paused"}[paused]
			b.open(batch, pages(1)...)
			id := b.pending(batch, 1)[0]
			if paused {
				b.must(b.Pause(b.ctx(), batch, "", b.now), "pause")
			}
			b.meddle(batch, jobs.Pending, 1)
			b.webhook(id, jobs.OutcomeDone)
			if b.batch(batch).State == jobs.BatchFinished {
				b.t.Fatal("it finished with a job that is pending by the counters")
			}
			b.later(time.Minute)
			if r := b.recount(batch); !r.Finished || r.Reopened {
				b.t.Fatalf("recount: %+v", r)
			}
			b.audit()
			b.wantTime("finished", b.batch(batch).FinishedAt, b.now)
			b.wantWork(b.now, b.now.Add(time.Hour), jobs.Work{Kind: jobs.WorkSummarize, Batch: batch, Revision: 1})
		}
	}},
	{"a counter that is too low keeps no result from being applied", func(b *book) {
		b.open("b1", pages(3)...)
		ids := b.pending("b1", 3)
		b.meddle("b1", jobs.Pending, -3)
		for _, id := range ids[:2] {
			b.deliver(shot(id), jobs.OutcomeDone)
		}
		applied, err := b.ApplyInbox(b.ctx(), b.now, 100)
		b.must(err, "apply inbox")
		wantSame(b, "put aside", applied.Aside, 0)
		wantSame(b, "repaired", strings.Join(applied.Repaired, " "), "b1")
		for _, id := range ids[:2] {
			wantSame(b, "state of "+id.String(), b.job(id).State, jobs.Done)
		}
		b.audit()
	}},
	{"a batch that finished with an open job opens again", func(b *book) {
		b.open("b1", pages(3)...)
		ids := b.pending("b1", 3)
		b.meddle("b1", jobs.Pending, -2)
		b.webhook(ids[0], jobs.OutcomeDone)
		wantSame(b, "state", b.batch("b1").State, jobs.BatchFinished)
		b.saved("b1", 1, "wrong", true)

		r := b.recount("b1")
		if !r.Reopened || r.Finished || r.Revised {
			b.t.Fatalf("recount: %+v", r)
		}
		batch := b.batch("b1")
		wantSame(b, "state", batch.State, jobs.BatchOpen)
		wantSame(b, "pending", batch.Counts.Of(jobs.Pending), 2)
		b.wantTime("finished", batch.FinishedAt, time.Time{})

		b.webhook(ids[1], jobs.OutcomeDone)
		b.webhook(ids[2], jobs.OutcomeFailed)
		batch = b.batch("b1")
		wantSame(b, "state at the end", batch.State, jobs.BatchFinished)
		wantSame(b, "revision at the end", batch.Revision, 2)
		b.later(time.Minute)
		b.wantWork(b.now, b.now.Add(time.Hour), jobs.Work{Kind: jobs.WorkSummarize, Batch: "b1", Revision: 2})
		wantSame(b, "found at the end", len(b.recount("b1").Wrong), 0)
	}},
	{"a summary that told wrong counters is owed anew", func(b *book) {
		b.open("b1", pages(2)...)
		for _, id := range b.pending("b1", 2) {
			b.webhook(id, jobs.OutcomeDone)
		}
		b.meddle("b1", jobs.Done, 1)
		if r := b.recount("b1"); len(r.Wrong) != 1 || r.Revised {
			b.t.Fatalf("recount before the summary: %+v", r)
		}
		b.saved("b1", 1, "right", true)
		b.meddle("b1", jobs.Done, 1)
		if r := b.recount("b1"); !r.Revised {
			b.t.Fatalf("recount after the summary: %+v", r)
		}
		b.audit()
		b.later(time.Minute)
		b.wantWork(b.now, b.now.Add(time.Hour), jobs.Work{Kind: jobs.WorkSummarize, Batch: "b1", Revision: 2})
	}},
	{"of many recounts one repairs", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.pending("b1", 1)[0]
		b.meddle("b1", jobs.Pending, 1)
		b.webhook(id, jobs.OutcomeDone)
		repairs := make([]jobs.Repair, 8)
		crowd(b, len(repairs), func(i int) (err error) {
			repairs[i], err = b.Recount(b.ctx(), "b1", b.now)
			return err
		})
		finished := 0
		for _, r := range repairs {
			if r.Finished {
				finished++
			}
		}
		wantSame(b, "times it finished", finished, 1)
		b.audit()
	}},
	{"what is outstanding", func(b *book) {
		out := func() jobs.Outstanding {
			b.t.Helper()
			out, err := b.Outstanding(b.ctx())
			b.must(err, "outstanding")
			return out
		}
		if got := out(); got.Unfinished != nil || got.Unsummarized != nil {
			b.t.Fatalf("outstanding in an empty store: %+v", got)
		}
		b.importing("importing", pages(2)...)
		b.open("ended")
		b.open("b1", pages(9)...)
		b.pending("b1", 3)
		b.doubted("b1", 2)
		b.lease("b1", 1)
		b.open("b2", pages(2)...)
		b.must(b.Pause(b.ctx(), "b2", "", b.now), "pause")
		b.later(time.Second)
		b.deliver("stranger", jobs.OutcomeDone)
		b.apply()
		got := out()
		wantSame(b, "unfinished", strings.Join(got.Unfinished, " "), "b1 b2")
		wantSame(b, "unsummarized", strings.Join(got.Unsummarized, " "), "ended")
		got.Unfinished, got.Unsummarized = nil, nil
		want := jobs.Outstanding{Queued: 3, Paused: 2, Submitting: 3, InDoubt: 2, Pending: 3, Held: 1}
		if got.Queued != want.Queued || got.Paused != want.Paused || got.Submitting != want.Submitting ||
			got.InDoubt != want.InDoubt || got.Pending != want.Pending || got.Held != want.Held {
			b.t.Fatalf("outstanding %+v, want %+v", got, want)
		}
	}},
	{"a batch that finished too early is outstanding", func(b *book) {
		for batch, left := range map[string]func(){
			"queued":  func() {},
			"pending": func() { b.pending("pending", 1) },
			"leased":  func() { b.lease("leased", 1) },
			"doubted": func() { b.doubted("doubted", 1) },
		} {
			b.open(batch, pages(2)...)
			id := b.pending(batch, 1)[0]
			left()
			b.meddle(batch, b.job(row(batch, 2)).State, -1)
			b.webhook(id, jobs.OutcomeDone)
			wantSame(b, batch, b.batch(batch).State, jobs.BatchFinished)
			out, err := b.Outstanding(b.ctx())
			b.must(err, "outstanding")
			wantSame(b, "unfinished", strings.Join(out.Unfinished, " "), batch)
			if r := b.recount(batch); !r.Reopened {
				b.t.Fatalf("recount: %+v", r)
			}
			b.shut(cancel(row(batch, 2)))
		}
	}},
}

func (b *book) recount(batch string) jobs.Repair {
	b.t.Helper()
	r, err := b.Recount(b.ctx(), batch, b.now)
	b.must(err, "recount %s", batch)
	b.check()
	return r
}
