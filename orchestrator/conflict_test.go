package orchestrator

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"shotline/client"
	"shotline/jobs"
	"shotline/jobs/summary"
)

// contradicted returns a rig with n jobs, each with two contradictory results,
// and its log.
func contradicted(t *testing.T, n int, first, second jobs.Outcome) (*rig, *bytes.Buffer) {
	t.Helper()
	r := newRig(t)
	var logged bytes.Buffer
	r.log = slog.New(slog.NewTextHandler(&logged, nil))
	r.load(n)
	r.submitAll()
	r.webhooks(first)
	r.webhooks(second)
	return r, &logged
}

func TestContradictedJobEndsAsTheVendorReports(t *testing.T) {
	t.Parallel()
	done, failed := jobs.OutcomeDone, jobs.OutcomeFailed
	for name, test := range map[string]struct {
		first, second jobs.Outcome
		vendor        func(*fakeVendor)
		want          jobs.State
		says          jobs.Outcome
		logged        string
	}{
		"failed, and it is done":        {failed, done, func(v *fakeVendor) { v.end(client.StatusFinished) }, jobs.Done, done, "job corrected"},
		"done, and it failed":           {done, failed, func(v *fakeVendor) { v.end(client.StatusError) }, jobs.Failed, failed, "job corrected"},
		"failed, and it did":            {failed, done, func(v *fakeVendor) { v.end(client.StatusError) }, jobs.Failed, failed, ""},
		"done, and it is":               {done, failed, func(v *fakeVendor) { v.end(client.StatusFinished) }, jobs.Done, done, ""},
		"done, in a listing without it": {failed, done, func(v *fakeVendor) { v.unlisted = true; v.end(client.StatusFinished) }, jobs.Done, done, "job corrected"},
		"failed, and it is unknown":     {failed, done, func(v *fakeVendor) { v.shots = nil }, jobs.Failed, jobs.OutcomeUnknown, "the vendor has no result"},
		"done, and it is unknown":       {done, failed, func(v *fakeVendor) { v.shots = nil }, jobs.Done, jobs.OutcomeUnknown, "the vendor has no result"},
		"failed, and it has a cost":     {failed, done, func(v *fakeVendor) { v.end(client.StatusFinished) }, jobs.Done, done, "job corrected"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, logged := contradicted(t, 2, test.first, test.second)
			test.vendor(r.vendor)
			r.sweep()
			calls := r.vendor.calls
			for range 3 {
				r.clock.advance(10 * time.Minute)
				r.sweep()
			}
			if r.vendor.calls != calls {
				t.Errorf("got %d more calls", r.vendor.calls-calls)
			}
			r.expect(map[jobs.State]int64{test.want: 2})
			j := r.job(1)
			if j.FirstResult != test.first || j.VendorSays != test.says || j.Conflicts != 1 || j.Corrected != (string(test.want) != string(test.first)) {
				t.Errorf("got first result %q, vendor's result %q, %d conflicts, corrected %t", j.FirstResult, j.VendorSays, j.Conflicts, j.Corrected)
			}
			want := 2
			if test.logged == "" {
				test.logged, want = "job corrected", 0
			}
			if n := strings.Count(logged.String(), test.logged); n != want {
				t.Errorf("got %q %d times in the log, want %d:\n%s", test.logged, n, want, logged)
			}
		})
	}
}

// If the vendor cannot be queried, or is still processing, the conflict is
// checked again, less and less often, until there is a result.
func TestConflictWaitsForTheVendor(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		down  func(*fakeVendor)
		fails bool // whether the sweep returns an error
	}{
		"unavailable":      {func(v *fakeVendor) { v.down = &client.CallError{Op: "unavailable"} }, true},
		"server error":     {func(v *fakeVendor) { v.down = &client.APIError{Op: "get screenshot", Status: 500} }, false},
		"still processing": {func(v *fakeVendor) { v.end(client.StatusProcessing) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _ := contradicted(t, 1, jobs.OutcomeFailed, jobs.OutcomeDone)
			test.down(r.vendor)
			queries := 0
			for range 45 { // 90 seconds, less than a job may be pending
				before := r.vendor.calls
				if err := r.SweepOnce(r.ctx()); r.vendor.calls > before && (err != nil) != test.fails {
					t.Errorf("SweepOnce returned %v", err)
				}
				queries += r.vendor.calls - before
				r.clock.advance(2 * time.Second)
			}
			if queries < 4 || queries > 6 {
				t.Errorf("got %d calls in 90 seconds", queries)
			}
			r.expect(map[jobs.State]int64{jobs.Failed: 1})
			r.vendor.down = nil
			r.vendor.end(client.StatusFinished)
			r.clock.advance(conflictMost)
			r.sweep()
			r.expect(map[jobs.State]int64{jobs.Done: 1})
		})
	}
}

