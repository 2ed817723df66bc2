package orchestrator

import (
	"context"
	"errors"
	"testing"
	"time"

	"shotline/client"
	"shotline/jobs"
)

// timedOut returns a rig whose n jobs have timed out, each with a screenshot that
// is still processing.
func timedOut(t *testing.T, n int) *rig {
	r := newRig(t, one)
	r.load(n)
	r.submitAll()
	r.clock.advance(3 * time.Minute)
	r.must(r.CheckDeadlines(r.ctx()))
	r.expect(map[jobs.State]int64{jobs.TimedOut: int64(n)})
	return r
}

var byDefault = []jobs.State{jobs.Failed, jobs.TimedOut}

// canceled returns a rig whose n jobs were canceled, each with a screenshot that
// is still processing.
func canceled(t *testing.T, n int) *rig {
	r := newRig(t, one)
	r.load(n)
	r.submitAll()
	r.clock.advance(time.Second)
	_, err := r.CancelBatch(r.ctx(), rigBatch)
	r.must(err)
	r.expect(map[jobs.State]int64{jobs.Canceled: int64(n)})
	return r
}

func (r *rig) retry(checker Checker, want jobs.RetryCounts, wantErr error) {
	r.t.Helper()
	got, err := RetryBatch(r.ctx(), r.store, checker, rigBatch, byDefault, r.clock)
	if got != want || !errors.Is(err, wantErr) {
		r.t.Fatalf("retried %+v, %v; want %+v, %v", got, err, want, wantErr)
	}
}

func TestRetryRefusesAnImport(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.must(r.store.CreateBatch(r.ctx(), jobs.BatchSpec{ID: rigBatch}, r.clock.Now()))
	_, err := RetryBatch(r.ctx(), r.store, nil, rigBatch, jobs.Retriable, r.clock)
	if !errors.Is(err, jobs.ErrState) {
		t.Errorf("retrying an import: got error %v, want ErrState", err)
	}
}

func TestRetryQueriesTheVendorFirst(t *testing.T) {
	t.Parallel()
	serverError := func(id string) error {
		return &client.APIError{Op: "get screenshot", Status: 500}
	}
	for name, test := range map[string]struct {
		vendor func(*fakeVendor)
		want   jobs.RetryCounts
		err    error
		states map[jobs.State]int64
	}{
		"done after all": {
			func(v *fakeVendor) { v.end(client.StatusFinished, "1001", "1003") },
			jobs.RetryCounts{Queued: 1, Done: 2}, nil,
			map[jobs.State]int64{jobs.Done: 2, jobs.Queued: 1},
		},
		"done, not listed": {
			func(v *fakeVendor) { v.unlisted = true; v.end(client.StatusFinished, "1002") },
			jobs.RetryCounts{Queued: 2, Done: 1}, nil,
			map[jobs.State]int64{jobs.Done: 1, jobs.Queued: 2},
		},
		"failed": {
			func(v *fakeVendor) { v.end(client.StatusError) },
			jobs.RetryCounts{Queued: 3}, nil,
			map[jobs.State]int64{jobs.Queued: 3},
		},
		"still processing": {func(*fakeVendor) {}, jobs.RetryCounts{Queued: 3}, nil, map[jobs.State]int64{jobs.Queued: 3}},
		"unknown":          {func(v *fakeVendor) { v.shots = nil }, jobs.RetryCounts{Queued: 3}, nil, map[jobs.State]int64{jobs.Queued: 3}},
		"unavailable": {
			func(v *fakeVendor) { v.down = &client.CallError{Op: "unavailable"} },
			jobs.RetryCounts{Unchecked: 3}, jobs.ErrUnchecked,
			map[jobs.State]int64{jobs.TimedOut: 3},
		},
		"server error for one": {
			func(v *fakeVendor) {
				v.unlisted = true
				v.onInfo = func(id string) error {
					if id == "1002" {
						return serverError(id)
					}
					return nil
				}
			},
			jobs.RetryCounts{Queued: 2, Unchecked: 1}, jobs.ErrUnchecked,
			map[jobs.State]int64{jobs.Queued: 2, jobs.TimedOut: 1},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := timedOut(t, 3)
			test.vendor(r.vendor)
			r.retry(r, test.want, test.err)
			r.expect(test.states)
			for row := int64(1); row <= 3; row++ {
				if j := r.job(row); j.State == jobs.Done && (!j.Late || j.ClosedBy != jobs.ByPoll || j.Attempt != 1) {
					t.Errorf("row %d: got late %v, by %s, attempt %d", row, j.Late, j.ClosedBy, j.Attempt)
				}
			}
		})
	}
}

