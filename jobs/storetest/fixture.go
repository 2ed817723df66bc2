package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"shotline/jobs"
)

// Durations that all tests use. Their sizes have no meaning.
const (
	leaseTime  = 30 * time.Second
	jobTimeout = 10 * time.Minute
)

// fixture is a store under test with a clock that only the test moves. Its
// lower-case methods fail the test on an error and check the invariants after
// each change. Tests call the methods of the store itself for everything else.
type fixture struct {
	jobs.Store
	t              *testing.T
	harness        Harness
	now            time.Time
	uncheckedSteps bool // check does nothing; the test calls audit after longer steps
}

func newFixture(t *testing.T, h Harness) *fixture {
	f := &fixture{t: t, harness: h, now: time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)}
	f.Store = f.openStore()
	return f
}

// openStore opens the same storage once more, as another process would.
func (f *fixture) openStore() jobs.Store {
	f.t.Helper()
	s := f.harness.Open(f.t)
	f.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			f.t.Errorf("close: %v", err)
		}
	})
	return s
}

func (f *fixture) ctx() context.Context { return f.t.Context() }

// later moves the clock.
func (f *fixture) later(d time.Duration) { f.now = f.now.Add(d) }

func (f *fixture) must(err error, doing string, args ...any) {
	f.t.Helper()
	if err != nil {
		f.t.Fatalf("%s: %v", fmt.Sprintf(doing, args...), err)
	}
}

// wantErr asserts a documented error, and that the invariants still hold.
func (f *fixture) wantErr(err, want error, doing string) {
	f.t.Helper()
	if !errors.Is(err, want) {
		f.t.Fatalf("%s: error %v, want one that is %q", doing, err, want)
	}
	f.check()
}

// pages returns n different requests, as a file with a header would contain them.
func pages(n int) []jobs.Request {
	requests := make([]jobs.Request, n)
	for i := range requests {
		requests[i] = page(fmt.Sprintf("https://example.com/%d", i+1))
		requests[i].Line = i + 2
	}
	return requests
}

func page(url string) jobs.Request { return jobs.Request{Line: 1, URL: url} }

// allRequests reads the requests of a batch in pages.
func (f *fixture) allRequests(batch string, limit int) (all []jobs.Request) {
	f.t.Helper()
	for {
		page, err := f.Requests(f.ctx(), batch, int64(len(all)), limit)
		f.must(err, "requests")
		if len(page) == 0 {
			return all
		}
		all = append(all, page...)
	}
}

func rejected(line int, reason string) jobs.Request {
	return jobs.Request{Line: line, URL: "no url", Reject: reason}
}

// shot returns the id of the screenshot that the vendor makes for a job's first
// attempt.
func shot(id jobs.ID) string { return shotOf(id, 1) }

// shotOf is shot for any attempt.
func shotOf(id jobs.ID, attempt int) string {
	if attempt <= 1 {
		return "s" + id.String()
	}
	return fmt.Sprintf("s%s-%d", id, attempt)
}

func row(batch string, n int64) jobs.ID { return jobs.ID{Batch: batch, Row: n} }

func credits(c float64) *float64 { return &c }

// importing creates a batch with rows and leaves it importing.
func (f *fixture) importing(batch string, requests ...jobs.Request) {
	f.t.Helper()
	f.must(f.CreateBatch(f.ctx(), jobs.BatchSpec{ID: batch}, f.now), "create batch %s", batch)
	f.check()
	if len(requests) > 0 {
		f.must(f.AppendRequests(f.ctx(), batch, requests, f.now), "append to %s", batch)
		f.check()
	}
}

// open creates a batch with rows and opens it.
func (f *fixture) open(batch string, requests ...jobs.Request) jobs.Batch {
	f.t.Helper()
	f.importing(batch, requests...)
	opened, err := f.OpenBatch(f.ctx(), batch, f.now)
	f.must(err, "open batch %s", batch)
	f.check()
	return opened
}

// lease leases exactly n jobs for owner w1.
func (f *fixture) lease(batch string, n int) []jobs.Lease {
	f.t.Helper()
	leases, err := f.Lease(f.ctx(), batch, "w1", n, f.now, f.now.Add(leaseTime))
	f.must(err, "lease from %s", batch)
	if len(leases) != n {
		f.t.Fatalf("leased %d jobs of %s, want %d", len(leases), batch, n)
	}
	f.check()
	return leases
}

