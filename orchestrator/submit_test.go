package orchestrator

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/client"
	"shotline/jobs"
	"shotline/orchestrator/feed"
	"shotline/orchestrator/throttle"
)

func TestBatchFromRowsToSummary(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(3)
	r.sweep()
	if got, want := r.queue.take(), []string{"submit b1 1"}; !slices.Equal(got, want) {
		t.Fatalf("enqueued %q, want %q", got, want)
	}
	r.submitAll()
	r.expect(map[jobs.State]int64{jobs.Pending: 3})
	for _, shot := range r.vendor.shots[:2] {
		r.webhook(shot.ID, jobs.OutcomeDone)
	}
	r.webhook(r.vendor.shots[2].ID, jobs.OutcomeFailed)
	r.expect(map[jobs.State]int64{jobs.Done: 2, jobs.Failed: 1})

	r.vendor.end(client.StatusError, r.vendor.shots[2].ID)
	r.must(r.SummarizeBatch(r.ctx(), rigBatch))
	b := r.batch()
	if b.State != jobs.BatchFinished || b.Summarized != b.Revision || b.Revision != 1 {
		t.Errorf("batch is %s at revision %d, summarized %d", b.State, b.Revision, b.Summarized)
	}
	if b.Counts.Cost == nil || *b.Counts.Cost != 3 {
		t.Errorf("cost %v, want 3", b.Counts.Cost)
	}
	failed, err := r.store.Jobs(r.ctx(), jobs.JobFilter{Batch: rigBatch, States: []jobs.State{jobs.Failed}})
	r.must(err)
	if len(failed) != 1 || failed[0].Error != "the page did not respond" {
		t.Errorf("failed jobs %+v, want one with the vendor's reason", failed)
	}
}

func TestCreateNamesAppsTagsAndParams(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	rows := requests{{Line: 1, URL: "https://a.test/", Params: jobs.Params{"width": 300.0}, Tags: []string{"row"}}}
	_, err := Import(r.ctx(), r.store, jobs.BatchSpec{
		ID: rigBatch, Tags: []string{"first"}, Params: jobs.Params{"width": 100.0, "dark": true},
	}, &rows, r.clock, ImportOptions{})
	r.must(err)
	r.submitAll()
	got := r.vendor.creates[0]
	if want := []string{"first", "row", "shotline-b1-1-1", "shotline-b1"}; !slices.Equal(got.Tags, want) {
		t.Errorf("tags %q, want %q", got.Tags, want)
	}
	if len(got.Apps) != 1 || got.Apps[0].ID != "7" {
		t.Errorf("apps %v, want the process's app 7", got.Apps)
	}
	if got.Params["width"] != 300.0 || got.Params["dark"] != true {
		t.Errorf("params %v, want the row's width and the batch's dark", got.Params)
	}
}

func TestRateLimitedJobsWait(t *testing.T) {
	t.Parallel()
	r := newRig(t, one)
	r.load(3)
	r.vendor.script(rateLimited(7 * time.Second))
	r.submitAll()
	r.expect(map[jobs.State]int64{jobs.Queued: 3})
	if got := r.vendor.sent(); got != 1 {
		t.Errorf("%d creates were sent into a rate limit, want 1", got)
	}
	r.submitAll()
	if got := r.vendor.sent(); got != 1 {
		t.Errorf("%d creates after a submission within the pause, want 1", got)
	}
	r.clock.advance(7 * time.Second)
	r.submitAll()
	r.expect(map[jobs.State]int64{jobs.Pending: 3})
	if j := r.job(1); j.Attempt != 1 {
		t.Errorf("attempt %d, want 1: a rate limit is no attempt", j.Attempt)
	}
}

func TestShortPauseWithinTheSlice(t *testing.T) {
	t.Parallel()
	r := newRig(t, one)
	r.load(3)
	r.vendor.script(rateLimited(2*time.Second), rateLimited(2*time.Second))
	r.submitAll()
	r.expect(map[jobs.State]int64{jobs.Pending: 3})
	if got := r.vendor.sent(); got != 5 {
		t.Errorf("%d creates were sent, want 5", got)
	}
}

func TestShortPauseBeyondTheSlice(t *testing.T) {
	t.Parallel()
	r := newRig(t, one)
	r.load(3)
	r.vendor.script(rateLimited(sliceTime-time.Second), rateLimited(2*time.Second))
	r.submitAll()
	if got := r.vendor.sent(); got != 2 {
		t.Errorf("%d creates were sent, want 2 within the slice", got)
	}
	if _, paused := r.throttle.Paused(); paused {
		t.Error("slice ended during the pause")
	}
	if got := r.queue.take(); len(got) == 0 || !r.queue.at.IsZero() {
		t.Errorf("enqueued %q, the submission for %s; want it at once", got, r.queue.at)
	}
}