// A retried job takes one more create, with the tag of the second attempt.
func TestRetryIsOnePaidCreate(t *testing.T) {
	t.Parallel()
	r := timedOut(t, 2)
	r.vendor.end(client.StatusError)
	r.queue.take()
	r.retry(r, jobs.RetryCounts{Queued: 2}, nil)
	r.retry(r, jobs.RetryCounts{}, nil)
	r.sweep()
	if tasks := r.queue.take(); len(tasks) != 1 {
		t.Errorf("enqueued %q, want the submission", tasks)
	}
	r.submitAll()
	if n := r.vendor.sent(); n != 4 {
		t.Fatalf("%d creates, want 4", n)
	}
	if tags := r.vendor.creates[2].Tags; tags[0] != jobs.SubmissionTag(jobs.ID{Batch: rigBatch, Row: 1}, 2) {
		t.Errorf("got tags %q of the second create", tags)
	}
	r.webhook("1003", jobs.OutcomeDone)
	r.webhook("1004", jobs.OutcomeFailed)
	r.expect(map[jobs.State]int64{jobs.Done: 1, jobs.Failed: 1})
	if b := r.batch(); b.State != jobs.BatchFinished || b.Counts.Cost == nil || *b.Counts.Cost != 4 {
		t.Errorf("the batch is %s and cost %v, want finished and 4", b.State, b.Counts.Cost)
	}
	// The first attempt of row 2 turns out to have an image.
	r.vendor.end(client.StatusFinished, "1002")
	r.webhook("1002", jobs.OutcomeDone)
	if j := r.job(2); j.State != jobs.Failed {
		t.Errorf("row 2 is %s, want failed", j.State)
	}
}

func TestRetryOfFailedJobsNeedsNoVendor(t *testing.T) {
	t.Parallel()
	r := newRig(t, one)
	r.load(3)
	r.submitAll()
	r.webhook("1001", jobs.OutcomeFailed)
	r.webhook("1002", jobs.OutcomeDone)
	r.clock.advance(3 * time.Minute)
	r.must(r.CheckDeadlines(r.ctx()))
	calls := r.vendor.calls
	r.retry(nil, jobs.RetryCounts{Queued: 1, Unchecked: 1}, jobs.ErrUnchecked)
	r.expect(map[jobs.State]int64{jobs.Queued: 1, jobs.Done: 1, jobs.TimedOut: 1})
	if r.vendor.calls != calls {
		t.Error("the vendor was called")
	}
}

func TestRetryQueriesTimedOutJobsInBulk(t *testing.T) {
	t.Parallel()
	r := timedOut(t, 150)
	before := r.vendor.calls
	r.retry(r, jobs.RetryCounts{Queued: 150}, nil)
	if n := r.vendor.calls - before; n > 3 {
		t.Errorf("%d calls for 150 jobs", n)
	}
}

func TestRetryFindsAnImageThatIsNotListed(t *testing.T) {
	t.Parallel()
	r := timedOut(t, 20)
	r.vendor.end(client.StatusFinished, "1007")
	r.vendor.lagging = "1007"
	r.retry(r, jobs.RetryCounts{Queued: 19, Done: 1}, nil)
}

func TestRetryOfOneJob(t *testing.T) {
	t.Parallel()
	r := timedOut(t, 2)
	r.vendor.end(client.StatusFinished, "1001")
	one, two := jobs.ID{Batch: rigBatch, Row: 1}, jobs.ID{Batch: rigBatch, Row: 2}
	for _, step := range []struct {
		id     jobs.ID
		states []jobs.State
		want   jobs.RetryCounts
	}{
		{one, []jobs.State{jobs.Failed}, jobs.RetryCounts{Skipped: 1}},
		{one, byDefault, jobs.RetryCounts{Done: 1}},
		{one, byDefault, jobs.RetryCounts{Skipped: 1}},
		{two, byDefault, jobs.RetryCounts{Queued: 1}},
	} {
		if got, err := RetryJob(r.ctx(), r.store, r, step.id, step.states, r.clock); err != nil || got != step.want {
			t.Errorf("retried %s: %+v, %v; want %+v", step.id, got, err, step.want)
		}
	}
	if _, err := RetryJob(r.ctx(), r.store, r, jobs.ID{Batch: rigBatch, Row: 9}, byDefault, r.clock); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("retrying an unknown job: got error %v, want ErrNotFound", err)
	}
}

