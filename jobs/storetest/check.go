package storetest

import (
	"slices"
	"strings"

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
			if r.State == jobs.Queued && (r.ScreenshotID != "" || r.Late || r.ImageURL != "" || r.Error != "" || !r.SubmittedAt.IsZero() || !r.Deadline.IsZero()) {
				b.t.Fatalf("job %s is queued with what an attempt has left: %+v", r.ID, r.Job)
			}
			if r.State == jobs.Pending && r.Deadline.IsZero() {
				b.t.Fatalf("job %s is pending without a deadline", r.ID)
			}
			if !r.CancelAskedAt.IsZero() && r.State.Open() && r.State != jobs.Submitting {
				b.t.Fatalf("job %s is %s although it was to be canceled", r.ID, r.State)
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

// checkEvents asserts that each closure has one event, each retry one and each
// revision one, in an order that tells the truth.
func (b *book) checkEvents(batch jobs.Batch, rows []jobs.Row, events []jobs.Event) {
	b.t.Helper()
	ofJob := map[jobs.ID][]jobs.Event{}
	revision, finished := 0, false
	for _, e := range events {
		switch e.Type {
		case jobs.EventBatchFinished, jobs.EventBatchRevised:
			revision++
			if revised := e.Type == jobs.EventBatchRevised; revised != finished || e.Revision != revision {
				b.t.Fatalf("batch %s: event %+v as number %d, finished before: %v", batch.ID, e, revision, finished)
			}
			finished = true
		case jobs.EventBatchPaused:
			if finished || e.Revision != revision {
				b.t.Fatalf("batch %s: event %+v after revision %d, finished: %v", batch.ID, e, revision, finished)
			}
		case jobs.EventJobRetried:
			ofJob[e.Job] = append(ofJob[e.Job], e)
			finished = false
		default:
			ofJob[e.Job] = append(ofJob[e.Job], e)
			if finished && e.Type != jobs.EventJobLate && e.Type != jobs.EventJobCorrected {
				b.t.Fatalf("batch %s: event %+v after the batch had finished", batch.ID, e)
			}
		}
	}
	if revision != batch.Revision || finished != (batch.State == jobs.BatchFinished) {
		b.t.Fatalf("batch %s is %s with revision %d but events of %d, finished: %v", batch.ID, batch.State, batch.Revision, revision, finished)
	}
	for _, r := range rows {
		b.checkHistory(r.Job, ofJob[r.ID])
	}
}

// checkHistory asserts that a job's events are those of its attempts, one after
// the other, each brought to an end that a retry can leave, and that the last
// one stands where the job stands. Each attempt's screenshot may correct it once.
func (b *book) checkHistory(j jobs.Job, events []jobs.Event) {
	b.t.Helper()
	var ends []jobs.Event // of the attempt
	attempt, retried, corrections := 0, false, 0
	for _, e := range events {
		if e.Type == jobs.EventJobCorrected {
			corrections++
		}
		if e.Type != jobs.EventJobRetried {
			older := (e.Type == jobs.EventJobLate || e.Type == jobs.EventJobCorrected) && e.Attempt < attempt
			if retried && e.Attempt != attempt && !older {
				b.t.Fatalf("job %s: event %+v in attempt %d", j.ID, e, attempt)
			}
			ends = append(ends, e)
			continue
		}
		waits := e.State == jobs.Pending && e.Attempt == attempt && len(ends) == 1
		if !isHistory(ends) || !slices.Contains(jobs.Retriable, endOf(ends)) || retried && e.Attempt != attempt+1 && !waits ||
			e.State == jobs.Pending && endOf(ends) != jobs.Canceled {
			b.t.Fatalf("job %s: event %+v after %v of attempt %d", j.ID, e, ends, attempt)
		}
		ends, attempt, retried = nil, e.Attempt, true
	}
	if retried && j.Attempt != attempt {
		b.t.Fatalf("job %s is in attempt %d, its events in %d", j.ID, j.Attempt, attempt)
	}
	if corrections > j.Attempt {
		b.t.Fatalf("job %s was corrected %d times in %d attempts", j.ID, corrections, j.Attempt)
	}
	told := func(kind jobs.EventType) bool {
		return slices.ContainsFunc(ends, func(e jobs.Event) bool { return e.Type == kind })
	}
	ended := !j.State.Open() && j.State != jobs.Duplicate && j.State != jobs.Rejected
	switch {
	case !ended && len(ends) == 0:
	case !isHistory(ends) || endOf(ends) != j.State || told(jobs.EventJobCorrected) != j.Corrected,
		!j.Corrected && told(jobs.EventJobLate) != j.Late:
		b.t.Fatalf("job %s is %s (attempt %d, late: %v, corrected: %v) with events %v", j.ID, j.State, j.Attempt, j.Late, j.Corrected, ends)
	}
}

// isHistory reports whether these may be the ends of one attempt: the picture of
// an older one may come before its end, as its end, or after it, and after a late
// failure, too, and a retry may find it after a cancel. A late failure comes after a
// time-out alone. Corrections, and what
// they make possible, come after an end.
func isHistory(ends []jobs.Event) bool {
	for i, e := range ends {
		before := jobs.State("")
		if i > 0 {
			before = endOf(ends[:i])
		}
		switch e.Type {
		case jobs.EventJobCorrected:
			if before != jobs.Done && before != jobs.Failed && before != jobs.TimedOut || before == e.State && e.State != jobs.Done {
				return false
			}
		case jobs.EventJobLate:
			if before == jobs.Done || before != jobs.TimedOut && e.State != jobs.Done {
				return false
			}
		default:
			if i > 0 {
				return false
			}
		}
	}
	return len(ends) > 0
}

// endOf is the state that the last of some events tells of.
func endOf(ends []jobs.Event) jobs.State {
	last := ends[len(ends)-1]
	if last.State != "" {
		return last.State
	}
	return jobs.State(strings.TrimPrefix(string(last.Type), "job."))
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
		page, upTo, err := b.Events(b.ctx(), jobs.EventFilter{After: after, Limit: limit})
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
		wantSame(b, "place up to which a full page has looked", upTo, after)
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
	Rows, Late, Corrected int64
	DoubleCharged         int64
	ByState               map[jobs.State]int64
	ByProvenance          map[jobs.Provenance]int64
	Cost                  *float64
}

func plain(c jobs.Counts) totals {
	t := totals{
		Rows: c.Rows, Late: c.Late, Corrected: c.Corrected, DoubleCharged: c.DoubleCharged, Cost: c.Cost,
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
		if r.Corrected {
			t.Corrected++
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
