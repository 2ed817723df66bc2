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

// Spans that the tests use throughout; their sizes carry no meaning.
const (
	leaseTime  = 30 * time.Second
	jobTimeout = 10 * time.Minute
)

// book is a store under test with a clock that only the test moves. Its
// lower-case methods fail the test on an error and ask the invariants after
// each change; the store's own methods are there for everything else.
type book struct {
	jobs.Store
	t       *testing.T
	harness Harness
	now     time.Time
	quiet   bool // the test audits by itself, at the end of longer steps
}

func newBook(t *testing.T, h Harness) *book {
	b := &book{t: t, harness: h, now: time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)}
	b.Store = b.second()
	return b
}

// second opens the same storage once more, as another process would.
func (b *book) second() jobs.Store {
	b.t.Helper()
	s := b.harness.Open(b.t)
	b.t.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.t.Errorf("close: %v", err)
		}
	})
	return s
}

func (b *book) ctx() context.Context { return b.t.Context() }

// later moves the clock.
func (b *book) later(d time.Duration) { b.now = b.now.Add(d) }

func (b *book) must(err error, doing string, args ...any) {
	b.t.Helper()
	if err != nil {
		b.t.Fatalf("%s: %v", fmt.Sprintf(doing, args...), err)
	}
}

// wantErr asserts a documented error and that nothing fell out of step.
func (b *book) wantErr(err, want error, doing string) {
	b.t.Helper()
	if !errors.Is(err, want) {
		b.t.Fatalf("%s: error %v, want one that is %q", doing, err, want)
	}
	b.check()
}

// pages are n different requests as a file with a header would give them.
func pages(n int) []jobs.Request {
	requests := make([]jobs.Request, n)
	for i := range requests {
		requests[i] = page(fmt.Sprintf("https://example.com/%d", i+1))
		requests[i].Line = i + 2
	}
	return requests
}

func page(url string) jobs.Request { return jobs.Request{Line: 1, URL: url} }

func rejected(line int, reason string) jobs.Request {
	return jobs.Request{Line: line, URL: "no url", Reject: reason}
}

// shot is the screenshot that the vendor makes for a job's first attempt.
func shot(id jobs.ID) string { return shotOf(id, 1) }

// shotOf is that for any attempt.
func shotOf(id jobs.ID, attempt int) string {
	if attempt <= 1 {
		return "s" + id.String()
	}
	return fmt.Sprintf("s%s-%d", id, attempt)
}

func row(batch string, n int64) jobs.ID { return jobs.ID{Batch: batch, Row: n} }

func credits(c float64) *float64 { return &c }

// importing creates a batch with rows and leaves it importing.
func (b *book) importing(batch string, requests ...jobs.Request) {
	b.t.Helper()
	b.must(b.CreateBatch(b.ctx(), jobs.BatchSpec{ID: batch}, b.now), "create batch %s", batch)
	b.check()
	if len(requests) > 0 {
		b.must(b.AppendRequests(b.ctx(), batch, requests, b.now), "append to %s", batch)
		b.check()
	}
}

// open creates a batch with rows and opens it.
func (b *book) open(batch string, requests ...jobs.Request) jobs.Batch {
	b.t.Helper()
	b.importing(batch, requests...)
	opened, err := b.OpenBatch(b.ctx(), batch, b.now)
	b.must(err, "open batch %s", batch)
	b.check()
	return opened
}

// lease leases exactly n jobs for owner w1.
func (b *book) lease(batch string, n int) []jobs.Lease {
	b.t.Helper()
	leases, err := b.Lease(b.ctx(), batch, "w1", n, b.now, b.now.Add(leaseTime))
	b.must(err, "lease from %s", batch)
	if len(leases) != n {
		b.t.Fatalf("leased %d jobs of %s, want %d", len(leases), batch, n)
	}
	b.check()
	return leases
}

// intend commits the intent of a lease.
func (b *book) intend(lease jobs.Lease) jobs.Lease {
	b.t.Helper()
	lease, err := b.OpenIntent(b.ctx(), lease, b.now, b.now.Add(leaseTime))
	b.must(err, "open intent of %s", lease.Job.ID)
	b.check()
	return lease
}

// sent leases n jobs and commits their intents.
func (b *book) sent(batch string, n int) []jobs.Lease {
	b.t.Helper()
	leases := b.lease(batch, n)
	for i, l := range leases {
		leases[i] = b.intend(l)
	}
	return leases
}

// requeue hands leases back.
func (b *book) requeue(leases ...jobs.Lease) jobs.Effects {
	b.t.Helper()
	effects, err := b.Requeue(b.ctx(), leases, b.now)
	b.must(err, "requeue %d leases", len(leases))
	b.check()
	return effects
}

// pending brings n jobs of an open batch to pending, each with its shot.
func (b *book) pending(batch string, n int) []jobs.ID {
	b.t.Helper()
	var ids []jobs.ID
	var answers []jobs.Observation
	for _, l := range b.sent(batch, n) {
		ids = append(ids, l.Job.ID)
		answers = append(answers, seen(l.Job.ID, jobs.OutcomeProcessing))
	}
	if e := b.observe(jobs.ByCreate, answers...); e.Adopted != n || len(e.Closed) != 0 {
		b.t.Fatalf("observed %d fresh creates, effects %+v", n, e)
	}
	return ids
}

