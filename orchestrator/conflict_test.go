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

// contradicted is a rig with n jobs of which webhooks say first one thing and
// then the other, and what is logged.
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

func TestAContradictedJobEndsAsTheVendorSays(t *testing.T) {
	t.Parallel()
	done, failed := jobs.OutcomeDone, jobs.OutcomeFailed
	for name, test := range map[string]struct {
		first, second jobs.Outcome
		vendor        func(*fakeVendor)
		want          jobs.State
		says          jobs.Outcome
		logged        string
	}{
		"failed, and it is done":         {failed, done, func(v *fakeVendor) { v.end(client.StatusFinished) }, jobs.Done, done, "job corrected"},
		"done, and it failed":            {done, failed, func(v *fakeVendor) { v.end(client.StatusError) }, jobs.Failed, failed, "job corrected"},
		"failed, and it did":             {failed, done, func(v *fakeVendor) { v.end(client.StatusError) }, jobs.Failed, failed, ""},
		"done, and it is":                {done, failed, func(v *fakeVendor) { v.end(client.StatusFinished) }, jobs.Done, done, ""},
		"done, in a listing without it":  {failed, done, func(v *fakeVendor) { v.unlisted = true; v.end(client.StatusFinished) }, jobs.Done, done, "job corrected"},
		"failed, and nobody knows it":    {failed, done, func(v *fakeVendor) { v.shots = nil }, jobs.Failed, jobs.OutcomeUnknown, "cannot tell"},
		"done, and nobody knows it":      {done, failed, func(v *fakeVendor) { v.shots = nil }, jobs.Done, jobs.OutcomeUnknown, "cannot tell"},
		"failed, and it costs something": {failed, done, func(v *fakeVendor) { v.end(client.StatusFinished) }, jobs.Done, done, "job corrected"},
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
				t.Errorf("asked %d times more", r.vendor.calls-calls)
			}
			r.expect(map[jobs.State]int64{test.want: 2})
			j := r.job(1)
			if j.FirstResult != test.first || j.VendorSays != test.says || j.Conflicts != 1 || j.Corrected != (string(test.want) != string(test.first)) {
				t.Errorf("first %q, the vendor says %q, %d conflicts, corrected: %t", j.FirstResult, j.VendorSays, j.Conflicts, j.Corrected)
			}
			want := 2
			if test.logged == "" {
				test.logged, want = "job corrected", 0
			}
			if n := strings.Count(logged.String(), test.logged); n != want {
				t.Errorf("%q is logged %d times, want %d:\n%s", test.logged, n, want, logged)
			}
		})
	}
}

