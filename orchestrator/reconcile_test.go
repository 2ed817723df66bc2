package orchestrator

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"shotline/client"
	"shotline/jobs"
)

// addPending adds n pending jobs to b1 in two transactions, with screenshots from
// 1001 on.
func (r *rig) addPending(n int) {
	r.t.Helper()
	r.load(n)
	now := r.clock.Now()
	leases, err := r.store.Lease(r.ctx(), rigBatch, "gone", n, now, now.Add(longestLease))
	r.must(err)
	var answers []jobs.Observation
	for i, l := range leases {
		cost := 1.0
		shot := client.Screenshot{ID: fmt.Sprint(1001 + i), Status: client.StatusProcessing, URL: l.Job.URL, Cost: &cost,
			Tags: []string{jobs.SubmissionTag(l.Job.ID, l.Attempt), jobs.BatchTag(rigBatch)}}
		r.vendor.shots = append(r.vendor.shots, shot)
		answers = append(answers, observe(l.Job.ID, l.Attempt, shot))
	}
	_, err = r.store.Observe(r.ctx(), answers, jobs.ByCreate, now, now.Add(r.cfg.JobTimeout))
	r.must(err)
}

func (r *rig) reconcile() Reconciled {
	r.t.Helper()
	report, err := r.Reconcile(r.ctx(), ReconcileOptions{Older: time.Minute})
	r.must(err)
	return report
}

func TestReconcileAfterEveryWebhookWasLost(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		n     int
		later time.Duration
	}{
		"pending": {2 * pendingChunk, 50 * time.Second},
		"overdue": {2500, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, n := newRig(t), test.n
			r.addPending(n)
			r.vendor.end(client.StatusFinished)
			r.vendor.end(client.StatusError, "1001", "1002", "1003")
			r.clock.advance(test.later)
			report, err := r.Reconcile(r.ctx(), ReconcileOptions{Older: 10 * time.Second})
			r.must(err)
			r.expect(map[jobs.State]int64{jobs.Done: int64(n - 3), jobs.Failed: 3})
			if report.Closed[jobs.Done] != n-3 || report.Flawed != 3 || report.Summaries != 1 || !report.Did() {
				t.Errorf("got report %+v", report)
			}
			if r.vendor.calls > n/listPage+1 || report.Calls != r.vendor.calls {
				t.Errorf("%d calls, reported %d, for %d rows at %d a page", r.vendor.calls, report.Calls, n, listPage)
			}
			again := r.reconcile()
			if again.Did() || again.Calls > 0 {
				t.Errorf("second pass: got %+v", again)
			}
		})
	}
}

// Screenshots that are still processing are queried once. Their jobs get more
// time, or time out.
func TestReconcileWithASlowVendor(t *testing.T) {
	t.Parallel()
	const n = pendingChunk + 200
	for name, test := range map[string]struct {
		later time.Duration
		state jobs.State
	}{
		"not yet overdue": {30 * time.Second, jobs.Pending},
		"overdue":         {90 * time.Second, jobs.Pending},
		"after its grace": {2 * time.Minute, jobs.TimedOut},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.addPending(n)
			r.clock.advance(test.later)
			report, err := r.Reconcile(r.ctx(), ReconcileOptions{})
			r.must(err)
			r.expect(map[jobs.State]int64{test.state: n})
			if report.Calls != n/listPage+1 {
				t.Errorf("%d calls, want one listing of %d", report.Calls, n/listPage+1)
			}
			if j := r.job(7); test.state == jobs.Pending && !j.Deadline.After(r.clock.Now()) {
				t.Errorf("got deadline %s at %s, want a later one", j.Deadline, r.clock.Now())
			}
		})
	}
}

// A listing does not show a screenshot if the vendor's cache answered with one
// that has other tags, or if the vendor matches only the first tag.
func TestReconcileQueriesUnlistedScreenshotsSingly(t *testing.T) {
	t.Parallel()
	const n = pendingChunk + 5
	r := newRig(t)
	r.addPending(n)
	for i := range r.vendor.shots[:3] {
		r.vendor.shots[i].Tags = []string{"another"}
	}
	r.vendor.shots = append(r.vendor.shots[:3], r.vendor.shots[4:]...) // the fourth is unknown to the vendor
	r.vendor.end(client.StatusFinished)
	r.clock.advance(time.Minute)
	report := r.reconcile()
	r.expect(map[jobs.State]int64{jobs.Done: n - 1, jobs.TimedOut: 1})
	if report.Calls > n/listPage+2+4 {
		t.Errorf("%d calls", report.Calls)
	}
	if j := r.job(4); !strings.Contains(j.Error, "does not know") {
		t.Errorf("unknown job: got error %q", j.Error)
	}
}

