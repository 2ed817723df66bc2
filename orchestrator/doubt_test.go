package orchestrator

import (
	"errors"
	"testing"
	"time"

	"shotline/jobs"
)

func TestDoubtWithEffectIsAdoptedAndPaidOnce(t *testing.T) {
	r := newRig(t)
	r.load(1)
	r.vendor.script(doubtWithEffect)
	r.submitAll()
	r.expect(map[jobs.State]int64{jobs.Submitting: 1})
	r.must(r.resolveDoubts(r.ctx()))
	r.expect(map[jobs.State]int64{jobs.Pending: 1})
	if got := r.job(1).ScreenshotID; got != r.vendor.shots[0].ID {
		t.Errorf("adopted %q, want %q", got, r.vendor.shots[0].ID)
	}
	if got := r.vendor.sent(); got != 1 {
		t.Errorf("%d creates, want 1", got)
	}
}

func TestDoubtWithoutEffectIsSentAnewAfterTheSettleTime(t *testing.T) {
	r := newRig(t)
	r.load(1)
	r.vendor.script(doubtWithoutEffect)
	r.submitAll()
	for range 4 {
		r.must(r.resolveDoubts(r.ctx()))
		r.submitAll()
		r.clock.advance(doubtEvery)
	}
	if got := r.vendor.sent(); got != 1 {
		t.Fatalf("%d creates within the settle time, want 1", got)
	}
	r.clock.advance(4 * time.Second)
	r.must(r.resolveDoubts(r.ctx()))
	r.submitAll()
	r.expect(map[jobs.State]int64{jobs.Pending: 1})
	if got := r.vendor.sent(); got != 2 {
		t.Errorf("%d creates, want 2", got)
	}
	if got := r.job(1).Attempt; got != 1 {
		t.Errorf("attempt %d, want 1", got)
	}
}

func TestDoubtIsSearchedByURLWhenListsDoNotShowIt(t *testing.T) {
	r := newRig(t)
	r.load(1)
	r.vendor.unlisted = true
	r.vendor.script(doubtWithEffect)
	r.submitAll()
	r.clock.advance(11 * time.Second)
	r.must(r.resolveDoubts(r.ctx()))
	r.expect(map[jobs.State]int64{jobs.Pending: 1})
	if got := r.vendor.sent(); got != 1 {
		t.Errorf("%d creates, want 1", got)
	}
}

func TestDoubtWaitsForAVendorThatCannotBeAsked(t *testing.T) {
	r := newRig(t)
	r.load(1)
	r.vendor.script(doubtWithEffect)
	r.submitAll()
	r.vendor.down = errors.New("no route")
	for range 5 {
		r.clock.advance(time.Minute)
		if err := r.resolveDoubts(r.ctx()); err == nil {
			t.Fatal("a look-up that failed was taken for an answer")
		}
		r.submitAll()
	}
	if got := r.vendor.sent(); got != 1 {
		t.Fatalf("%d creates while nothing is known, want 1", got)
	}
	r.vendor.down = nil
	r.clock.advance(time.Minute)
	r.must(r.resolveDoubts(r.ctx()))
	r.expect(map[jobs.State]int64{jobs.Pending: 1})
}

func TestManyDoubtsTakeOneListing(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Concurrency = 4 })
	r.load(80)
	for range 80 {
		r.vendor.script(doubtWithEffect)
	}
	for range 40 {
		r.submitAll()
		r.clock.advance(topPause)
	}
	r.expect(map[jobs.State]int64{jobs.Submitting: 80})
	before := r.vendor.calls
	r.must(r.resolveDoubts(r.ctx()))
	r.expect(map[jobs.State]int64{jobs.Pending: 80})
	if calls := r.vendor.calls - before; calls > 2 {
		t.Errorf("%d calls for 80 doubts of one batch, want a listing of one page", calls)
	}
}

func TestACrashAfterTheIntentIsADoubt(t *testing.T) {
	r := newRig(t)
	r.load(1)
	r.vendor.script(doubtWithEffect)
	now := r.clock.Now()
	leases, err := r.store.Lease(r.ctx(), rigBatch, "gone", 1, now, now.Add(leaseTime))
	r.must(err)
	lease, err := r.store.OpenIntent(r.ctx(), leases[0], now, now.Add(leaseTime))
	r.must(err)
	// The create took effect, and the process that sent it is no more.
	if _, err := r.vendor.Create(r.ctx(), r.createRequest(r.batch(), lease)); err == nil {
		t.Fatal("the create was to be answered with a doubt")
	}
	r.sweep()
	r.expect(map[jobs.State]int64{jobs.Submitting: 1})
	r.clock.advance(leaseTime)
	r.sweep()
	r.expect(map[jobs.State]int64{jobs.Pending: 1})
	if got := r.vendor.sent(); got != 1 {
		t.Errorf("%d creates, want 1", got)
	}
}

func TestALaggingVendorsDoubleChargeIsRecorded(t *testing.T) {
	r := newRig(t)
	r.load(1)
	r.vendor.script(doubtWithEffect)
	r.submitAll()
	lost := r.vendor.shots[0]
	r.vendor.shots = nil
	r.clock.advance(time.Minute)
	r.must(r.resolveDoubts(r.ctx()))
	r.submitAll()
	r.vendor.shots = append(r.vendor.shots, lost)
	r.must(r.record(r.ctx(), r.batch(), newMatcher(nil).match(r.vendor.shots)))
	if got := r.job(1).DoubleCharged; got != 1 {
		t.Errorf("job has %d double charges, want 1", got)
	}
	if b := r.batch(); b.Counts.DoubleCharged != 1 || *b.Counts.Cost != 2 {
		t.Errorf("batch has %d double charges and cost %v, want 1 and 2", b.Counts.DoubleCharged, *b.Counts.Cost)
	}
}