func TestRefusalOfAllPausesTheBatch(t *testing.T) {
	t.Parallel()
	for status, code := range map[int]string{401: "INVALID_API_KEY", 402: "", 422: "INSUFFICIENT_CREDITS"} {
		r := newRig(t, one)
		r.load(5)
		r.vendor.script(refused(status, code))
		r.submitAll()
		r.expect(map[jobs.State]int64{jobs.Queued: 5})
		b := r.batch()
		if b.State != jobs.BatchPaused || !strings.Contains(b.PauseReason, fmt.Sprint(status)) {
			t.Errorf("batch is %s because of %q, want paused with status %d", b.State, b.PauseReason, status)
		}
		if got := r.vendor.sent(); got != 1 {
			t.Errorf("%d creates were sent, want 1", got)
		}
		if _, err := r.feed.WatchBatch(r.ctx(), rigBatch, nil); !errors.Is(err, feed.ErrPaused) {
			t.Errorf("WatchBatch returned %v, want ErrPaused", err)
		}
		r.must(r.full.Resume(r.ctx(), rigBatch, r.clock.Now()))
		r.submitAll()
		r.expect(map[jobs.State]int64{jobs.Pending: 5})
	}
}

func TestRefusedCreateFailsItsJobAlone(t *testing.T) {
	t.Parallel()
	r := newRig(t, one)
	r.load(3)
	r.vendor.script(refused(422, "VALIDATION_ERROR"))
	r.submitAll()
	r.expect(map[jobs.State]int64{jobs.Failed: 1, jobs.Pending: 2})
	if j := r.job(1); j.ClosedBy != jobs.BySubmit || !strings.Contains(j.Error, "VALIDATION_ERROR") {
		t.Errorf("job closed by %q with %q", j.ClosedBy, j.Error)
	}
}

// The vendor gives each request an id. The reason of a job must not contain it,
// so that equal reasons form one group in the summary.
func TestReasonsOmitRequestIDs(t *testing.T) {
	t.Parallel()
	r := newRig(t, one)
	r.load(2)
	for _, id := range []string{"req_1", "req_2"} {
		r.vendor.script(func(client.Screenshot) error {
			return errors.Join(errNoEffect, &client.APIError{Op: "create screenshot", Status: 422, Code: "INVALID_PARAMS", Message: "no", RequestID: id})
		})
	}
	r.submitAll()
	reasons, err := r.store.Reasons(r.ctx(), rigBatch, 10)
	r.must(err)
	if len(reasons) != 1 || reasons[0].Count != 2 || !strings.Contains(reasons[0].Error, "INVALID_PARAMS: no") {
		t.Errorf("reasons %+v, want one of both jobs", reasons)
	}
}

// The vendor's support needs the request id of a refusal, also from a long batch.
func TestEveryRefusalIsLoggedWithItsRequestID(t *testing.T) {
	t.Parallel()
	r := newRig(t, one)
	var logged bytes.Buffer
	r.log = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	const n = refusalsLogged + 2
	r.load(n)
	for i := range n {
		r.vendor.script(func(client.Screenshot) error {
			return errors.Join(errNoEffect, &client.APIError{Op: "create screenshot", Status: 422, RequestID: fmt.Sprintf("req_%d_", i)})
		})
	}
	r.submitAll()
	for i := range n {
		if !strings.Contains(logged.String(), fmt.Sprintf("(request req_%d_)", i)) {
			t.Errorf("refusal %d is not in the log:\n%s", i, &logged)
		}
	}
	if got := strings.Count(logged.String(), "level=WARN msg=\"create refused\""); got != refusalsLogged {
		t.Errorf("%d warnings, want %d", got, refusalsLogged)
	}
}

func TestUnreachableVendor(t *testing.T) {
	t.Parallel()
	r := newRig(t, one)
	r.load(1)
	r.vendor.script(notSent, notSent, notSent, notSent) // the pause becomes longer than a slice
	r.submitAll()
	r.expect(map[jobs.State]int64{jobs.Queued: 1})
	for range 4 {
		r.clock.advance(30 * time.Second) // the longest pause
		r.submitAll()
	}
	r.expect(map[jobs.State]int64{jobs.Pending: 1})
	if got := len(r.vendor.shots); got != 1 {
		t.Errorf("%d screenshots, want 1", got)
	}
}

func TestFinishedCreateClosesAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.vendor.status = client.StatusFinished
	r.load(2)
	r.submitAll()
	r.expect(map[jobs.State]int64{jobs.Done: 2})
	if by := r.batch().Counts.ByProvenance[jobs.ByCreate]; by != 2 {
		t.Errorf("%d closed by create, want 2", by)
	}
}

