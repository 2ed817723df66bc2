package storetest

import (
	"fmt"
	"slices"
	"time"

	"shotline/jobs"
)

// workLimit is more than the work of these tests.
const workLimit = 1000

var workTests = []test{
	{"the work under way is limited per kind and priority", func(f *fixture) {
		for i := range 5 {
			f.open(fmt.Sprintf("b%d", i), pages(1)...)
			f.later(time.Second)
		}
		submit := func(batch string) jobs.Work { return jobs.Work{Kind: jobs.WorkSubmit, Batch: batch} }
		f.must(f.CreateBatch(f.ctx(), jobs.BatchSpec{ID: "high", Priority: 7}, f.now), "create batch")
		f.must(f.AppendRequests(f.ctx(), "high", pages(1), f.now), "append")
		again := f.now.Add(time.Minute)
		f.wantSomeWork(f.now, again, 0)
		f.wantSomeWork(f.now, again, 2, submit("b0"), submit("b1"))
		f.wantSomeWork(f.now, again, 2)
		f.wantSomeWork(f.now, again, 3, submit("b2"))
		_, err := f.OpenBatch(f.ctx(), "high", f.now)
		f.must(err, "open batch")
		f.wantSomeWork(f.now, again, 3, submit("high"))
		f.closeJobs(cancel(row("b0", 1)), cancel(row("b3", 1)))
		summarize := func(batch string) jobs.Work {
			return jobs.Work{Kind: jobs.WorkSummarize, Batch: batch, Revision: 1}
		}
		f.wantSomeWork(f.now, again, 1, summarize("b0"))
		f.wantSomeWork(f.now, again, 1)
		f.wantSomeWork(f.now, again, 3, summarize("b3"), submit("b4")) // besides b1 and b2
		f.lease("b1", 1)                                               // b1 has no more work
		f.later(2 * time.Minute)
		again = f.now.Add(time.Minute)
		f.wantSomeWork(f.now, again, 1, submit("high"), summarize("b0"), submit("b2"))
		f.wantSomeWork(f.now, again, 2, summarize("b3"), submit("b4"))
	}},
	{"work for queued jobs is claimed once until the wake time", func(f *fixture) {
		f.importing("importing", pages(1)...)
		f.open("paused", pages(1)...)
		f.must(f.Pause(f.ctx(), "paused", "", f.now), "pause")
		f.open("b1", pages(1)...)
		f.later(time.Second)
		again := f.now.Add(time.Minute)
		first := f.wantWork(f.now, again, jobs.Work{Kind: jobs.WorkSubmit, Batch: "b1"})
		f.wantWork(f.now, again)
		f.wantWork(again.Add(-time.Second), again)
		second := f.wantWork(again, again.Add(time.Minute), jobs.Work{Kind: jobs.WorkSubmit, Batch: "b1"})
		if second[0].Generation <= first[0].Generation {
			f.t.Fatalf("generation %d after %d", second[0].Generation, first[0].Generation)
		}
		wantSame(f, "generation kept", f.batch("b1").Generation, second[0].Generation)
		f.must(f.Resume(f.ctx(), "paused", f.now), "resume")
		f.wantWork(again.Add(time.Second), again.Add(time.Minute), jobs.Work{Kind: jobs.WorkSubmit, Batch: "paused"})
	}},
	{"a lease postpones the wake time", func(f *fixture) {
		f.open("b1", pages(3)...)
		f.lease("b1", 1)
		wake := f.now.Add(leaseTime / 3)
		f.wantWork(wake.Add(-time.Second), wake)
		f.wantWork(wake, wake.Add(time.Minute), jobs.Work{Kind: jobs.WorkSubmit, Batch: "b1"})
	}},
	{"without queued jobs there is no work", func(f *fixture) {
		f.open("b1", pages(1)...)
		f.pending("b1", 1)
		f.wantWork(f.now.Add(time.Hour), f.now.Add(2*time.Hour))
	}},
	{"a batch can be woken", func(f *fixture) {
		f.open("b1", pages(1)...)
		claimed := f.wantWork(f.now, f.now.Add(time.Hour), jobs.Work{Kind: jobs.WorkSubmit, Batch: "b1"})
		f.later(time.Second)
		generation, err := f.WakeBatch(f.ctx(), "b1", f.now.Add(10*time.Second))
		f.must(err, "wake batch")
		f.check()
		if generation <= claimed[0].Generation {
			f.t.Fatalf("generation %d after %d", generation, claimed[0].Generation)
		}
		f.wantWork(f.now, f.now.Add(time.Hour))
		f.later(10 * time.Second)
		f.wantWork(f.now, f.now.Add(time.Hour), jobs.Work{Kind: jobs.WorkSubmit, Batch: "b1"})
	}},
	{"a summary is pending until it is saved", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.pending("b1", 1)[0]
		f.closeJobs(timeOut(id))
		wantSummarize := func(revision int) {
			f.t.Helper()
			for range 2 {
				f.later(time.Hour)
				f.wantWork(f.now, f.now.Add(time.Hour), jobs.Work{Kind: jobs.WorkSummarize, Batch: "b1", Revision: revision})
			}
		}
		wantSummarize(1)
		f.saveSummary("b1", 1, "one", true)
		f.later(time.Hour)
		f.wantWork(f.now, f.now.Add(time.Hour))
		f.webhook(id, jobs.OutcomeDone)
		wantSummarize(2)
		f.saveSummary("b1", 2, "two", true)
		f.later(2 * time.Hour)
		f.wantWork(f.now, f.now.Add(time.Hour))
	}},
	{"work of higher priority is claimed first", func(f *fixture) {
		for batch, priority := range map[string]int{"low": -7, "usual": 0, "high": 3, "top": jobs.MaxPriority} {
			f.must(f.CreateBatch(f.ctx(), jobs.BatchSpec{ID: batch, Priority: priority}, f.now), "create batch")
			f.must(f.AppendRequests(f.ctx(), batch, pages(1), f.now), "append")
			_, err := f.OpenBatch(f.ctx(), batch, f.now)
			f.must(err, "open batch")
		}
		f.closeJobs(cancel(row("high", 1)))
		want := []jobs.Work{
			{Kind: jobs.WorkSubmit, Batch: "top"}, {Kind: jobs.WorkSummarize, Batch: "high", Revision: 1},
			{Kind: jobs.WorkSubmit, Batch: "usual"}, {Kind: jobs.WorkSubmit, Batch: "low"},
		}
		f.wantWork(f.now, f.now.Add(time.Minute), want...)
	}},
	{"claiming work of given batches leaves that of others", func(f *fixture) {
		for _, id := range []string{"b1", "b2", "b3"} {
			f.open(id, pages(1)...)
		}
		again := f.now.Add(time.Minute)
		f.wantWorkOf([]string{"nothere"}, f.now, again)
		f.wantWorkOf([]string{"b2"}, f.now, again, jobs.Work{Kind: jobs.WorkSubmit, Batch: "b2"})
		f.wantWorkOf([]string{"b2"}, f.now, again)
		f.wantWork(f.now, again, jobs.Work{Kind: jobs.WorkSubmit, Batch: "b1"}, jobs.Work{Kind: jobs.WorkSubmit, Batch: "b3"})
		f.wantWorkOf([]string{"b2", "b1"}, again, again.Add(time.Minute), jobs.Work{Kind: jobs.WorkSubmit, Batch: "b1"}, jobs.Work{Kind: jobs.WorkSubmit, Batch: "b2"})
		f.wantWork(again, again.Add(time.Minute), jobs.Work{Kind: jobs.WorkSubmit, Batch: "b3"})
	}},
	{"one process gets a tick", func(f *fixture) {
		tick := func(name string, at, next time.Time, want bool) {
			f.t.Helper()
			won, err := f.ClaimTick(f.ctx(), name, at, next)
			f.must(err, "claim tick")
			wantSame(f, "tick "+name, won, want)
		}
		next := f.now.Add(time.Minute)
		tick("sweep", f.now, next, true)
		tick("sweep", f.now, next, false)
		tick("other", f.now, next, true)
		tick("sweep", next.Add(-time.Second), next, false)
		tick("sweep", next, next.Add(time.Minute), true)
		tick("sweep", next, next.Add(time.Minute), false)
		tick("ahead", f.now.Add(24*time.Hour), f.now.Add(25*time.Hour), true)
		tick("ahead", f.now, next, true) // that clock was wrong
	}},
}