// If the vendor never stops processing, the conflict has no result.
func TestConflictEndsWithoutAResult(t *testing.T) {
	t.Parallel()
	r, logged := contradicted(t, 1, jobs.OutcomeFailed, jobs.OutcomeDone)
	r.vendor.down = &client.CallError{Op: "unavailable"}
	for range 10 {
		_ = r.SweepOnce(r.ctx())
		r.clock.advance(time.Minute)
	}
	r.vendor.down = nil
	r.vendor.end(client.StatusProcessing)
	r.clock.advance(conflictMost)
	r.sweep()
	if strings.Contains(logged.String(), "the vendor has no result") {
		t.Error("conflict was given up at the first answer after an outage")
	}
	r.clock.advance(conflictMost)
	r.sweep()
	calls := r.vendor.calls
	for range 10 {
		r.clock.advance(time.Hour)
		r.sweep()
	}
	if r.vendor.calls != calls || !strings.Contains(logged.String(), "the vendor has no result") {
		t.Errorf("got %d more calls; log:\n%s", r.vendor.calls-calls, logged)
	}
	if j := r.job(1); j.State != jobs.Failed || j.VendorSays != jobs.OutcomeProcessing {
		t.Errorf("got state %s and vendor's result %q", j.State, j.VendorSays)
	}
	// A later result still counts.
	r.vendor.end(client.StatusFinished)
	_, err := r.Check(r.ctx(), r.batch(), []jobs.Job{r.job(1)})
	r.must(err)
	r.expect(map[jobs.State]int64{jobs.Done: 1})
}

func TestManyConflictsAreCheckedInBulk(t *testing.T) {
	t.Parallel()
	r, logged := contradicted(t, 120, jobs.OutcomeDone, jobs.OutcomeFailed)
	r.vendor.end(client.StatusError)
	before := r.vendor.calls
	r.sweep()
	if n := r.vendor.calls - before; n > 3 {
		t.Errorf("%d calls for 120 conflicts", n)
	}
	// The listing has pages of 100. Each is recorded in its own transaction.
	if n := strings.Count(logged.String(), "job corrected"); n != 2*correctedLogged ||
		!strings.Contains(logged.String(), "count=90") || !strings.Contains(logged.String(), "count=10") {
		t.Errorf("got %d corrections in the log, want %d, and the number of the others:\n%s", n, 2*correctedLogged, logged)
	}
	if n := r.job(7).Conflicts; n != 1 {
		t.Errorf("got %d conflicts after the check, want 1", n)
	}
}

// The summary of a batch has the vendor's results, even if no sweep ran after the
// contradiction.
func TestSummaryChecksConflictsFirst(t *testing.T) {
	t.Parallel()
	r, _ := contradicted(t, 3, jobs.OutcomeFailed, jobs.OutcomeDone)
	r.vendor.end(client.StatusFinished)
	r.must(r.SummarizeBatch(r.ctx(), rigBatch))
	b := r.batch()
	if b.Revision != 2 || b.Summarized != 2 {
		t.Errorf("got revision %d and the summary of revision %d", b.Revision, b.Summarized)
	}
	_, data, err := r.full.Summary(r.ctx(), rigBatch)
	r.must(err)
	s, err := summary.Decode(data)
	r.must(err)
	if s.Done != 3 || s.Corrected != 3 || s.Revision != 2 {
		t.Errorf("got summary %d with %d done and %d corrected", s.Revision, s.Done, s.Corrected)
	}
}

// The summary also waits for a check of conflicts by the sweep.
func TestSummaryWaitsForConflictChecks(t *testing.T) {
	t.Parallel()
	r, _ := contradicted(t, 3, jobs.OutcomeFailed, jobs.OutcomeDone)
	r.vendor.end(client.StatusFinished)
	answered, free := r.turns.take(conflictsOf(rigBatch))
	if _, err := r.store.ClaimConflicts(r.ctx(), rigBatch, r.clock.Now(), r.clock.Now().Add(time.Second), 10); err != nil || !free {
		t.Fatal(err, free)
	}
	r.must(r.SummarizeBatch(r.ctx(), rigBatch))
	if b := r.batch(); b.Summarized != 0 {
		t.Error("batch was summarized before the vendor answered")
	}
	answered()
	r.clock.advance(time.Second)
	r.must(r.SummarizeBatch(r.ctx(), rigBatch))
	if b := r.batch(); b.Summarized != 2 {
		t.Errorf("after the answer the batch has the summary of revision %d, want 2", b.Summarized)
	}
}

// The row's own timeout decides how long the vendor may be processing.
func TestConflictUsesTheTimeoutOfItsRow(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	rows := requests{{Line: 1, URL: "https://slow.shotline.test/", Timeout: 5 * time.Hour}}
	_, err := Import(r.ctx(), r.store, jobs.BatchSpec{ID: rigBatch}, &rows, r.clock, ImportOptions{})
	r.must(err)
	r.submitAll()
	r.webhooks(jobs.OutcomeFailed)
	r.webhooks(jobs.OutcomeDone)
	r.vendor.end(client.StatusProcessing)
	for range 60 { // an hour
		r.must(r.SweepOnce(r.ctx()))
		r.clock.advance(time.Minute)
	}
	r.vendor.end(client.StatusFinished)
	r.clock.advance(conflictMost)
	r.sweep()
	r.expect(map[jobs.State]int64{jobs.Done: 1})
}

