package orchestrator

import (
	"encoding/json"
	"sync"
	"testing"
	"time"

	"shotline/client"
	"shotline/jobs"
)

// doubleCharged returns a rig whose batch of one job was summarized although the
// job was charged twice: no listing and no search has shown the first screenshot
// yet.
func doubleCharged(t *testing.T, change ...func(*Config)) *rig {
	t.Helper()
	r := newRig(t, change...)
	r.load(1)
	r.vendor.script(doubtWithEffect)
	r.vendor.lagging, r.vendor.unfound = "1001", true
	r.submitAll()
	r.clock.advance(r.cfg.Settle + time.Second)
	r.must(r.resolveDoubts(r.ctx()))
	r.submitAll()
	r.vendor.end(client.StatusFinished)
	r.webhook("1002", jobs.OutcomeDone)
	r.clock.advance(r.cfg.Settle)
	r.must(r.SummarizeBatch(r.ctx(), rigBatch))
	if b := r.batch(); b.Summarized != 1 || b.Counts.DoubleCharged != 0 || *b.Counts.Cost != 1 || r.vendor.sent() != 2 {
		t.Fatalf("summarized %d, double charged %d, cost %v, %d creates", b.Summarized, b.Counts.DoubleCharged, *b.Counts.Cost, r.vendor.sent())
	}
	return r
}

func (r *rig) wantDoubleCharges(want int64) {
	r.t.Helper()
	b := r.batch()
	if b.Counts.DoubleCharged != want || int64(r.job(1).DoubleCharged) != want || *b.Counts.Cost != float64(1+want) || *r.job(1).Cost != float64(1+want) {
		r.t.Errorf("double charged %d on the batch, %d on the job, cost %v and %v; want %d", b.Counts.DoubleCharged, r.job(1).DoubleCharged,
			*b.Counts.Cost, *r.job(1).Cost, want)
	}
	totals, err := r.full.Totals(r.ctx())
	r.must(err)
	if totals.Counts.DoubleCharged != want {
		r.t.Errorf("got %d in the totals, want %d", totals.Counts.DoubleCharged, want)
	}
}

func TestReconcileFindsDoubleChargesAfterTheSummary(t *testing.T) {
	t.Parallel()
	for name, show := range map[string]func(*fakeVendor){
		"a listing shows it": func(v *fakeVendor) { v.lagging = "" },
		"only a search does": func(v *fakeVendor) { v.unlisted, v.unfound = true, false },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := doubleCharged(t)
			r.clock.advance(time.Hour)
			if report := r.reconcile(); report.DoubleCharged != 0 || report.Did() {
				t.Errorf("got %+v before the vendor shows the screenshot", report)
			}
			r.wantDoubleCharges(0)
			show(r.vendor)
			report := r.reconcile()
			if report.DoubleCharged != 1 || report.Summaries != 1 || !report.Did() {
				t.Errorf("got report %+v", report)
			}
			r.wantDoubleCharges(1)
			revision, data, err := r.full.Summary(r.ctx(), rigBatch)
			r.must(err)
			var decoded struct {
				DoubleCharged int     `json:"double_charged"`
				Cost          float64 `json:"cost"`
			}
			r.must(json.Unmarshal(data, &decoded))
			if revision != 2 || decoded.DoubleCharged != 1 || decoded.Cost != 2 {
				t.Errorf("got summary %d: %+v", revision, decoded)
			}
			if again := r.reconcile(); again.Did() || again.Calls != 0 {
				t.Errorf("got %+v although both screenshots are known", again)
			}
		})
	}
}

func TestReconcileAuditsWithinTheWindow(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		window, later time.Duration
		batches       []string
		want          int64
	}{
		"within":            {time.Hour, 59 * time.Minute, nil, 1},
		"over":              {time.Hour, 61 * time.Minute, nil, 0},
		"never":             {-1, time.Minute, nil, 0},
		"another batch":     {time.Hour, time.Minute, []string{"b2"}, 0},
		"the batch by name": {time.Hour, time.Minute, []string{rigBatch}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := doubleCharged(t, func(c *Config) { c.AuditWindow = test.window })
			r.loadAs("b2", 0)
			r.vendor.lagging = ""
			r.clock.advance(test.later)
			_, err := r.Reconcile(r.ctx(), ReconcileOptions{Older: time.Minute, Batches: test.batches})
			r.must(err)
			r.wantDoubleCharges(test.want)
		})
	}
}