// The screenshot was still processing at the query. Its webhook arrives before
// the retry.
func TestRetryAfterAWebhookDuringTheCheck(t *testing.T) {
	t.Parallel()
	r := timedOut(t, 1)
	r.vendor.onInfo = func(id string) error {
		_, err := r.store.AppendDelivery(r.ctx(), jobs.Delivery{ReceivedAt: r.clock.Now(), ScreenshotID: id, Outcome: jobs.OutcomeDone, Body: []byte("{}")})
		return err
	}
	r.vendor.unlisted = true
	r.retry(r, jobs.RetryCounts{Done: 1}, nil)
	if j := r.job(1); j.State != jobs.Done || !j.Late || j.ClosedBy != jobs.ByWebhook {
		t.Errorf("got job %s, late %v, by %s", j.State, j.Late, j.ClosedBy)
	}
}

// A canceled job might have a screenshot that is already paid.
func TestRetryQueriesCanceledJobsFirst(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		vendor  func(*fakeVendor)
		later   time.Duration
		want    jobs.RetryCounts
		err     error
		states  map[jobs.State]int64
		creates int // creates after all jobs are submitted
	}{
		"done after all": {
			func(v *fakeVendor) { v.end(client.StatusFinished) }, time.Hour,
			jobs.RetryCounts{Done: 3}, nil, map[jobs.State]int64{jobs.Done: 3}, 3,
		},
		"one failed": {
			func(v *fakeVendor) { v.end(client.StatusFinished, "1001", "1003"); v.end(client.StatusError, "1002") }, time.Hour,
			jobs.RetryCounts{Queued: 1, Done: 2}, nil, map[jobs.State]int64{jobs.Done: 2, jobs.Queued: 1}, 4,
		},
		"still processing": {
			func(*fakeVendor) {}, time.Second,
			jobs.RetryCounts{Waiting: 3}, nil, map[jobs.State]int64{jobs.Pending: 3}, 3,
		},
		"processing for too long": {
			func(*fakeVendor) {}, time.Hour,
			jobs.RetryCounts{Queued: 3}, nil, map[jobs.State]int64{jobs.Queued: 3}, 6,
		},
		"unknown": {
			func(v *fakeVendor) { v.shots = nil }, time.Second,
			jobs.RetryCounts{Queued: 3}, nil, map[jobs.State]int64{jobs.Queued: 3}, 6,
		},
		"unavailable": {
			func(v *fakeVendor) { v.down = &client.CallError{Op: "unavailable"} }, time.Second,
			jobs.RetryCounts{Unchecked: 3}, jobs.ErrUnchecked, map[jobs.State]int64{jobs.Canceled: 3}, 3,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := canceled(t, 3)
			test.vendor(r.vendor)
			r.clock.advance(test.later)
			got, err := RetryBatch(r.ctx(), r.store, r, rigBatch, []jobs.State{jobs.Canceled}, r.clock)
			if got != test.want || !errors.Is(err, test.err) {
				t.Fatalf("retried %+v, %v; want %+v, %v", got, err, test.want, test.err)
			}
			r.expect(test.states)
			r.submitAll()
			if n := r.vendor.sent(); n != test.creates {
				t.Errorf("%d creates, want %d", n, test.creates)
			}
		})
	}
}

func TestRetryOfUnsentCanceledJobsNeedsNoVendor(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(2)
	_, err := r.CancelBatch(r.ctx(), rigBatch)
	r.must(err)
	got, err := RetryBatch(r.ctx(), r.store, nil, rigBatch, []jobs.State{jobs.Canceled}, r.clock)
	if want := (jobs.RetryCounts{Queued: 2}); got != want || err != nil {
		t.Errorf("retried %+v, %v; want %+v", got, err, want)
	}
}

// failingObserve is a store that cannot record the vendor's answers.
type failingObserve struct{ Store }

func (failingObserve) Observe(context.Context, []jobs.Observation, jobs.Provenance, time.Time, time.Time) (jobs.Effects, error) {
	return jobs.Effects{}, jobs.ErrUnavailable
}

// The vendor reports the images as done, but the disk is full. The jobs must not
// be paid for again.
func TestRetryNeedsRecordedAnswers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		make     func(*testing.T, int) *rig
		n        int
		unlisted bool
	}{
		"timed out, single calls": {timedOut, 2, true},
		"timed out, listed":       {timedOut, 20, false},
		"canceled, single calls":  {canceled, 2, true},
		"canceled, listed":        {canceled, 20, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := test.make(t, test.n)
			r.vendor.unlisted = test.unlisted
			r.vendor.end(client.StatusFinished)
			store := r.store
			r.store = failingObserve{store}
			got, err := RetryBatch(r.ctx(), store, r, rigBatch, []jobs.State{jobs.TimedOut, jobs.Canceled}, r.clock)
			if want := (jobs.RetryCounts{Unchecked: test.n}); got != want || !errors.Is(err, jobs.ErrUnchecked) || !errors.Is(err, jobs.ErrUnavailable) {
				t.Errorf("retried %+v, %v; want %+v", got, err, want)
			}
			r.store = store
			got, err = RetryBatch(r.ctx(), store, r, rigBatch, []jobs.State{jobs.TimedOut, jobs.Canceled}, r.clock)
			if want := (jobs.RetryCounts{Done: test.n}); got != want || err != nil {
				t.Errorf("retried again %+v, %v; want %+v", got, err, want)
			}
		})
	}
}

