package orchestrator

import (
	"errors"
	"testing"
	"time"

	"shotline/client"
	"shotline/jobs"
)

func (r *rig) cancel(want jobs.CancelCounts) {
	r.t.Helper()
	got, err := CancelBatch(r.ctx(), r.store, rigBatch, r.clock)
	if err != nil || got != want {
		r.t.Fatalf("canceled %+v, %v; want %+v", got, err, want)
	}
}

func TestCancelBatch(t *testing.T) {
	t.Parallel()
	const n = 2*cancelPage + 7
	r := newRig(t)
	r.load(n)
	r.cancel(jobs.CancelCounts{Canceled: n})
	r.cancel(jobs.CancelCounts{})
	r.expect(map[jobs.State]int64{jobs.Canceled: n})
	r.submitAll()
	if r.vendor.sent() != 0 {
		t.Error("a canceled job was sent")
	}
}

// TestCancelWhileSubmitting cancels while one create is at the vendor, and tries
// all ways in which the create can end.
func TestCancelWhileSubmitting(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer func(client.Screenshot) error
		status client.Status
		shows  bool // a later look-up finds the screenshot
		want   map[jobs.State]int64
		cost   bool
	}{
		"answered":               {nil, "", false, map[jobs.State]int64{jobs.Canceled: 3}, true},
		"answered with a result": {nil, client.StatusFinished, false, map[jobs.State]int64{jobs.Done: 1, jobs.Canceled: 2}, true},
		"rate limited":           {rateLimited(time.Second), "", false, map[jobs.State]int64{jobs.Canceled: 3}, false},
		"not sent":               {notSent, "", false, map[jobs.State]int64{jobs.Canceled: 3}, false},
		"refused":                {refused(422, "INVALID"), "", false, map[jobs.State]int64{jobs.Failed: 1, jobs.Canceled: 2}, false},
		"key refused":            {refused(401, "INVALID_API_KEY"), "", false, map[jobs.State]int64{jobs.Canceled: 3}, false},
		"lost, and found":        {doubtWithEffect, "", true, map[jobs.State]int64{jobs.Canceled: 3}, true},
		"lost, and never found":  {doubtWithoutEffect, "", false, map[jobs.State]int64{jobs.Canceled: 3}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, one)
			r.load(3)
			if test.answer != nil {
				r.vendor.script(test.answer)
			}
			r.vendor.status = test.status
			r.vendor.onCreate = func(client.Screenshot) {
				r.vendor.onCreate = nil
				r.cancel(jobs.CancelCounts{Canceled: 2, Canceling: 1})
			}
			r.submitAll()
			for range 3 { // until the doubt is settled
				r.clock.advance(10 * time.Second)
				r.sweep()
			}
			r.expect(test.want)
			select {
			case <-r.nudgeWatcher:
			default:
				t.Error("the watcher was not woken")
			}
			if n := r.vendor.sent(); n != 1 {
				t.Errorf("%d creates, want 1", n)
			}
			b := r.batch()
			if b.State != jobs.BatchFinished {
				t.Errorf("the batch is %s", b.State)
			}
			if paid := b.Counts.Cost != nil && *b.Counts.Cost > 0; paid != test.cost {
				t.Errorf("cost %v", b.Counts.Cost)
			}
		})
	}
}

func TestCancelRefusesAnImport(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.must(r.store.CreateBatch(r.ctx(), jobs.BatchSpec{ID: rigBatch}, r.clock.Now()))
	if _, err := CancelBatch(r.ctx(), r.store, rigBatch, r.clock); !errors.Is(err, jobs.ErrState) {
		t.Errorf("canceling an import: got error %v, want ErrState", err)
	}
	if _, err := CancelBatch(r.ctx(), r.store, "nosuch", r.clock); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("canceling an unknown batch: got error %v, want ErrNotFound", err)
	}
}

func TestCancelAppliesTheInboxFirst(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(2)
	r.submitAll()
	r.must(r.StoreDelivery(r.ctx(), jobs.Delivery{ReceivedAt: r.clock.Now(), ScreenshotID: r.vendor.shots[0].ID, Outcome: jobs.OutcomeDone, Body: []byte("{}")}))
	r.cancel(jobs.CancelCounts{Canceled: 1, Ended: 1})
	r.expect(map[jobs.State]int64{jobs.Done: 1, jobs.Canceled: 1})
}