// If a false result was not contradicted, a query for costs corrects it.
func TestListingCorrectsAFalseWebhook(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.vendor.costless = true
	r.load(2)
	r.submitAll()
	r.webhooks(jobs.OutcomeFailed)
	r.vendor.end(client.StatusFinished)
	r.must(r.SummarizeBatch(r.ctx(), rigBatch))
	r.expect(map[jobs.State]int64{jobs.Done: 2})
	if j := r.job(1); !j.Corrected || j.Conflicts != 1 || j.Cost == nil {
		t.Errorf("corrected: %t, %d conflicts, cost %v", j.Corrected, j.Conflicts, j.Cost)
	}
}

// If a process crashes during a check, another one checks the conflict.
func TestConflictIsCheckedAgainAfterACrash(t *testing.T) {
	t.Parallel()
	r, _ := contradicted(t, 1, jobs.OutcomeFailed, jobs.OutcomeDone)
	r.vendor.end(client.StatusFinished)
	if _, err := r.store.ClaimConflicts(r.ctx(), "", r.clock.Now(), r.clock.Now().Add(time.Minute), 10); err != nil {
		t.Fatal(err)
	}
	other := r.newWorker("worker2")
	r.clock.advance(30 * time.Second)
	r.must(other.SweepOnce(r.ctx()))
	r.expect(map[jobs.State]int64{jobs.Failed: 1})
	r.clock.advance(time.Minute)
	r.must(other.SweepOnce(r.ctx()))
	r.expect(map[jobs.State]int64{jobs.Done: 1})
}

// If the vendor has not confirmed a failure, it is queried before the job is paid
// for again.
func TestRetryChecksContradictedFailures(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		vendor func(*fakeVendor)
		want   jobs.RetryCounts
		state  jobs.State
	}{
		"done":        {func(v *fakeVendor) { v.end(client.StatusFinished) }, jobs.RetryCounts{Done: 1}, jobs.Done},
		"failed":      {func(v *fakeVendor) { v.end(client.StatusError) }, jobs.RetryCounts{Queued: 1}, jobs.Queued},
		"unknown":     {func(v *fakeVendor) { v.shots = nil }, jobs.RetryCounts{Queued: 1}, jobs.Queued},
		"unavailable": {func(v *fakeVendor) { v.down = &client.CallError{Op: "unavailable"} }, jobs.RetryCounts{Unchecked: 1}, jobs.Failed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, whole := range []bool{false, true} {
				r, _ := contradicted(t, 1, jobs.OutcomeFailed, jobs.OutcomeDone)
				test.vendor(r.vendor)
				var counts jobs.RetryCounts
				var err error
				if whole {
					counts, err = r.RetryBatch(r.ctx(), rigBatch, jobs.Retriable)
				} else {
					counts, err = r.RetryJob(r.ctx(), jobs.ID{Batch: rigBatch, Row: 1})
				}
				if counts != test.want || (err != nil) != (test.want.Unchecked > 0) || err != nil && !errors.Is(err, jobs.ErrUnchecked) {
					t.Errorf("whole batch: %t: retried %+v, %v; want %+v", whole, counts, err, test.want)
				}
				r.expect(map[jobs.State]int64{test.state: 1})
			}
		})
	}
}

// The first attempt has an image, but was retried before the vendor was queried.
// If the second attempt fails, the job gets that image.
func TestCorrectionOfAnOlderAttempt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(1)
	r.submitAll()
	first := r.vendor.shots[0]
	r.webhook(first.ID, jobs.OutcomeFailed)
	r.vendor.end(client.StatusFinished, first.ID)
	if _, err := r.RetryJob(r.ctx(), jobs.ID{Batch: rigBatch, Row: 1}); err != nil {
		t.Fatal(err)
	}
	r.submitAll()
	r.webhook(first.ID, jobs.OutcomeDone)
	r.sweep()
	r.expect(map[jobs.State]int64{jobs.Pending: 1})
	r.webhook(r.vendor.shots[1].ID, jobs.OutcomeFailed)
	r.expect(map[jobs.State]int64{jobs.Done: 1})
	if j := r.job(1); j.ScreenshotID != first.ID || !j.Late {
		t.Errorf("the job shows screenshot %s, late: %t", j.ScreenshotID, j.Late)
	}
}

func TestReconcileReportsCorrections(t *testing.T) {
	t.Parallel()
	r, _ := contradicted(t, 2, jobs.OutcomeDone, jobs.OutcomeFailed)
	r.vendor.end(client.StatusError)
	report, err := r.Reconcile(r.ctx(), ReconcileOptions{})
	r.must(err)
	if report.Corrected != 2 || report.Flawed != 2 || report.Ended() != 0 || !report.Did() {
		t.Errorf("reconcile reports %d corrected, %d flawed, %d ended", report.Corrected, report.Flawed, report.Ended())
	}
	r.expect(map[jobs.State]int64{jobs.Failed: 2})
}
