package storetest

import (
	"fmt"
	"slices"
	"time"

	"shotline/jobs"
)

// workLimit is more than these tests have under way.
const workLimit = 1000

var workTests = []test{
	{"of each kind and priority so much work is under way", func(b *book) {
		for i := range 5 {
			b.open(fmt.Sprintf("b%d", i), pages(1)...)
			b.later(time.Second)
		}
		submit := func(batch string) jobs.Work { return jobs.Work{Kind: jobs.WorkSubmit, Batch: batch} }
		b.must(b.CreateBatch(b.ctx(), jobs.BatchSpec{ID: "high", Priority: 7}, b.now), "create batch")
		b.must(b.AppendRequests(b.ctx(), "high", pages(1), b.now), "append")
		again := b.now.Add(time.Minute)
		b.wantSomeWork(b.now, again, 0)
		b.wantSomeWork(b.now, again, 2, submit("b0"), submit("b1"))
		b.wantSomeWork(b.now, again, 2)
		b.wantSomeWork(b.now, again, 3, submit("b2"))
		_, err := b.OpenBatch(b.ctx(), "high", b.now)
		b.must(err, "open batch")
		b.wantSomeWork(b.now, again, 3, submit("high"))
		b.shut(cancel(row("b0", 1)), cancel(row("b3", 1)))
		summarize := func(batch string) jobs.Work {
			return jobs.Work{Kind: jobs.WorkSummarize, Batch: batch, Revision: 1}
		}
		b.wantSomeWork(b.now, again, 1, summarize("b0"))
		b.wantSomeWork(b.now, again, 1)
		b.wantSomeWork(b.now, again, 3, summarize("b3"), submit("b4")) // beside b1 and b2
		b.lease("b1", 1)                                               // nothing is owed any more
		b.later(2 * time.Minute)
		again = b.now.Add(time.Minute)
		b.wantSomeWork(b.now, again, 1, submit("high"), summarize("b0"), submit("b2"))
		b.wantSomeWork(b.now, again, 2, summarize("b3"), submit("b4"))
	}},
	{"queued jobs are owed once until the wake time", func(b *book) {
		b.importing("importing", pages(1)...)
		b.open("paused", pages(1)...)
		b.must(b.Pause(b.ctx(), "paused", "", b.now), "pause")
		b.open("b1", pages(1)...)
		b.later(time.Second)
		again := b.now.Add(time.Minute)
		first := b.wantWork(b.now, again, jobs.Work{Kind: jobs.WorkSubmit, Batch: "b1"})
		b.wantWork(b.now, again)
		b.wantWork(again.Add(-time.Second), again)
		second := b.wantWork(again, again.Add(time.Minute), jobs.Work{Kind: jobs.WorkSubmit, Batch: "b1"})
		if second[0].Generation <= first[0].Generation {
			b.t.Fatalf("generation %d after %d", second[0].Generation, first[0].Generation)
		}
		wantSame(b, "generation kept", b.batch("b1").Generation, second[0].Generation)
		b.must(b.Resume(b.ctx(), "paused", b.now), "resume")
		b.wantWork(again.Add(time.Second), again.Add(time.Minute), jobs.Work{Kind: jobs.WorkSubmit, Batch: "paused"})
	}},
	{"a lease puts the wake time off", func(b *book) {
		b.open("b1", pages(3)...)
		b.lease("b1", 1)
		wake := b.now.Add(leaseTime / 3)
		b.wantWork(wake.Add(-time.Second), wake)
		b.wantWork(wake, wake.Add(time.Minute), jobs.Work{Kind: jobs.WorkSubmit, Batch: "b1"})
	}},
	{"nothing queued, nothing to submit", func(b *book) {
		b.open("b1", pages(1)...)
		b.pending("b1", 1)
		b.wantWork(b.now.Add(time.Hour), b.now.Add(2*time.Hour))
	}},
	{"a batch can be woken", func(b *book) {
		b.open("b1", pages(1)...)
		claimed := b.wantWork(b.now, b.now.Add(time.Hour), jobs.Work{Kind: jobs.WorkSubmit, Batch: "b1"})
		b.later(time.Second)
		generation, err := b.WakeBatch(b.ctx(), "b1", b.now.Add(10*time.Second))
		b.must(err, "wake batch")
		b.check()
		if generation <= claimed[0].Generation {
			b.t.Fatalf("generation %d after %d", generation, claimed[0].Generation)
		}
		b.wantWork(b.now, b.now.Add(time.Hour))
		b.later(10 * time.Second)
		b.wantWork(b.now, b.now.Add(time.Hour), jobs.Work{Kind: jobs.WorkSubmit, Batch: "b1"})
	}},
	{"a summary is owed until it is saved", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.pending("b1", 1)[0]
		b.shut(timeOut(id))
		owed := func(revision int) {
			b.t.Helper()
			for range 2 {
				b.later(time.Hour)
				b.wantWork(b.now, b.now.Add(time.Hour), jobs.Work{Kind: jobs.WorkSummarize, Batch: "b1", Revision: revision})
			}
		}
		owed(1)
		b.saved("b1", 1, "one", true)
		b.later(time.Hour)
		b.wantWork(b.now, b.now.Add(time.Hour))
		b.webhook(id, jobs.OutcomeDone)
		owed(2)
		b.saved("b1", 2, "two", true)
		b.later(2 * time.Hour)
		b.wantWork(b.now, b.now.Add(time.Hour))
	}},
	{"work of higher priority comes first", func(b *book) {
		for batch, priority := range map[string]int{"low": -7, "usual": 0, "high": 3, "top": jobs.MaxPriority} {
			b.must(b.CreateBatch(b.ctx(), jobs.BatchSpec{ID: batch, Priority: priority}, b.now), "create batch")
			b.must(b.AppendRequests(b.ctx(), batch, pages(1), b.now), "append")
			_, err := b.OpenBatch(b.ctx(), batch, b.now)
			b.must(err, "open batch")
		}
		b.shut(cancel(row("high", 1)))
		want := []jobs.Work{
			{Kind: jobs.WorkSubmit, Batch: "top"}, {Kind: jobs.WorkSummarize, Batch: "high", Revision: 1},
			{Kind: jobs.WorkSubmit, Batch: "usual"}, {Kind: jobs.WorkSubmit, Batch: "low"},
		}
		b.wantWork(b.now, b.now.Add(time.Minute), want...)
	}},
	{"the work of named batches leaves that of others", func(b *book) {
		for _, id := range []string{"b1", "b2", "b3"} {
			b.open(id, pages(1)...)
		}
		again := b.now.Add(time.Minute)
		b.wantWorkOf([]string{"nothere"}, b.now, again)
		b.wantWorkOf([]string{"b2"}, b.now, again, jobs.Work{Kind: jobs.WorkSubmit, Batch: "b2"})
		b.wantWorkOf([]string{"b2"}, b.now, again)
		b.wantWork(b.now, again, jobs.Work{Kind: jobs.WorkSubmit, Batch: "b1"}, jobs.Work{Kind: jobs.WorkSubmit, Batch: "b3"})
		b.wantWorkOf([]string{"b2", "b1"}, again, again.Add(time.Minute), jobs.Work{Kind: jobs.WorkSubmit, Batch: "b1"}, jobs.Work{Kind: jobs.WorkSubmit, Batch: "b2"})
		b.wantWork(again, again.Add(time.Minute), jobs.Work{Kind: jobs.WorkSubmit, Batch: "b3"})
	}},
	{"a tick has one winner", func(b *book) {
		tick := func(name string, at, next time.Time, want bool) {
			b.t.Helper()
			won, err := b.ClaimTick(b.ctx(), name, at, next)
			b.must(err, "claim tick")
			wantSame(b, "tick "+name, won, want)
		}
		next := b.now.Add(time.Minute)
		tick("sweep", b.now, next, true)
		tick("sweep", b.now, next, false)
		tick("other", b.now, next, true)
		tick("sweep", next.Add(-time.Second), next, false)
		tick("sweep", next, next.Add(time.Minute), true)
		tick("sweep", next, next.Add(time.Minute), false)
		tick("ahead", b.now.Add(24*time.Hour), b.now.Add(25*time.Hour), true)
		tick("ahead", b.now, next, true) // that clock was wrong
	}},
}

// wantWork claims what is owed and asserts it, generations apart.
func (b *book) wantWork(at, again time.Time, want ...jobs.Work) []jobs.Work {
	b.t.Helper()
	return b.wantSomeWork(at, again, workLimit, want...)
}

// wantWorkOf is wantWork for named batches.
func (b *book) wantWorkOf(batches []string, at, again time.Time, want ...jobs.Work) []jobs.Work {
	b.t.Helper()
	work, err := b.ClaimWork(b.ctx(), at, again, 0, batches...)
	return b.wantWorkIs(work, err, want)
}

// wantSomeWork is wantWork with a limit.
func (b *book) wantSomeWork(at, again time.Time, limit int, want ...jobs.Work) []jobs.Work {
	b.t.Helper()
	work, err := b.ClaimWork(b.ctx(), at, again, limit)
	return b.wantWorkIs(work, err, want)
}

func (b *book) wantWorkIs(work []jobs.Work, err error, want []jobs.Work) []jobs.Work {
	b.t.Helper()
	b.must(err, "claim work")
	b.check()
	got := slices.Clone(work)
	for i := range got {
		got[i].Generation = 0
	}
	if !slices.Equal(got, want) {
		b.t.Fatalf("work %+v, want %+v", got, want)
	}
	return work
}
