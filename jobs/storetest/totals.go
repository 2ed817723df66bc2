package storetest

import (
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
)

var totalTests = []test{
	{"totals of an empty store", func(b *book) {
		totals, err := b.Totals(b.ctx())
		b.must(err, "totals")
		wantSame(b, "rows", totals.Counts.Rows, 0)
		wantSame(b, "batches", len(totals.Batches), 0)
		wantSame(b, "inbox", totals.Inbox+totals.Cursor+totals.Held+totals.Doubts, 0)
		if totals.Counts.Cost != nil {
			b.t.Fatalf("cost %v of nothing", *totals.Counts.Cost)
		}
	}},
	{"totals count what is unsettled, and how far the closer is", func(b *book) {
		b.open("b1", pages(4)...)
		b.open("b2", pages(3)...)
		b.importing("b3", pages(2)...)
		b.doubted("b1", 2)
		b.pending("b2", 1)
		b.deliver("unknown", jobs.OutcomeDone)
		b.apply()
		last := b.deliver("unknown too", jobs.OutcomeDone)
		totals, err := b.Totals(b.ctx())
		b.must(err, "totals")
		wantSame(b, "doubts", totals.Doubts, 2)
		wantSame(b, "held", totals.Held, 1)
		wantSame(b, "inbox", totals.Inbox, last)
		wantSame(b, "cursor", totals.Cursor, last-1)
		n, err := b.CountBatches(b.ctx())
		b.must(err, "count batches")
		wantSame(b, "batches", n, 3)
		wantSame(b, "importing", totals.Batches[jobs.BatchImporting], 1)
		wantSame(b, "open", totals.Batches[jobs.BatchOpen], 2)
		wantSame(b, "submitting", totals.Counts.Of(jobs.Submitting), 2)
	}},
	{"totals tell since when deliveries wait to be applied", func(b *book) {
		wait := func(want time.Time) {
			b.t.Helper()
			totals, err := b.Totals(b.ctx())
			b.must(err, "totals")
			wantSame(b, "the oldest came", totals.Unapplied, want)
		}
		b.deliver("applied", jobs.OutcomeDone)
		b.apply()
		wait(time.Time{})
		b.now = b.now.Add(time.Minute)
		came := b.now
		b.deliver("oldest", jobs.OutcomeDone)
		b.now = b.now.Add(time.Minute)
		b.deliver("newest", jobs.OutcomeDone)
		wait(came)
		b.apply()
		wait(time.Time{})
	}},
}

// checkTotals compares the totals with a sum over the batches.
func (b *book) checkTotals(batches []jobs.Batch) {
	b.t.Helper()
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
	totals, err := b.Totals(b.ctx())
	b.must(err, "totals")
	if diff := cmp.Diff(want, plain(totals.Counts)); diff != "" {
		b.t.Fatalf("totals differ from the batches (-batches +totals):\n%s", diff)
	}
	if diff := cmp.Diff(states, totals.Batches); diff != "" {
		b.t.Fatalf("totals differ from the batches (-batches +totals):\n%s", diff)
	}
	wantSame(b, "vendor calls", totals.Counts.APICalls, calls)
}