// A create without effect is looked up a few times, and not each minute of the
// window.
func TestWorkerAuditsLessAndLessOften(t *testing.T) {
	t.Parallel()
	r := doubleCharged(t)
	before, audits := r.vendor.calls, []time.Duration{}
	finished := r.batch().FinishedAt
	for r.clock.Now().Before(finished.Add(25 * time.Hour)) {
		calls := r.vendor.calls
		r.must(r.AuditOnce(r.ctx()))
		if r.vendor.calls > calls {
			audits = append(audits, r.clock.Now().Sub(finished))
		}
		if r.clock.advance(upkeepEvery); r.clock.Now().Sub(finished) > time.Hour {
			r.clock.advance(9 * upkeepEvery) // many audits too, if they did not become fewer
		}
	}
	if n := len(audits); n < 10 || n > 25 || audits[0] > 3*time.Minute || audits[n-1] < 12*time.Hour {
		t.Errorf("got audits %v after the end, with %d calls", audits, r.vendor.calls-before)
	}
	r.wantDoubleCharges(0)
}

func TestWorkerFindsDoubleCharges(t *testing.T) {
	t.Parallel()
	r := doubleCharged(t)
	r.vendor.lagging = ""
	r.clock.advance(auditFirst)
	r.must(r.AuditOnce(r.ctx()))
	r.wantDoubleCharges(1)
	r.sweep()
	if tasks := r.queue.take(); len(tasks) == 0 {
		t.Error("no summary was enqueued")
	}
}

// openIntents opens the intents of many leases at the same time, so that they
// share commits.
func (r *rig) openIntents(leases []jobs.Lease, now time.Time) {
	r.t.Helper()
	var group sync.WaitGroup
	for i, l := range leases {
		group.Go(func() {
			var err error
			if leases[i], err = r.store.OpenIntent(r.ctx(), l, now, now.Add(longestLease)); err != nil {
				r.t.Error(err)
			}
		})
	}
	group.Wait()
}

// The lost creates take more than one page of a listing.
func TestManyLostCreatesAreAuditedInBulk(t *testing.T) {
	t.Parallel()
	const n = auditChunk + 20
	r := newRig(t)
	r.load(n)
	now := r.clock.Now()
	for range 2 { // lose the first creates
		leases, err := r.store.Lease(r.ctx(), rigBatch, "gone", n, now, now.Add(longestLease))
		r.must(err)
		r.openIntents(leases, now)
		r.must(r.store.Doubt(r.ctx(), leases, now))
		doubts, err := r.store.ClaimDoubts(r.ctx(), now, now.Add(time.Minute), n)
		r.must(err)
		if doubts[0].Sends == 1 {
			_, err = r.store.Resend(r.ctx(), doubts, now.Add(time.Second), now)
			r.must(err)
		}
	}
	var answers []jobs.Observation
	for row := range int64(n) {
		id := jobs.ID{Batch: rigBatch, Row: row + 1}
		for _, name := range []string{"first ", "second "} {
			r.vendor.shots = append(r.vendor.shots, client.Screenshot{ID: name + id.String(), Status: client.StatusFinished,
				Tags: []string{jobs.SubmissionTag(id, 1), jobs.BatchTag(rigBatch)}})
		}
		answers = append(answers, observe(id, 1, r.vendor.shots[len(r.vendor.shots)-1]))
	}
	_, err := r.store.Observe(r.ctx(), answers, jobs.ByPoll, now, now.Add(time.Minute))
	r.must(err)
	r.clock.advance(r.cfg.Settle + time.Minute)
	report := r.reconcile()
	if report.DoubleCharged != n || r.batch().Counts.DoubleCharged != n {
		t.Errorf("got %d in the report and %d in the batch, want %d", report.DoubleCharged, r.batch().Counts.DoubleCharged, n)
	}
	if report.Calls > 3*(2*n/listPage+2)+20 {
		t.Errorf("%d calls for %d screenshots", report.Calls, 2*n)
	}
}
