package storetest

import (
	"slices"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
)

// check audits after a change, unless the test does so by itself.
func (b *book) check() {
	b.t.Helper()
	if !b.quiet {
		b.audit()
	}
}

// audit asks everything that must hold between any two calls and returns the
// rows of all batches that it read for that.
func (b *book) audit() []jobs.Row {
	b.t.Helper()
	var all []jobs.Row
	batches, err := b.Batches(b.ctx(), "", 1000)
	b.must(err, "list batches")
	b.checkTotals(batches)
	ofBatch := b.eventsByBatch()
	for _, batch := range batches {
		rows := b.allRows(batch.ID)
		all = append(all, rows...)
		b.checkCounts(batch, rows)
		b.checkEvents(batch, rows, ofBatch[batch.ID])
		for _, r := range rows {
			if r.State == jobs.Done && r.Error != "" {
				b.t.Fatalf("job %s is done with error %q", r.ID, r.Error)
			}
			if ended := !r.State.Open() && r.State != jobs.Duplicate && r.State != jobs.Rejected; ended == r.ClosedAt.IsZero() || ended == (r.ClosedBy == "") {
				b.t.Fatalf("job %s is %s, closed by %q at %v", r.ID, r.State, r.ClosedBy, r.ClosedAt)
			}
		}
	}
	return all
}

// checkCounts compares the batch's counters and the store's tally with a count
// over the rows made here.
func (b *book) checkCounts(batch jobs.Batch, rows []jobs.Row) {
	b.t.Helper()
	want := count(rows)
	if diff := cmp.Diff(want, plain(batch.Counts)); diff != "" {
		b.t.Fatalf("batch %s: counters differ from its rows (-rows +counters):\n%s", batch.ID, diff)
	}
	tally, err := b.Tally(b.ctx(), batch.ID)
	b.must(err, "tally %s", batch.ID)
	if diff := cmp.Diff(want, plain(tally)); diff != "" {
		b.t.Fatalf("batch %s: tally differs from its rows (-rows +tally):\n%s", batch.ID, diff)
	}
	if batch.State == jobs.BatchImporting {
		return
	}
	if ended := batch.Counts.Open() == 0; ended != (batch.State == jobs.BatchFinished) || ended == batch.FinishedAt.IsZero() {
		b.t.Fatalf("batch %s is %s at %v with %d open jobs", batch.ID, batch.State, batch.FinishedAt, batch.Counts.Open())
	}
}

// checkEvents asserts that each closure has one event and each revision one,
// in an order that tells the truth.
func (b *book) checkEvents(batch jobs.Batch, rows []jobs.Row, events []jobs.Event) {
	b.t.Helper()
	ofJob := map[jobs.ID][]jobs.EventType{}
	revision := 0
	for _, e := range events {
		switch e.Type {
		case jobs.EventBatchFinished, jobs.EventBatchRevised:
			revision++
			if first := e.Type == jobs.EventBatchFinished; first != (revision == 1) || e.Revision != revision {
				b.t.Fatalf("batch %s: event %+v as number %d", batch.ID, e, revision)
			}
		default:
			ofJob[e.Job] = append(ofJob[e.Job], e.Type)
			if revision > 0 && e.Type != jobs.EventJobLate {
				b.t.Fatalf("batch %s: event %+v after the batch had finished", batch.ID, e)
			}
		}
	}
	if revision != batch.Revision {
		b.t.Fatalf("batch %s has revision %d but events of %d", batch.ID, batch.Revision, revision)
	}
	for _, r := range rows {
		if got, want := ofJob[r.ID], expectedEvents(r.Job); !slices.Equal(got, want) {
			b.t.Fatalf("job %s is %s (late: %v) with events %v, want %v", r.ID, r.State, r.Late, got, want)
		}
	}
}

// expectedEvents derives a job's history from where it stands.
func expectedEvents(j jobs.Job) []jobs.EventType {
	if j.Late {
		return []jobs.EventType{jobs.EventJobTimedOut, jobs.EventJobLate}
	}
	switch j.State {
	case jobs.Done:
		return []jobs.EventType{jobs.EventJobDone}
	case jobs.Failed:
		return []jobs.EventType{jobs.EventJobFailed}
	case jobs.TimedOut:
		return []jobs.EventType{jobs.EventJobTimedOut}
	case jobs.Canceled:
		return []jobs.EventType{jobs.EventJobCanceled}
	}
	return nil
}

// eventsByBatch reads the whole log and asserts that places grow.
func (b *book) eventsByBatch() map[string][]jobs.Event {
	b.t.Helper()
	of := map[string][]jobs.Event{}
	for _, e := range b.allEvents() {
		of[e.Batch] = append(of[e.Batch], e)
	}
	return of
}

func (b *book) allEvents() []jobs.Event {
	b.t.Helper()
	const limit = 500
	var all []jobs.Event
	var after int64
	for {
		page, err := b.Events(b.ctx(), after, limit)
		b.must(err, "events after %d", after)
		for _, e := range page {
			if e.Seq <= after {
				b.t.Fatalf("event %+v comes after place %d", e, after)
			}
			after = e.Seq
		}
		all = append(all, page...)
		if len(page) < limit {
			return all
		}
	}
}

func (b *book) allRows(batch string) []jobs.Row {
	b.t.Helper()
	const limit = 500
	var all []jobs.Row
	for {
		page, err := b.Rows(b.ctx(), batch, int64(len(all)), limit)
		b.must(err, "rows of %s", batch)
		all = append(all, page...)
		if len(page) < limit {
			break
		}
	}
	for i, r := range all {
		if r.ID != row(batch, int64(i+1)) {
			b.t.Fatalf("row %d of %s is %s", i+1, batch, r.ID)
		}
	}
	return all
}

// totals are counters in a form that compares: every key there, calls left
// out because rows do not know of them.
type totals struct {
	Rows, Late, DoubleCharged int64
	ByState                   map[jobs.State]int64
	ByProvenance              map[jobs.Provenance]int64
	Cost                      *float64
}

func plain(c jobs.Counts) totals {
	t := totals{
		Rows: c.Rows, Late: c.Late, DoubleCharged: c.DoubleCharged, Cost: c.Cost,
		ByState: map[jobs.State]int64{}, ByProvenance: map[jobs.Provenance]int64{},
	}
	for _, s := range jobs.States {
		t.ByState[s] = c.ByState[s]
	}
	for _, p := range jobs.Provenances {
		t.ByProvenance[p] = c.ByProvenance[p]
	}
	return t
}

func count(rows []jobs.Row) totals {
	t := plain(jobs.Counts{Rows: int64(len(rows))})
	for _, r := range rows {
		t.ByState[r.State]++
		if r.ClosedBy != "" {
			t.ByProvenance[r.ClosedBy]++
		}
		if r.Late {
			t.Late++
		}
		t.DoubleCharged += int64(r.DoubleCharged)
		if r.Cost != nil {
			sum := *r.Cost
			if t.Cost != nil {
				sum += *t.Cost
			}
			t.Cost = &sum
		}
	}
	return t
}