func TestReconcileRepairsEverything(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.addPending(3)
	r.vendor.end(client.StatusFinished, "1001")
	r.loadAs("b2", 4)
	now := r.clock.Now()
	leases, err := r.store.Lease(r.ctx(), "b2", "gone", 3, now, now.Add(longestLease))
	r.must(err)
	for _, l := range leases[:2] {
		_, err := r.store.OpenIntent(r.ctx(), l, now, now.Add(longestLease))
		r.must(err)
	}
	adopted := client.Screenshot{ID: "2001", Status: client.StatusProcessing, URL: leases[0].Job.URL,
		Tags: []string{jobs.SubmissionTag(leases[0].Job.ID, 1), jobs.BatchTag("b2")}}
	r.vendor.shots = append(r.vendor.shots, adopted)
	r.must(r.store.CreateBatch(r.ctx(), jobs.BatchSpec{ID: "half"}, now))
	r.loadAs("empty", 0)
	_, err = r.store.AppendDelivery(r.ctx(), jobs.Delivery{ReceivedAt: now, Event: "screenshot.failed", ScreenshotID: "1002", Outcome: jobs.OutcomeFailed, Body: []byte("{}")})
	r.must(err)
	_, err = r.store.AppendDelivery(r.ctx(), jobs.Delivery{ReceivedAt: now, Event: "screenshot.failed", ScreenshotID: "foreign", Outcome: jobs.OutcomeFailed, Body: []byte("{}")})
	r.must(err)

	r.clock.advance(staleImport + time.Second)
	report := r.reconcile()
	got := fmt.Sprint(report.Deliveries, report.Requeued, report.Doubted, report.Adopted, report.Resent, report.Closed, report.Flawed,
		report.Summaries, report.Removed, report.Queued, report.InDoubt, report.Pending, report.Held)
	// The third job of b1 is past its grace. The second doubt is not settled yet.
	want := fmt.Sprint(2, 1, 2, 1, 0, map[jobs.State]int{jobs.Done: 1, jobs.Failed: 1, jobs.TimedOut: 1, jobs.Canceled: 0}, 2,
		2, []string{"half"}, 2, 1, 1, 1)
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	r.expect(map[jobs.State]int64{jobs.Done: 1, jobs.Failed: 1, jobs.TimedOut: 1})

	r.clock.advance(r.cfg.Settle + time.Second)
	if report = r.reconcile(); report.Resent != 1 || report.InDoubt != 0 || r.vendor.sent() != 0 {
		t.Errorf("after the settle time: got %+v and %d creates", report, r.vendor.sent())
	}
}

// There is more than one portion of doubts, and the look-ups take longer than the
// time to the next one.
func TestReconcileLooksUpAllDoubtsOnce(t *testing.T) {
	t.Parallel()
	const n = doubtChunk + 20
	r := newRig(t)
	r.load(n)
	now := r.clock.Now()
	leases, err := r.store.Lease(r.ctx(), rigBatch, "gone", n, now, now.Add(longestLease))
	r.must(err)
	r.openIntents(leases, now)
	r.must(r.store.Doubt(r.ctx(), leases, now))
	r.vendor.onList = func(context.Context) error { r.clock.advance(2 * doubtEvery); return nil }
	if report := r.reconcile(); report.InDoubt != n || report.Calls > 1+20 {
		t.Errorf("%d in doubt after %d calls, want %d after a listing and 20 single ones", report.InDoubt, report.Calls, n)
	}
}

func TestReconcileWithAFailingVendor(t *testing.T) {
	t.Parallel()
	unreached := &client.NotSentError{Err: &client.CallError{Op: "connection refused"}}
	for name, test := range map[string]struct {
		down  error
		error string
		count int // how often the error contains it
		calls int
	}{
		"unreachable":  {unreached, "connection refused", 1, 1},
		"key refused":  {&client.APIError{Op: "list screenshots", Status: 401, Code: "INVALID_API_KEY"}, "INVALID_API_KEY", 1, 1},
		"no key":       {ErrNoKey, "no API key", 1, 0},
		"server error": {&client.APIError{Op: "list screenshots", Status: 500}, "HTTP 500", 2, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.load(2)
			r.submitAll()
			r.loadAs("b2", 2)
			r.must(r.SubmitBatch(r.ctx(), "b2"))
			r.vendor.down = test.down
			r.clock.advance(50 * time.Second)
			report, err := r.Reconcile(r.ctx(), ReconcileOptions{})
			if err == nil || strings.Count(err.Error(), test.error) != test.count {
				t.Errorf("got error %v, want %d times %q", err, test.count, test.error)
			}
			if report.Calls != test.calls {
				t.Errorf("%d calls, want %d", report.Calls, test.calls)
			}
			r.expect(map[jobs.State]int64{jobs.Pending: 2})
		})
	}
}

func TestReconcileWithoutAKeyTimesNothingOut(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(2)
	r.submitAll()
	r.vendor.down = ErrNoKey
	r.clock.advance(time.Hour)
	if _, err := r.Reconcile(r.ctx(), ReconcileOptions{Older: time.Minute}); !errors.Is(err, ErrNoKey) {
		t.Errorf("got error %v", err)
	}
	r.expect(map[jobs.State]int64{jobs.Pending: 2})
	r.vendor.down = &client.NotSentError{Err: &client.CallError{Op: "connection refused"}}
	report, err := r.Reconcile(r.ctx(), ReconcileOptions{Older: time.Minute})
	if err == nil || report.Calls != 1 {
		t.Errorf("got %d calls to an unavailable vendor and error %v, want 1 and an error", report.Calls, err)
	}
	r.expect(map[jobs.State]int64{jobs.TimedOut: 2})
}

