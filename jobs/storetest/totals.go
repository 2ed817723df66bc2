package storetest

import (
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
)

var totalTests = []test{
	{"totals of an empty store", func(f *fixture) {
		totals, err := f.Totals(f.ctx())
		f.must(err, "totals")
		wantSame(f, "rows", totals.Counts.Rows, 0)
		wantSame(f, "batches", len(totals.Batches), 0)
		wantSame(f, "inbox", totals.Inbox+totals.Cursor+totals.Held+totals.Doubts, 0)
		if totals.Counts.Cost != nil {
			f.t.Fatalf("cost %v without jobs", *totals.Counts.Cost)
		}
	}},
	{"totals count unsettled work, and contain the place of the closer", func(f *fixture) {
		f.open("b1", pages(4)...)
		f.open("b2", pages(3)...)
		f.importing("b3", pages(2)...)
		f.leaseAndDoubt("b1", 2)
		f.pending("b2", 1)
		f.deliver("unknown", jobs.OutcomeDone)
		f.apply()
		last := f.deliver("unknown too", jobs.OutcomeDone)
		totals, err := f.Totals(f.ctx())
		f.must(err, "totals")
		wantSame(f, "doubts", totals.Doubts, 2)
		wantSame(f, "held", totals.Held, 1)
		wantSame(f, "inbox", totals.Inbox, last)
		wantSame(f, "cursor", totals.Cursor, last-1)
		n, err := f.CountBatches(f.ctx())
		f.must(err, "count batches")
		wantSame(f, "batches", n, 3)
		wantSame(f, "importing", totals.Batches[jobs.BatchImporting], 1)
		wantSame(f, "open", totals.Batches[jobs.BatchOpen], 2)
		wantSame(f, "submitting", totals.Counts.Of(jobs.Submitting), 2)
	}},
	{"totals count wanted files", func(f *fixture) {
		f.doneJobs("b1", 3)
		f.doneJobs("b2", 2)
		f.order("", folderA)
		f.wantFiles(5)
		f.save(f.claimFiles("b1")[0], "1.png")
		totals, err := f.Totals(f.ctx())
		f.must(err, "totals")
		wantSame(f, "wanted files", totals.FilesWanted, 4)
	}},
	{"totals contain the time since which deliveries wait to be applied", func(f *fixture) {
		wait := func(want time.Time) {
			f.t.Helper()
			totals, err := f.Totals(f.ctx())
			f.must(err, "totals")
			wantSame(f, "oldest unapplied delivery", totals.Unapplied, want)
		}
		f.deliver("applied", jobs.OutcomeDone)
		f.apply()
		wait(time.Time{})
		f.now = f.now.Add(time.Minute)
		came := f.now
		f.deliver("oldest", jobs.OutcomeDone)
		f.now = f.now.Add(time.Minute)
		f.deliver("newest", jobs.OutcomeDone)
		wait(came)
		f.apply()
		wait(time.Time{})
	}},
}

// checkTotals compares the totals with a sum over the batches.
func (f *fixture) checkTotals(batches []jobs.Batch) {
	f.t.Helper()
	want := plain(jobs.Counts{})
	states := map[jobs.BatchState]int64{}
	calls := int64(0)
	for _, batch := range batches {
		c := plain(batch.Counts)
		states[batch.State]++
		calls += batch.Counts.APICalls
		want.Rows += c.Rows
		want.Late += c.Late
		want.Corrected += c.Corrected
		want.DoubleCharged += c.DoubleCharged
		for state, n := range c.ByState {
			want.ByState[state] += n
		}
		for way, n := range c.ByProvenance {
			want.ByProvenance[way] += n
		}
		if c.Cost != nil {
			sum := *c.Cost
			if want.Cost != nil {
				sum += *want.Cost
			}
			want.Cost = &sum
		}
	}
	totals, err := f.Totals(f.ctx())
	f.must(err, "totals")
	if diff := cmp.Diff(want, plain(totals.Counts)); diff != "" {
		f.t.Fatalf("totals differ from the batches (-batches +totals):\n%s", diff)
	}
	if diff := cmp.Diff(states, totals.Batches); diff != "" {
		f.t.Fatalf("totals differ from the batches (-batches +totals):\n%s", diff)
	}
	wantSame(f, "vendor calls", totals.Counts.APICalls, calls)
}