// intend commits the intent of a lease.
func (f *fixture) intend(lease jobs.Lease) jobs.Lease {
	f.t.Helper()
	lease, err := f.OpenIntent(f.ctx(), lease, f.now, f.now.Add(leaseTime))
	f.must(err, "open intent of %s", lease.Job.ID)
	f.check()
	return lease
}

// leaseAndIntend leases n jobs and commits their intents.
func (f *fixture) leaseAndIntend(batch string, n int) []jobs.Lease {
	f.t.Helper()
	leases := f.lease(batch, n)
	for i, l := range leases {
		leases[i] = f.intend(l)
	}
	return leases
}

// requeue hands leases back.
func (f *fixture) requeue(leases ...jobs.Lease) jobs.Effects {
	f.t.Helper()
	effects, err := f.Requeue(f.ctx(), leases, f.now)
	f.must(err, "requeue %d leases", len(leases))
	f.check()
	return effects
}

// pending makes n jobs of an open batch pending, each with its screenshot.
func (f *fixture) pending(batch string, n int) []jobs.ID {
	f.t.Helper()
	var ids []jobs.ID
	var answers []jobs.Observation
	for _, l := range f.leaseAndIntend(batch, n) {
		ids = append(ids, l.Job.ID)
		answers = append(answers, seen(l.Job.ID, jobs.OutcomeProcessing))
	}
	if e := f.observe(jobs.ByCreate, answers...); e.Adopted != n || len(e.Closed) != 0 {
		f.t.Fatalf("observed %d fresh creates, effects %+v", n, e)
	}
	return ids
}

// leaseAndDoubt puts n jobs of an open batch in doubt.
func (f *fixture) leaseAndDoubt(batch string, n int) []jobs.Lease {
	f.t.Helper()
	leases := f.leaseAndIntend(batch, n)
	f.must(f.Doubt(f.ctx(), leases, f.now), "doubt")
	f.check()
	return leases
}

// seen returns an observation of the screenshot of a job's first attempt.
func seen(id jobs.ID, outcome jobs.Outcome) jobs.Observation { return seenIn(id, 1, outcome) }

// seenIn is seen for any attempt.
func seenIn(id jobs.ID, attempt int, outcome jobs.Outcome) jobs.Observation {
	o := jobs.Observation{Job: id, Attempt: attempt, ScreenshotID: shotOf(id, attempt), Outcome: outcome}
	switch outcome {
	case jobs.OutcomeDone:
		o.ImageURL = imageURL
	case jobs.OutcomeFailed:
		o.Error = vendorError
	}
	return o
}

const (
	imageURL    = "https://vendor.example/picture.png"
	vendorError = "page did not answer"
)

// observe records observations with a deadline of jobTimeout from now.
func (f *fixture) observe(by jobs.Provenance, observations ...jobs.Observation) jobs.Effects {
	f.t.Helper()
	effects, err := f.Observe(f.ctx(), observations, by, f.now, f.now.Add(jobTimeout))
	f.must(err, "observe %+v", observations)
	f.check()
	return effects
}

// delivery returns a delivery of a screenshot's result.
func (f *fixture) delivery(screenshot string, outcome jobs.Outcome) jobs.Delivery {
	d := jobs.Delivery{ReceivedAt: f.now, Event: "screenshot." + string(outcome), ScreenshotID: screenshot, Outcome: outcome, Body: []byte(`{}`)}
	switch outcome {
	case jobs.OutcomeDone:
		d.ImageURL = imageURL
	case jobs.OutcomeFailed:
		d.Error = vendorError
	}
	return d
}

// deliver keeps a delivery of a screenshot's result, received now.
func (f *fixture) deliver(screenshot string, outcome jobs.Outcome) int64 {
	f.t.Helper()
	seq, err := f.AppendDelivery(f.ctx(), f.delivery(screenshot, outcome))
	f.must(err, "append delivery of %s", screenshot)
	f.check()
	return seq
}

