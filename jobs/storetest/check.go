package storetest

import (
	"reflect"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
)

// check calls audit after a change, unless the test has uncheckedSteps.
func (f *fixture) check() {
	f.t.Helper()
	if !f.uncheckedSteps {
		f.audit()
	}
}

// audit checks everything that must hold between any two calls. It returns the
// rows of all batches, which it reads for that.
func (f *fixture) audit() []jobs.Row {
	f.t.Helper()
	var all []jobs.Row
	batches, err := f.Batches(f.ctx(), "", 1000)
	f.must(err, "list batches")
	f.checkTotals(batches)
	ofBatch := f.eventsByBatch()
	for _, batch := range batches {
		rows := f.allRows(batch.ID)
		all = append(all, rows...)
		f.checkCounts(batch, rows)
		f.checkEvents(batch, rows, ofBatch[batch.ID])
		for _, r := range rows {
			if r.State == jobs.Done && r.Error != "" {
				f.t.Fatalf("job %s is done with error %q", r.ID, r.Error)
			}
			if r.State == jobs.Queued && (r.ScreenshotID != "" || r.Late || r.ImageURL != "" || r.Error != "" || !r.SubmittedAt.IsZero() || !r.Deadline.IsZero()) {
				f.t.Fatalf("job %s is queued with data of an earlier attempt: %+v", r.ID, r.Job)
			}
			if r.State == jobs.Pending && r.Deadline.IsZero() {
				f.t.Fatalf("job %s is pending without a deadline", r.ID)
			}
			if !r.CancelAskedAt.IsZero() && r.State.Open() && r.State != jobs.Submitting {
				f.t.Fatalf("job %s is %s although it is marked to be canceled", r.ID, r.State)
			}
			if ended := !r.State.Open() && r.State != jobs.Duplicate && r.State != jobs.Rejected; ended == r.ClosedAt.IsZero() || ended == (r.ClosedBy == "") {
				f.t.Fatalf("job %s is %s, closed by %q at %v", r.ID, r.State, r.ClosedBy, r.ClosedAt)
			}
		}
	}
	return all
}

// checkCounts compares the batch's counters and the store's tally with a count
// over the rows.
func (f *fixture) checkCounts(batch jobs.Batch, rows []jobs.Row) {
	f.t.Helper()
	want := count(rows)
	if got := plain(batch.Counts); !reflect.DeepEqual(want, got) { // much cheaper than cmp.Diff
		diff := cmp.Diff(want, got)
		f.t.Fatalf("batch %s: counters differ from its rows (-rows +counters):\n%s", batch.ID, diff)
	}
	tally, err := f.Tally(f.ctx(), batch.ID)
	f.must(err, "tally %s", batch.ID)
	if got := plain(tally); !reflect.DeepEqual(want, got) {
		diff := cmp.Diff(want, got)
		f.t.Fatalf("batch %s: tally differs from its rows (-rows +tally):\n%s", batch.ID, diff)
	}
	if batch.State == jobs.BatchImporting {
		return
	}
	if ended := batch.Counts.Open() == 0; ended != (batch.State == jobs.BatchFinished) || ended == batch.FinishedAt.IsZero() {
		f.t.Fatalf("batch %s is %s at %v with %d open jobs", batch.ID, batch.State, batch.FinishedAt, batch.Counts.Open())
	}
}

// checkEvents asserts that each closure, each retry and each revision has one
// event, in a possible order.
func (f *fixture) checkEvents(batch jobs.Batch, rows []jobs.Row, events []jobs.Event) {
	f.t.Helper()
	ofJob := map[jobs.ID][]jobs.Event{}
	revision, finished := 0, false
	for _, e := range events {
		switch e.Type {
		case jobs.EventBatchFinished, jobs.EventBatchRevised:
			revision++
			if revised := e.Type == jobs.EventBatchRevised; revised != finished || e.Revision != revision {
				f.t.Fatalf("batch %s: event %+v as number %d, finished before: %v", batch.ID, e, revision, finished)
			}
			finished = true
		case jobs.EventBatchPaused:
			if finished || e.Revision != revision {
				f.t.Fatalf("batch %s: event %+v after revision %d, finished: %v", batch.ID, e, revision, finished)
			}
		case jobs.EventJobRetried:
			ofJob[e.Job] = append(ofJob[e.Job], e)
			finished = false
		case jobs.EventJobAmended:
			ofJob[e.Job] = append(ofJob[e.Job], e)
			finished = finished && e.State != jobs.Queued
		default:
			ofJob[e.Job] = append(ofJob[e.Job], e)
			if finished && e.Type != jobs.EventJobLate && e.Type != jobs.EventJobCorrected {
				f.t.Fatalf("batch %s: event %+v after the batch had finished", batch.ID, e)
			}
		}
	}
	if revision != batch.Revision || finished != (batch.State == jobs.BatchFinished) {
		f.t.Fatalf("batch %s is %s with revision %d but events of %d, finished: %v", batch.ID, batch.State, batch.Revision, revision, finished)
	}
	for _, r := range rows {
		f.checkHistory(r.Job, ofJob[r.ID])
	}
}