func TestWebhookBeforeTheCreateAnswer(t *testing.T) {
	t.Parallel()
	for name, clock := range map[string]time.Duration{"at once": 0, "the clock was set back": -time.Minute} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, one)
			r.load(1)
			r.vendor.onCreate = func(shot client.Screenshot) {
				r.clock.advance(clock)
				r.webhook(shot.ID, jobs.OutcomeDone)
			}
			r.submitAll()
			r.expect(map[jobs.State]int64{jobs.Done: 1})
			if j := r.job(1); j.ClosedBy != jobs.ByWebhook {
				t.Errorf("closed by %q, want webhook", j.ClosedBy)
			}
		})
	}
}

// The vendor's cache answers the second create with the screenshot of the first,
// whose only webhook has already arrived.
func TestCachedScreenshotAfterItsWebhook(t *testing.T) {
	t.Parallel()
	r := newRig(t, one)
	r.load(2)
	r.vendor.cached = true
	r.vendor.onCreate = func(shot client.Screenshot) {
		if r.vendor.sent() == 2 {
			r.webhook(shot.ID, jobs.OutcomeDone)
		}
	}
	r.submitAll()
	r.expect(map[jobs.State]int64{jobs.Done: 2})
}

func TestPauseStopsSubmission(t *testing.T) {
	t.Parallel()
	r := newRig(t, one)
	r.load(4)
	r.vendor.onCreate = func(client.Screenshot) {
		if r.vendor.sent() == 1 {
			r.must(r.store.Pause(r.ctx(), rigBatch, "", r.clock.Now()))
		}
	}
	r.submitAll()
	if got := r.vendor.sent(); got != 1 {
		t.Errorf("%d creates, want 1: the batch was paused during the first", got)
	}
	r.expect(map[jobs.State]int64{jobs.Pending: 1, jobs.Queued: 3})
}

func TestRestOfATimeSliceIsEnqueuedAtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, one)
	r.load(10)
	r.vendor.onCreate = func(client.Screenshot) { r.clock.advance(sliceTime) }
	r.submitAll()
	if got := r.vendor.sent(); got == 10 {
		t.Fatal("the time slice did not end")
	}
	if got := r.queue.take(); !slices.ContainsFunc(got, func(id string) bool { return strings.HasPrefix(id, "submit") }) || !r.queue.at.IsZero() {
		t.Errorf("enqueued %q, the submission for %s; want it at once", got, r.queue.at)
	}
}

// A lease that ends before its create can be sent wastes the rate.
func TestLeaseSize(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rate float64
		want int
	}{
		"no rate":        {0, 2 * throttle.DefaultMax},
		"a high rate":    {1000, 2 * throttle.DefaultMax},
		"one a second":   {1, 15},
		"one in an hour": {1.0 / 3600, 1},
	} {
		r := newRig(t, func(c *Config) { c.Rate, c.Concurrency = test.rate, throttle.DefaultMax })
		if got := r.leaseSize(); got != test.want {
			t.Errorf("%s: leases of %d jobs, want %d", name, got, test.want)
		}
	}
}

func TestRepeatedWebhooksChangeNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(20)
	r.submitAll()
	send := func() {
		for _, shot := range r.vendor.shots {
			r.webhook(shot.ID, jobs.OutcomeDone)
		}
	}
	send()
	r.must(r.SummarizeBatch(r.ctx(), rigBatch))
	before := r.batch()
	events, _, err := r.store.Events(r.ctx(), jobs.EventFilter{Limit: 1000})
	r.must(err)
	send()
	send()
	after := r.batch()
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the batch changed: %s", diff)
	}
	again, _, err := r.store.Events(r.ctx(), jobs.EventFilter{Limit: 1000})
	r.must(err)
	if len(again) != len(events) || len(events) != 21 {
		t.Errorf("%d events, then %d, want 20 jobs and 1 batch, once", len(events), len(again))
	}
}

func TestDrainHandsBackLeases(t *testing.T) {
	t.Parallel()
	r := newRig(t, one)
	r.load(10)
	r.vendor.onCreate = func(client.Screenshot) { r.Drain() }
	r.submitAll()
	r.expect(map[jobs.State]int64{jobs.Pending: 1, jobs.Queued: 9})
	r.vendor.onCreate = nil
	r.queue.take()
	next := r.newWorker("worker2")
	r.must(next.WatchOnce(r.ctx()))
	if got := r.queue.take(); len(got) != 1 || !strings.HasPrefix(got[0], "submit b1") {
		t.Errorf("after the stop: enqueued %q, want the batch's submission", got)
	}
	r.must(next.SubmitBatch(r.ctx(), rigBatch))
	r.expect(map[jobs.State]int64{jobs.Pending: 10})
	if got := r.vendor.sent(); got != 10 {
		t.Errorf("%d creates, want 10", got)
	}
}
