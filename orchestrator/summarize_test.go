package orchestrator

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"shotline/client"
	"shotline/jobs"
)

func TestSummaryWithoutTheVendor(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		comesBack bool
		after     time.Duration // time between the two attempts
		isStored  bool
	}{
		"is down for a while": {false, explainFor - time.Second, false},
		"comes back in time":  {true, explainFor - time.Second, true},
		"stays down":          {false, explainFor, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.load(2)
			r.vendor.costless = true
			r.submitAll()
			r.vendor.end(client.StatusFinished)
			r.webhooks(jobs.OutcomeDone)
			r.vendor.down = errors.New("no route")
			if err := r.SummarizeBatch(r.ctx(), rigBatch); err == nil {
				t.Error("SummarizeBatch returned no error although the vendor is down")
			}
			if test.comesBack {
				r.vendor.down = nil
			}
			r.clock.advance(test.after)
			r.sweep()
			if got := r.queue.take(); !strings.HasPrefix(got[len(got)-1], "summary") {
				t.Errorf("enqueued %q, want the summary again", got)
			}
			if err := r.SummarizeBatch(r.ctx(), rigBatch); (err == nil) != test.isStored {
				t.Errorf("SummarizeBatch returned %v, want success %t", err, test.isStored)
			}
			b := r.batch()
			if (b.Summarized == 1) != test.isStored || (b.Counts.Cost != nil) != test.comesBack {
				t.Errorf("summarized %d, cost %v", b.Summarized, b.Counts.Cost)
			}
		})
	}
}

func TestSummaryWaitsForALaggingListing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		catchesUp bool
		after     time.Duration // time between the two attempts
		revision  int
		cost      float64
	}{
		"still lags":                 {false, listAgain, 0, 1},
		"catches up":                 {true, listAgain, 1, 2},
		"lags after the settle time": {false, 10 * time.Second, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.load(2)
			r.vendor.costless = true
			r.submitAll()
			r.vendor.end(client.StatusFinished)
			r.webhooks(jobs.OutcomeDone)
			r.vendor.lagging = r.vendor.shots[0].ID
			r.must(r.SummarizeBatch(r.ctx(), rigBatch))
			if b := r.batch(); b.Summarized != 0 {
				t.Error("batch was summarized although the listing lags")
			}
			if test.catchesUp {
				r.vendor.lagging = ""
			}
			r.queue.take()
			r.clock.advance(test.after)
			r.sweep()
			if got := r.queue.take(); len(got) == 0 || !strings.HasPrefix(got[len(got)-1], "summary") {
				t.Errorf("enqueued %q, want the summary again", got)
			}
			r.must(r.SummarizeBatch(r.ctx(), rigBatch))
			if b := r.batch(); b.Summarized != test.revision || b.Counts.Cost == nil || *b.Counts.Cost != test.cost {
				t.Errorf("summarized %d, counts %+v; want %d and %g credits", b.Summarized, b.Counts, test.revision, test.cost)
			}
		})
	}
}

func TestSummaryWithAHangingVendor(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(2)
	r.submitAll()
	r.webhooks(jobs.OutcomeFailed)
	r.vendor.onList = func(ctx context.Context) error {
		r.clock.advance(explainFor)
		<-ctx.Done()
		return ctx.Err()
	}
	task, cancel := context.WithTimeout(r.ctx(), 3*time.Second)
	defer cancel()
	r.must(r.SummarizeBatch(task, rigBatch))
	if got := r.batch().Summarized; got != 1 {
		t.Errorf("summarized %d, want 1", got)
	}
}

// countedScans counts the calls of Unexplained.
type countedScans struct {
	Store
	scans int
}

func (s *countedScans) Unexplained(ctx context.Context, batch string) (costs, reasons int, err error) {
	s.scans++
	return s.Store.Unexplained(ctx, batch)
}