// checkHistory asserts that a job's events are those of its attempts in order.
// Each attempt but the last must have an end that a retry can leave. The last
// event must agree with the job's state. Each attempt's screenshot may correct
// the job once.
func (f *fixture) checkHistory(j jobs.Job, events []jobs.Event) {
	f.t.Helper()
	var ends []jobs.Event // of the attempt
	attempt, retried, corrections, amended := 0, false, 0, 0
	for _, e := range events {
		if e.Type == jobs.EventJobCorrected {
			corrections++
		}
		if e.Type == jobs.EventJobAmended {
			next := e.Attempt == attempt+1 || !retried || attempt == 0 && e.Attempt == 0
			if len(ends) > 0 && !isHistory(ends) || !next || e.State != jobs.Queued && e.State != jobs.Duplicate && e.State != jobs.Rejected {
				f.t.Fatalf("job %s: event %+v after %v of attempt %d", j.ID, e, ends, attempt)
			}
			ends, attempt, retried, amended = nil, e.Attempt, true, e.Attempt
			continue
		}
		if e.Attempt < amended {
			f.t.Fatalf("job %s: event %+v of another request", j.ID, e)
		}
		if e.Type != jobs.EventJobRetried {
			older := (e.Type == jobs.EventJobLate || e.Type == jobs.EventJobCorrected) && e.Attempt < attempt
			if retried && e.Attempt != attempt && !older {
				f.t.Fatalf("job %s: event %+v in attempt %d", j.ID, e, attempt)
			}
			ends = append(ends, e)
			continue
		}
		waits := e.State == jobs.Pending && e.Attempt == attempt && len(ends) == 1
		if !isHistory(ends) || !slices.Contains(jobs.Retriable, endOf(ends)) || retried && e.Attempt != attempt+1 && !waits ||
			e.State == jobs.Pending && endOf(ends) != jobs.Canceled {
			f.t.Fatalf("job %s: event %+v after %v of attempt %d", j.ID, e, ends, attempt)
		}
		ends, attempt, retried = nil, e.Attempt, true
	}
	if retried && j.Attempt != attempt {
		f.t.Fatalf("job %s is in attempt %d, its events in %d", j.ID, j.Attempt, attempt)
	}
	if corrections > j.Attempt {
		f.t.Fatalf("job %s was corrected %d times in %d attempts", j.ID, corrections, j.Attempt)
	}
	has := func(kind jobs.EventType) bool {
		return slices.ContainsFunc(ends, func(e jobs.Event) bool { return e.Type == kind })
	}
	ended := !j.State.Open() && j.State != jobs.Duplicate && j.State != jobs.Rejected
	switch {
	case !ended && len(ends) == 0:
	case !isHistory(ends) || endOf(ends) != j.State || has(jobs.EventJobCorrected) != j.Corrected,
		!j.Corrected && has(jobs.EventJobLate) != j.Late:
		f.t.Fatalf("job %s is %s (attempt %d, late: %v, corrected: %v) with events %v", j.ID, j.State, j.Attempt, j.Late, j.Corrected, ends)
	}
}

// isHistory reports whether the events can be the ends of one attempt. The image
// of an older attempt can arrive before its end, as its end, or after it, also
// after a late failure. A retry can find it after a cancel. A late failure can
// only follow a time-out. Corrections, and the late results that they make
// possible, follow an end.
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

// endOf returns the state in the last of some events.
func endOf(ends []jobs.Event) jobs.State {
	last := ends[len(ends)-1]
	if last.State != "" {
		return last.State
	}
	return jobs.State(strings.TrimPrefix(string(last.Type), "job."))
}

// eventsByBatch reads the whole log and asserts that the places increase.
func (f *fixture) eventsByBatch() map[string][]jobs.Event {
	f.t.Helper()
	of := map[string][]jobs.Event{}
	for _, e := range f.allEvents() {
		of[e.Batch] = append(of[e.Batch], e)
	}
	return of
}

func (f *fixture) allEvents() []jobs.Event {
	f.t.Helper()
	const limit = 500
	var all []jobs.Event
	var after int64
	for {
		page, upTo, err := f.Events(f.ctx(), jobs.EventFilter{After: after, Limit: limit})
		f.must(err, "events after %d", after)
		for _, e := range page {
			if e.Seq <= after {
				f.t.Fatalf("event %+v comes after place %d", e, after)
			}
			after = e.Seq
		}
		all = append(all, page...)
		if len(page) < limit {
			return all
		}
		wantSame(f, "place up to which a full page has looked", upTo, after)
	}
}

func (f *fixture) allRows(batch string) []jobs.Row {
	f.t.Helper()
	const limit = 500
	var all []jobs.Row
	for {
		page, err := f.Rows(f.ctx(), batch, int64(len(all)), limit)
		f.must(err, "rows of %s", batch)
		all = append(all, page...)
		if len(page) < limit {
			break
		}
	}
	for i, r := range all {
		if r.ID != row(batch, int64(i+1)) {
			f.t.Fatalf("row %d of %s is %s", i+1, batch, r.ID)
		}
	}
	return all
}

// totals are counters in a form that can be compared: every key is set. The
// number of calls is left out, because the rows do not contain it.
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