// doubted brings n jobs of an open batch into doubt.
func (b *book) doubted(batch string, n int) []jobs.Lease {
	b.t.Helper()
	leases := b.sent(batch, n)
	b.must(b.Doubt(b.ctx(), leases, b.now), "doubt")
	b.check()
	return leases
}

// seen is what the vendor says of the shot of a job's first attempt.
func seen(id jobs.ID, outcome jobs.Outcome) jobs.Observation { return seenIn(id, 1, outcome) }

// seenIn is what the vendor says of the shot of any attempt.
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
func (b *book) observe(by jobs.Provenance, observations ...jobs.Observation) jobs.Effects {
	b.t.Helper()
	effects, err := b.Observe(b.ctx(), observations, by, b.now, b.now.Add(jobTimeout))
	b.must(err, "observe %+v", observations)
	b.check()
	return effects
}

// told is a delivery of a screenshot's end.
func (b *book) told(screenshot string, outcome jobs.Outcome) jobs.Delivery {
	d := jobs.Delivery{ReceivedAt: b.now, Event: "screenshot." + string(outcome), ScreenshotID: screenshot, Outcome: outcome, Body: []byte(`{}`)}
	switch outcome {
	case jobs.OutcomeDone:
		d.ImageURL = imageURL
	case jobs.OutcomeFailed:
		d.Error = vendorError
	}
	return d
}

// deliver keeps a delivery of a screenshot's end, received now.
func (b *book) deliver(screenshot string, outcome jobs.Outcome) int64 {
	b.t.Helper()
	seq, err := b.AppendDelivery(b.ctx(), b.told(screenshot, outcome))
	b.must(err, "append delivery of %s", screenshot)
	b.check()
	return seq
}

// apply applies the whole inbox in one step.
func (b *book) apply() jobs.Applied {
	b.t.Helper()
	applied, err := b.ApplyInbox(b.ctx(), b.now, 1000)
	b.must(err, "apply inbox")
	if applied.Aside != 0 {
		b.t.Fatalf("apply inbox put %d deliveries aside", applied.Aside)
	}
	b.check()
	return applied
}

// webhook delivers and applies the end of a job's shot.
func (b *book) webhook(id jobs.ID, outcome jobs.Outcome) jobs.Effects {
	b.t.Helper()
	b.deliver(shot(id), outcome)
	return b.apply().Effects
}

// shut closes jobs without a word from the vendor.
func (b *book) shut(closings ...jobs.Closing) jobs.Effects {
	b.t.Helper()
	effects, err := b.CloseJobs(b.ctx(), closings, b.now)
	b.must(err, "close %+v", closings)
	b.check()
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

func (b *book) job(id jobs.ID) jobs.Job {
	b.t.Helper()
	j, err := b.Job(b.ctx(), id)
	b.must(err, "job %s", id)
	return j
}

func (b *book) batch(id string) jobs.Batch {
	b.t.Helper()
	batch, err := b.Batch(b.ctx(), id)
	b.must(err, "batch %s", id)
	return batch
}

// wantState asserts the state of one job and returns the job.
func (b *book) wantState(id jobs.ID, want jobs.State) jobs.Job {
	b.t.Helper()
	j := b.job(id)
	if j.State != want {
		b.t.Fatalf("job %s is %s, want %s", id, j.State, want)
	}
	return j
}

// wantClosed asserts what a step closed, in order.
func (b *book) wantClosed(e jobs.Effects, want ...jobs.Closed) {
	b.t.Helper()
	if !slices.Equal(e.Closed, want) {
		b.t.Fatalf("closed %+v, want %+v", e.Closed, want)
	}
}

// wantSame compares two values with == and names them.
func wantSame[T comparable](b *book, what string, got, want T) {
	b.t.Helper()
	if got != want {
		b.t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// wantTime compares two instants.
func (b *book) wantTime(what string, got, want time.Time) {
	b.t.Helper()
	if !got.Equal(want) {
		b.t.Fatalf("%s: got %v, want %v", what, got, want)
	}
}

// wantCredits compares what a vendor told of cost; want below 0 is unknown.
func (b *book) wantCredits(what string, got *float64, want float64) {
	b.t.Helper()
	switch {
	case want < 0 && got != nil:
		b.t.Fatalf("%s: cost %v, want none known", what, *got)
	case want >= 0 && got == nil:
		b.t.Fatalf("%s: cost not known, want %v", what, want)
	case want >= 0 && *got != want:
		b.t.Fatalf("%s: cost %v, want %v", what, *got, want)
	}
}

const unknown = -1.0

// rowsOf numbers a page of jobs by row.
func rowsOf(page []jobs.Job) []int64 {
	numbers := []int64{}
	for _, j := range page {
		numbers = append(numbers, j.ID.Row)
	}
	return numbers
}

// wantRows asserts which rows a page has, in order.
func (b *book) wantRows(what string, page []jobs.Job, want ...int64) {
	b.t.Helper()
	if got := rowsOf(page); !slices.Equal(got, want) {
		b.t.Fatalf("%s: rows %v, want %v", what, got, want)
	}
}