// The webhook is recorded with its cost, but does not change the canceled job.
func TestRetryUsesAResultThatCameAfterTheCancel(t *testing.T) {
	t.Parallel()
	r := canceled(t, 1)
	r.vendor.end(client.StatusFinished)
	r.webhook("1001", jobs.OutcomeDone)
	r.expect(map[jobs.State]int64{jobs.Canceled: 1})
	got, err := r.RetryJob(r.ctx(), jobs.ID{Batch: rigBatch, Row: 1})
	if want := (jobs.RetryCounts{Done: 1}); got != want || err != nil {
		t.Errorf("retried %+v, %v; want %+v", got, err, want)
	}
	if j := r.job(1); j.State != jobs.Done || !j.Late || j.ClosedBy != jobs.ByWebhook {
		t.Errorf("got job %s, late %v, by %s", j.State, j.Late, j.ClosedBy)
	}
}

// The job is pending again, with the same deadline.
func TestRetriedCanceledJobKeepsItsDeadline(t *testing.T) {
	t.Parallel()
	r := canceled(t, 1)
	_, err := r.RetryJob(r.ctx(), jobs.ID{Batch: rigBatch, Row: 1})
	r.must(err)
	r.expect(map[jobs.State]int64{jobs.Pending: 1})
	r.clock.advance(3 * time.Minute)
	r.must(r.CheckDeadlines(r.ctx()))
	r.expect(map[jobs.State]int64{jobs.TimedOut: 1})
}

// A canceled job waits again for the screenshot of a create that was found after
// the cancel. It gets a deadline.
func TestRetryWaitsWithADeadline(t *testing.T) {
	t.Parallel()
	r := openDoubt(t)
	_, err := r.store.Cancel(r.ctx(), []jobs.ID{r.job(1).ID, r.job(2).ID}, r.clock.Now())
	r.must(err)
	r.vendor.lagging, r.vendor.unfound = "", false
	r.reconcile()
	counts, err := RetryBatch(r.ctx(), r.store, r.Orchestrator, rigBatch, []jobs.State{jobs.Canceled}, r.clock)
	r.must(err)
	if j := r.job(1); counts.Waiting != 2 || j.Deadline.IsZero() {
		t.Fatalf("retried %+v; the job is %s with deadline %v", counts, j.State, j.Deadline)
	}
	for range 3 {
		r.clock.advance(time.Minute)
		r.must(r.CheckDeadlines(r.ctx()))
	}
	r.expect(map[jobs.State]int64{jobs.TimedOut: 2})
}

// refusedAfterALostCreate returns a rig with a job that failed because its create
// was refused. An earlier create of the same attempt, 1001, was paid, but the
// vendor shows it only now.
func refusedAfterALostCreate(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, one)
	r.load(1)
	r.vendor.script(doubtWithEffect, refused(422, "X"), refused(422, "X"))
	r.vendor.lagging, r.vendor.unfound = "1001", true
	for range 4 {
		r.submitAll()
		r.clock.advance(r.cfg.Settle + time.Second)
		r.must(r.resolveDoubts(r.ctx()))
	}
	r.expect(map[jobs.State]int64{jobs.Failed: 1})
	r.must(r.SummarizeBatch(r.ctx(), rigBatch))
	r.vendor.lagging, r.vendor.unfound = "", false
	r.clock.advance(time.Hour)
	return r
}

func TestRetryUsesThePaidImageOfARefusedJob(t *testing.T) {
	t.Parallel()
	for name, early := range map[string]bool{"done at the look-up": true, "done at the retry": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := refusedAfterALostCreate(t)
			if early {
				r.vendor.end(client.StatusFinished)
			}
			r.reconcile()
			r.vendor.end(client.StatusFinished)
			sent := r.vendor.sent()
			_, err := RetryBatch(r.ctx(), r.store, r.Orchestrator, rigBatch, []jobs.State{jobs.Failed}, r.clock)
			r.must(err)
			r.submitAll()
			if n := r.vendor.sent() - sent; n > 0 {
				t.Errorf("%d more creates although screenshot 1001 is done", n)
			}
			r.expect(map[jobs.State]int64{jobs.Done: 1})
			if j := r.job(1); j.ScreenshotID != "1001" || !j.Late || j.Error != "" {
				t.Errorf("the job has screenshot %q, late %t, error %q", j.ScreenshotID, j.Late, j.Error)
			}
		})
	}
}