func TestReconcileWaitsForARateLimit(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		times int
		delay time.Duration
		isOK  bool
	}{
		"once":         {1, 7 * time.Second, true},
		"a few times":  {limitTries - 1, 0, true},
		"always":       {1000, 0, false},
		"for too long": {1000, time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.load(1)
			r.submitAll()
			r.vendor.end(client.StatusFinished)
			r.clock.advance(50 * time.Second)
			limited := 0
			r.vendor.onInfo = func(string) error {
				if limited++; limited > test.times {
					return nil
				}
				return &client.RateLimitError{Delay: test.delay, API: &client.APIError{Op: "get screenshot", Status: 429}}
			}
			began := r.clock.Now()
			_, err := r.Reconcile(r.ctx(), ReconcileOptions{})
			if (err == nil) != test.isOK {
				t.Errorf("got error %v", err)
			}
			if limited > limitTries {
				t.Errorf("got %d calls", limited)
			}
			if passed := r.clock.Now().Sub(began); test.isOK && passed < max(test.delay, time.Duration(test.times)*time.Second) {
				t.Errorf("got a pause of %s", passed)
			}
		})
	}
}

// The second pass runs while the first one queries the vendor.
func TestSecondReconcileSendsNoQueries(t *testing.T) {
	t.Parallel()
	const n = 250
	r := newRig(t)
	r.addPending(n)
	r.vendor.end(client.StatusFinished)
	r.clock.advance(time.Hour) // the jobs are overdue as well
	other := r.newWorker("worker2")
	var second Reconciled
	began := false
	r.vendor.onList = func(ctx context.Context) (err error) {
		if !began {
			began = true
			if second, err = other.Reconcile(ctx, ReconcileOptions{Older: time.Minute}); err != nil {
				t.Error(err)
			}
		}
		return nil
	}
	first := r.reconcile()
	if len(second.Busy) != 1 || second.Calls != 0 || second.Did() {
		t.Errorf("second pass: got %+v", second)
	}
	if first.Closed[jobs.Done] != n || first.Calls != 3 {
		t.Errorf("first pass: got %+v", first)
	}
	if third, err := other.Reconcile(r.ctx(), ReconcileOptions{}); err != nil || third.Did() || len(third.Busy) > 0 {
		t.Errorf("third pass: got %+v, %v", third, err)
	}
}

// Concurrent passes close every job once.
func TestConcurrentReconciles(t *testing.T) {
	t.Parallel()
	const n = 1500
	r := newRig(t)
	r.addPending(n)
	r.vendor.end(client.StatusFinished)
	r.clock.advance(time.Hour)
	reports := make([]Reconciled, 4)
	var group sync.WaitGroup
	for i := range reports {
		o := r.newWorker(fmt.Sprint("worker", i))
		group.Go(func() {
			var err error
			if reports[i], err = o.Reconcile(r.ctx(), ReconcileOptions{Older: time.Minute}); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	ended, summaries := 0, 0
	for _, report := range reports {
		ended += report.Ended()
		summaries += report.Summaries
	}
	r.expect(map[jobs.State]int64{jobs.Done: n})
	if ended != n || summaries > 1 {
		t.Errorf("got %d ended jobs and %d summaries, want %d and at most one", ended, summaries, n)
	}
	if calls := r.vendor.calls; calls > n/listPage+1 {
		t.Errorf("%d calls, want those of one listing", calls)
	}
}

// A crashed pass delays the next one until its claim ends.
func TestReconcileAfterACrashedPass(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(1)
	r.submitAll()
	r.vendor.end(client.StatusFinished)
	r.clock.advance(time.Minute)
	if _, err := r.newWorker("gone").claim(r.ctx(), queryClaim+rigBatch, queryClaimTime); err != nil {
		t.Fatal(err)
	}
	if report := r.reconcile(); report.Ended() != 0 || len(report.Busy) != 1 {
		t.Errorf("got report %+v", report)
	}
	r.clock.advance(queryClaimTime)
	if report := r.reconcile(); report.Ended() != 1 {
		t.Errorf("after the end of the claim: got %+v", report)
	}
}

func TestReconcileOfNamedBatches(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(1)
	r.submitAll()
	r.loadAs("b2", 1)
	r.must(r.SubmitBatch(r.ctx(), "b2"))
	r.vendor.end(client.StatusFinished)
	r.clock.advance(30 * time.Second)
	report, err := r.Reconcile(r.ctx(), ReconcileOptions{Batches: []string{"b2"}})
	r.must(err)
	if report.Ended() != 1 || report.Summaries != 1 || report.Pending != 1 {
		t.Errorf("got report %+v", report)
	}
	if _, err := r.Reconcile(r.ctx(), ReconcileOptions{Batches: []string{"nosuch"}}); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("unknown batch: got error %v", err)
	}
}