// wantWork claims work that is due and compares it. It ignores the generations.
func (f *fixture) wantWork(at, again time.Time, want ...jobs.Work) []jobs.Work {
	f.t.Helper()
	return f.wantSomeWork(at, again, workLimit, want...)
}

// wantWorkOf is wantWork for the given batches.
func (f *fixture) wantWorkOf(batches []string, at, again time.Time, want ...jobs.Work) []jobs.Work {
	f.t.Helper()
	work, err := f.ClaimWork(f.ctx(), at, again, 0, batches...)
	return f.wantWorkIs(work, err, want)
}

// wantSomeWork is wantWork with a limit.
func (f *fixture) wantSomeWork(at, again time.Time, limit int, want ...jobs.Work) []jobs.Work {
	f.t.Helper()
	work, err := f.ClaimWork(f.ctx(), at, again, limit)
	return f.wantWorkIs(work, err, want)
}

func (f *fixture) wantWorkIs(work []jobs.Work, err error, want []jobs.Work) []jobs.Work {
	f.t.Helper()
	f.must(err, "claim work")
	f.check()
	got := slices.Clone(work)
	for i := range got {
		got[i].Generation = 0
	}
	if !slices.Equal(got, want) {
		f.t.Fatalf("work %+v, want %+v", got, want)
	}
	return work
}