// apply applies the whole inbox in one step.
func (f *fixture) apply() jobs.Applied {
	f.t.Helper()
	applied, err := f.ApplyInbox(f.ctx(), f.now, 1000)
	f.must(err, "apply inbox")
	if applied.Aside != 0 {
		f.t.Fatalf("apply inbox put %d deliveries aside", applied.Aside)
	}
	f.check()
	return applied
}

// webhook delivers and applies the result of a job's screenshot.
func (f *fixture) webhook(id jobs.ID, outcome jobs.Outcome) jobs.Effects {
	f.t.Helper()
	f.deliver(shot(id), outcome)
	return f.apply().Effects
}

// closeJobs closes jobs without a result of the vendor.
func (f *fixture) closeJobs(closings ...jobs.Closing) jobs.Effects {
	f.t.Helper()
	effects, err := f.CloseJobs(f.ctx(), closings, f.now)
	f.must(err, "close %+v", closings)
	f.check()
	return effects
}

func timeOut(id jobs.ID) jobs.Closing {
	return jobs.Closing{Job: id, Attempt: 1, From: []jobs.State{jobs.Pending}, To: jobs.TimedOut, By: jobs.ByDeadline, Error: "no result in time"}
}

func cancel(id jobs.ID) jobs.Closing {
	return jobs.Closing{Job: id, From: []jobs.State{jobs.Queued, jobs.Submitting, jobs.Pending}, To: jobs.Canceled, By: jobs.ByCancel, Error: "canceled"}
}

func refuse(id jobs.ID) jobs.Closing {
	return jobs.Closing{Job: id, Attempt: 1, From: []jobs.State{jobs.Submitting}, To: jobs.Failed, By: jobs.BySubmit, Error: "refused"}
}

func (f *fixture) job(id jobs.ID) jobs.Job {
	f.t.Helper()
	j, err := f.Job(f.ctx(), id)
	f.must(err, "job %s", id)
	return j
}

func (f *fixture) batch(id string) jobs.Batch {
	f.t.Helper()
	batch, err := f.Batch(f.ctx(), id)
	f.must(err, "batch %s", id)
	return batch
}

// wantState asserts the state of one job and returns the job.
func (f *fixture) wantState(id jobs.ID, want jobs.State) jobs.Job {
	f.t.Helper()
	j := f.job(id)
	if j.State != want {
		f.t.Fatalf("job %s is %s, want %s", id, j.State, want)
	}
	return j
}

// wantClosed asserts the closures of a step, in order.
func (f *fixture) wantClosed(e jobs.Effects, want ...jobs.Closed) {
	f.t.Helper()
	if !slices.Equal(e.Closed, want) {
		f.t.Fatalf("closed %+v, want %+v", e.Closed, want)
	}
}

// wantSame compares two values with == and names them in the failure.
func wantSame[T comparable](f *fixture, what string, got, want T) {
	f.t.Helper()
	if got != want {
		f.t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// wantTime compares two instants.
func (f *fixture) wantTime(what string, got, want time.Time) {
	f.t.Helper()
	if !got.Equal(want) {
		f.t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// wantCredits compares a cost. If want is below 0, the cost must be unknown.
func (f *fixture) wantCredits(what string, got *float64, want float64) {
	f.t.Helper()
	switch {
	case want < 0 && got != nil:
		f.t.Fatalf("%s: cost %v, want none known", what, *got)
	case want >= 0 && got == nil:
		f.t.Fatalf("%s: cost not known, want %v", what, want)
	case want >= 0 && *got != want:
		f.t.Fatalf("%s: cost %v, want %v", what, *got, want)
	}
}

const unknown = -1.0

// rowsOf returns the row numbers of a page of jobs.
func rowsOf(page []jobs.Job) []int64 {
	numbers := []int64{}
	for _, j := range page {
		numbers = append(numbers, j.ID.Row)
	}
	return numbers
}

// wantRows asserts the rows of a page, in order.
func (f *fixture) wantRows(what string, page []jobs.Job, want ...int64) {
	f.t.Helper()
	if got := rowsOf(page); !slices.Equal(got, want) {
		f.t.Fatalf("%s: rows %v, want %v", what, got, want)
	}
}