// A vendor that cannot be asked, or is still processing, is asked again, ever more
// rarely, and then tells.
func TestAConflictWaitsForTheVendor(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		away func(*fakeVendor)
		told bool // that nobody answers
	}{
		"away":             {func(v *fakeVendor) { v.down = &client.CallError{Op: "away"} }, true},
		"stumbling":        {func(v *fakeVendor) { v.down = &client.APIError{Op: "get screenshot", Status: 500} }, false},
		"still processing": {func(v *fakeVendor) { v.end(client.StatusProcessing) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, _ := contradicted(t, 1, jobs.OutcomeFailed, jobs.OutcomeDone)
			test.away(r.vendor)
			asks := 0
			for range 45 { // a minute and a half, and no end of its patience
				before := r.vendor.calls
				if err := r.SweepOnce(r.ctx()); r.vendor.calls > before && (err != nil) != test.told {
					t.Errorf("the sweep ended with %v", err)
				}
				asks += r.vendor.calls - before
				r.clock.advance(2 * time.Second)
			}
			if asks < 4 || asks > 6 {
				t.Errorf("asked %d times in a minute and a half", asks)
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

// A vendor that processes for ever cannot tell.
func TestAConflictEndsWithoutTheVendorsWord(t *testing.T) {
	t.Parallel()
	r, logged := contradicted(t, 1, jobs.OutcomeFailed, jobs.OutcomeDone)
	r.vendor.down = &client.CallError{Op: "away"}
	for range 10 {
		_ = r.SweepOnce(r.ctx())
		r.clock.advance(time.Minute)
	}
	r.vendor.down = nil
	r.vendor.end(client.StatusProcessing)
	r.clock.advance(conflictMost)
	r.sweep()
	if strings.Contains(logged.String(), "cannot tell") {
		t.Error("a vendor that was away was given up at its first answer")
	}
	r.clock.advance(conflictMost)
	r.sweep()
	calls := r.vendor.calls
	for range 10 {
		r.clock.advance(time.Hour)
		r.sweep()
	}
	if r.vendor.calls != calls || !strings.Contains(logged.String(), "cannot tell") {
		t.Errorf("asked %d times more; logged:\n%s", r.vendor.calls-calls, logged)
	}
	if j := r.job(1); j.State != jobs.Failed || j.VendorSays != jobs.OutcomeProcessing {
		t.Errorf("the job is %s, the vendor says %q", j.State, j.VendorSays)
	}
	// Its word may come after all.
	r.vendor.end(client.StatusFinished)
	_, err := r.Ask(r.ctx(), r.batch(), []jobs.Job{r.job(1)})
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
	// The listing has pages of 100, each recorded in a transaction of its own.
	if n := strings.Count(logged.String(), "job corrected"); n != 2*correctedLogged ||
		!strings.Contains(logged.String(), "count=90") || !strings.Contains(logged.String(), "count=10") {
		t.Errorf("%d corrections are logged one by one, want %d, and the number of the others:\n%s", n, 2*correctedLogged, logged)
	}
	if n := r.job(7).Conflicts; n != 1 {
		t.Errorf("asking made %d conflicts of one", n)
	}
}

// The summary of a batch tells what the vendor says, even if nothing swept since
// the contradiction.
func TestASummaryAsksAboutConflictsFirst(t *testing.T) {
	t.Parallel()
	r, _ := contradicted(t, 3, jobs.OutcomeFailed, jobs.OutcomeDone)
	r.vendor.end(client.StatusFinished)
	r.must(r.SummarizeBatch(r.ctx(), rigBatch))
	b := r.batch()
	if b.Revision != 2 || b.Summarized != 2 {
		t.Errorf("the batch has revision %d and the summary of %d", b.Revision, b.Summarized)
	}
	_, data, err := r.all.Summary(r.ctx(), rigBatch)
	r.must(err)
	s, err := summary.Decode(data)
	r.must(err)
	if s.Done != 3 || s.Corrected != 3 || s.Revision != 2 {
		t.Errorf("summary %d tells of %d done and %d corrected", s.Revision, s.Done, s.Corrected)
	}
}

// The summary also waits for an answer about conflicts that the sweep has asked for.
func TestASummaryWaitsForTheAnswerAboutConflicts(t *testing.T) {
	t.Parallel()
	r, _ := contradicted(t, 3, jobs.OutcomeFailed, jobs.OutcomeDone)
	r.vendor.end(client.StatusFinished)
	answered, free := r.turns.take(conflictsOf(rigBatch))
	if _, err := r.store.ClaimConflicts(r.ctx(), rigBatch, r.clock.Now(), r.clock.Now().Add(time.Second), 10); err != nil || !free {
		t.Fatal(err, free)
	}
	r.must(r.SummarizeBatch(r.ctx(), rigBatch))
	if b := r.batch(); b.Summarized != 0 {
		t.Error("the batch was summarized before the vendor had answered")
	}
	answered()
	r.clock.advance(time.Second)
	r.must(r.SummarizeBatch(r.ctx(), rigBatch))
	if b := r.batch(); b.Summarized != 2 {
		t.Errorf("after the answer the batch has the summary of revision %d, want 2", b.Summarized)
	}
}

// How long the vendor may go on processing goes by the row's own timeout.
func TestAConflictHeedsTheTimeoutOfItsRow(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	rows := requests{{Line: 1, URL: "https://slow.shotline.test/", Timeout: 5 * time.Hour}}
	_, err := Import(r.ctx(), r.store, jobs.BatchSpec{ID: rigBatch}, &rows, r.clock, nil)
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

// A false result that nothing contradicted is corrected when the vendor is asked
// for costs.
func TestAListingCorrectsAFalseWebhook(t *testing.T) {
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

// A process that dies after it has asked leaves the conflict to the next.
func TestAConflictOutlivesWhoAsked(t *testing.T) {
	t.Parallel()
	r, _ := contradicted(t, 1, jobs.OutcomeFailed, jobs.OutcomeDone)
	r.vendor.end(client.StatusFinished)
	if _, err := r.store.ClaimConflicts(r.ctx(), "", r.clock.Now(), r.clock.Now().Add(time.Minute), 10); err != nil {
		t.Fatal(err)
	}
	other := r.another("worker2")
	r.clock.advance(30 * time.Second)
	r.must(other.SweepOnce(r.ctx()))
	r.expect(map[jobs.State]int64{jobs.Failed: 1})
	r.clock.advance(time.Minute)
	r.must(other.SweepOnce(r.ctx()))
	r.expect(map[jobs.State]int64{jobs.Done: 1})
}

// A failure that the vendor has not confirmed is not paid for again before it is
// asked.
func TestARetryAsksAboutAContradictedFailure(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		vendor func(*fakeVendor)
		want   jobs.RetryCounts
		state  jobs.State
	}{
		"done":    {func(v *fakeVendor) { v.end(client.StatusFinished) }, jobs.RetryCounts{Done: 1}, jobs.Done},
		"failed":  {func(v *fakeVendor) { v.end(client.StatusError) }, jobs.RetryCounts{Queued: 1}, jobs.Queued},
		"unknown": {func(v *fakeVendor) { v.shots = nil }, jobs.RetryCounts{Queued: 1}, jobs.Queued},
		"away":    {func(v *fakeVendor) { v.down = &client.CallError{Op: "away"} }, jobs.RetryCounts{Unchecked: 1}, jobs.Failed},
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

// The picture of an attempt that was retried before the vendor was asked is kept
// for a newer attempt that brings none.
func TestTheVendorsWordAboutAnOlderAttempt(t *testing.T) {
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