func TestExplainingTakesFewCallsAndScans(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		rows, failed int
		costless     bool
		calls        int
	}{
		"a few reasons":       {250, 3, false, 1},
		"all costs":           {250, 0, true, 3},
		"costs and reasons":   {250, 3, true, 3},
		"nothing is missing":  {250, 0, false, 0},
		"reasons of all rows": {250, 250, false, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.load(test.rows)
			r.vendor.costless = test.costless
			r.submitAll()
			r.vendor.end(client.StatusFinished)
			var failed []string
			for i, shot := range r.vendor.shots {
				outcome := jobs.OutcomeDone
				if i < test.failed {
					outcome, failed = jobs.OutcomeFailed, append(failed, shot.ID)
				}
				r.must(r.StoreDelivery(r.ctx(), jobs.Delivery{ReceivedAt: r.clock.Now(), ScreenshotID: shot.ID, Outcome: outcome}))
			}
			_, err := r.CloseOnce(r.ctx())
			r.must(err)
			if len(failed) > 0 {
				r.vendor.end(client.StatusError, failed...)
			}
			store := &countedScans{Store: r.store}
			r.store = store
			before := r.vendor.calls
			r.must(r.SummarizeBatch(r.ctx(), rigBatch))
			if calls := r.vendor.calls - before; calls != test.calls {
				t.Errorf("%d calls, want %d", calls, test.calls)
			}
			if store.scans > 2 {
				t.Errorf("%d scans of the batch, want one before the listing and one at its end", store.scans)
			}
			if costs, reasons, err := store.Unexplained(r.ctx(), rigBatch); err != nil || costs+reasons != 0 {
				t.Errorf("%d costs and %d reasons are missing, %v", costs, reasons, err)
			}
		})
	}
}

func TestSummaryFindsADoubleCharge(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(1)
	r.vendor.unlisted, r.vendor.unfound = true, true // beyond the settle time
	r.vendor.script(doubtWithEffect)
	r.submitAll()
	r.clock.advance(11 * time.Second)
	r.must(r.resolveDoubts(r.ctx()))
	r.submitAll()
	r.vendor.unlisted = false
	r.webhook(r.vendor.shots[1].ID, jobs.OutcomeDone)
	r.must(r.SummarizeBatch(r.ctx(), rigBatch))
	if b := r.batch(); b.Counts.DoubleCharged != 1 || *b.Counts.Cost != 2 || b.Summarized != 1 {
		t.Errorf("double charged %d, cost %v, summarized %d; want 1, 2, 1", b.Counts.DoubleCharged, *b.Counts.Cost, b.Summarized)
	}
}

func TestReopenedBatchIsNotSummarized(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(2)
	r.submitAll()
	r.webhook(r.vendor.shots[0].ID, jobs.OutcomeDone)
	r.webhook(r.vendor.shots[1].ID, jobs.OutcomeFailed)
	r.vendor.end(client.StatusFinished, r.vendor.shots[0].ID)
	r.vendor.end(client.StatusError, r.vendor.shots[1].ID)
	r.vendor.onList = func(context.Context) error {
		r.vendor.onList = nil
		_, err := RetryBatch(r.ctx(), r.store, r.Orchestrator, rigBatch, []jobs.State{jobs.Failed}, r.clock)
		return err
	}
	r.must(r.SummarizeBatch(r.ctx(), rigBatch))
	if revision, data, err := r.full.Summary(r.ctx(), rigBatch); err != nil || revision != 0 {
		t.Errorf("got summary %d of an open batch: %s, %v", revision, data, err)
	}
	r.submitAll()
	r.vendor.end(client.StatusFinished, r.vendor.shots[2].ID)
	r.webhook(r.vendor.shots[2].ID, jobs.OutcomeDone)
	r.must(r.SummarizeBatch(r.ctx(), rigBatch))
	if b := r.batch(); b.Revision != 2 || b.Summarized != 2 {
		t.Errorf("revision %d, summarized %d", b.Revision, b.Summarized)
	}
}

func TestOneProcessListsForASummary(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	other := r.newWorker("worker2")
	r.load(listPage * 3)
	r.vendor.costless = true
	r.submitAll()
	r.vendor.end(client.StatusFinished)
	r.webhooks(jobs.OutcomeDone)
	lists := 0
	r.vendor.onList = func(context.Context) error {
		lists++
		r.clock.advance(claimAgain * 2 / 3)
		return other.SummarizeBatch(r.ctx(), rigBatch)
	}
	r.must(r.SummarizeBatch(r.ctx(), rigBatch))
	if b := r.batch(); lists != 3 || b.Summarized != 1 {
		t.Errorf("got %d pages, want 3; summarized %d", lists, b.Summarized)
	}
}
