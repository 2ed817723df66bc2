package orchestrator

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"shotline/client"
	"shotline/jobs"
)

func TestDoubtWithEffectIsAdoptedAndPaidOnce(t *testing.T) {
	t.Parallel()
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

func TestDoubtWithoutEffectIsResentAfterTheSettleTime(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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

// A row that cannot be read but mentions the tag might be the screenshot. Then
// the create is not sent again, since it might have been paid.
func TestDoubtWaitsForARowThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*fakeVendor){
		"listed":   func(*fakeVendor) {},
		"searched": func(v *fakeVendor) { v.unlisted = true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.load(1)
			change(r.vendor)
			r.vendor.odd = func(client.Screenshot) string { return "the screenshot has no id" }
			r.vendor.script(doubtWithEffect)
			r.submitAll()
			for range 5 {
				r.clock.advance(time.Minute)
				var odd *client.RowError
				if err := r.resolveDoubts(r.ctx()); !errors.As(err, &odd) {
					t.Fatalf("got error %v, want a RowError", err)
				}
				r.submitAll()
			}
			if got := r.vendor.sent(); got != 1 {
				t.Fatalf("got %d creates while the row cannot be read, want 1", got)
			}
			r.vendor.odd = nil
			r.clock.advance(time.Minute)
			r.must(r.resolveDoubts(r.ctx()))
			r.expect(map[jobs.State]int64{jobs.Pending: 1})
		})
	}
}

// If the id of such a row can be read, that is enough.
func TestDoubtEndsByTheIDOfARowThatCannotBeRead(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(1)
	r.vendor.odd = func(client.Screenshot) string { return "the screenshot's tag is neither a text nor a list of texts" }
	r.vendor.oddID = true
	r.vendor.script(doubtWithEffect)
	r.submitAll()
	r.clock.advance(time.Minute)
	r.must(r.resolveDoubts(r.ctx()))
	r.expect(map[jobs.State]int64{jobs.Pending: 1})
	if j := r.job(1); j.ScreenshotID != "1001" || r.vendor.sent() != 1 {
		t.Errorf("screenshot %q, %d creates", j.ScreenshotID, r.vendor.sent())
	}
}

// Odd rows of other screenshots do not matter. The other rows are read, paging
// continues after a page that has only odd rows, and a create without effect is
// sent again.
func TestDoubtIgnoresOddRowsOfOthers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(2)
	r.vendor.unlisted = true
	r.vendor.script(doubtWithEffect, doubtWithoutEffect)
	r.submitAll()
	for i := range listPage { // newer screenshots of the same URLs
		for row := range int64(2) {
			r.vendor.shots = append(r.vendor.shots, client.Screenshot{ID: "f" + strconv.Itoa(i), URL: r.job(row + 1).URL, Tags: []string{"foreign"}})
		}
	}
	r.vendor.odd = func(shot client.Screenshot) string {
		if shot.ID[0] == 'f' {
			return "the screenshot has no id"
		}
		return ""
	}
	r.clock.advance(11 * time.Second)
	r.must(r.resolveDoubts(r.ctx()))
	r.submitAll()
	r.expect(map[jobs.State]int64{jobs.Pending: 2})
	if got := r.vendor.sent(); got != 3 {
		t.Errorf("%d creates, want 3: the one that had no effect twice", got)
	}
}

func TestDoubtWaitsForAnUnavailableVendor(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(1)
	r.vendor.script(doubtWithEffect)
	r.submitAll()
	r.vendor.down = errors.New("no route")
	for range 5 {
		r.clock.advance(time.Minute)
		if err := r.resolveDoubts(r.ctx()); err == nil {
			t.Fatal("resolveDoubts ignored a failed look-up")
		}
		r.submitAll()
	}
	if got := r.vendor.sent(); got != 1 {
		t.Fatalf("got %d creates while the vendor is down, want 1", got)
	}
	r.vendor.down = nil
	r.clock.advance(time.Minute)
	r.must(r.resolveDoubts(r.ctx()))
	r.expect(map[jobs.State]int64{jobs.Pending: 1})
}

func TestManyDoubtsTakeOneListing(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *Config) { c.Concurrency = 4 })
	r.load(80)
	for range 80 {
		r.vendor.script(doubtWithEffect)
	}
	for range 80 {
		r.submitAll()
		r.clock.advance(30 * time.Second) // the longest pause
	}
	r.expect(map[jobs.State]int64{jobs.Submitting: 80})
	before := r.vendor.calls
	r.must(r.resolveDoubts(r.ctx()))
	r.expect(map[jobs.State]int64{jobs.Pending: 80})
	if calls := r.vendor.calls - before; calls > 2 {
		t.Errorf("%d calls for 80 doubts of one batch, want a listing of one page", calls)
	}
}

func TestCrashAfterTheIntentIsADoubt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(1)
	r.vendor.script(doubtWithEffect)
	now := r.clock.Now()
	leases, err := r.store.Lease(r.ctx(), rigBatch, "gone", 1, now, now.Add(longestLease))
	r.must(err)
	lease, err := r.store.OpenIntent(r.ctx(), leases[0], now, now.Add(longestLease))
	r.must(err)
	// The create takes effect, and the process that sent it crashes.
	if _, err := r.vendor.Create(r.ctx(), r.createRequest(r.batch(), lease)); err == nil {
		t.Fatal("Create returned no error, want a doubt")
	}
	r.sweep()
	r.expect(map[jobs.State]int64{jobs.Submitting: 1})
	r.clock.advance(longestLease)
	r.sweep()
	r.expect(map[jobs.State]int64{jobs.Pending: 1})
	if got := r.vendor.sent(); got != 1 {
		t.Errorf("%d creates, want 1", got)
	}
}

func TestDoubtRecordsADoubleCharge(t *testing.T) {
	t.Parallel()
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
	r.must(r.lookup(r.vendor, r.batch()).record(r.ctx(), newMatcher(nil).match(r.vendor.shots)))
	if got := r.job(1).DoubleCharged; got != 1 {
		t.Errorf("job has %d double charges, want 1", got)
	}
	if b := r.batch(); b.Counts.DoubleCharged != 1 || *b.Counts.Cost != 2 {
		t.Errorf("batch has %d double charges and cost %v, want 1 and 2", b.Counts.DoubleCharged, *b.Counts.Cost)
	}
}

func TestDoubtWithAFailingSearchDoesNotDelayOthers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status int
		left   int64 // jobs that stay in doubt
	}{
		"refused for good": {422, 0},
		"server error":     {500, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.load(3)
			r.loadAs("b2", 1)
			r.vendor.onSearch = func(url string) error {
				if url == "https://b1.test/1/" {
					return &client.APIError{Op: "search screenshots", Status: test.status}
				}
				return nil
			}
			r.vendor.script(doubtWithoutEffect, doubtWithoutEffect, doubtWithoutEffect, doubtWithoutEffect)
			for range 10 {
				r.submitAll()
				r.must(r.SubmitBatch(r.ctx(), "b2"))
				r.clock.advance(doubtEvery)
				if err := r.resolveDoubts(r.ctx()); err != nil && test.left == 0 {
					t.Error(err)
				}
			}
			r.expect(map[jobs.State]int64{jobs.Submitting: test.left, jobs.Pending: 3 - test.left})
			b2, err := r.store.Batch(r.ctx(), "b2")
			r.must(err)
			if got := b2.Counts.Of(jobs.Pending); got != 1 {
				t.Errorf("%d jobs of the other batch are pending, want 1", got)
			}
		})
	}
}

func TestDoubtsAreListedByTheirOwnTagsBeforeResending(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(3)
	r.vendor.untagged, r.vendor.unfound = true, true // a listing by the batch's tag shows nothing
	r.vendor.script(doubtWithEffect, doubtWithEffect, doubtWithEffect)
	r.submitAll()
	r.clock.advance(11 * time.Second)
	r.must(r.resolveDoubts(r.ctx()))
	r.submitAll()
	r.expect(map[jobs.State]int64{jobs.Pending: 3})
	if got := r.vendor.sent(); got != 3 {
		t.Errorf("%d creates, want 3", got)
	}
}

func TestRateLimitWithinADoubtIsADoubt(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(1)
	r.vendor.script(func(client.Screenshot) error {
		return &client.InDoubtError{Err: &client.RateLimitError{API: &client.APIError{Status: 200, Code: "RATE_LIMIT_EXCEEDED"}}}
	})
	r.submitAll()
	r.expect(map[jobs.State]int64{jobs.Submitting: 1})
}

// The vendor's listing lags, so a create that took effect is sent again. The
// vendor refuses the second one.
func TestRefusalOfAResentDoubt(t *testing.T) {
	t.Parallel()
	again := func(r *rig) {
		r.clock.advance(11 * time.Second)
		r.must(r.resolveDoubts(r.ctx()))
		r.submitAll()
	}
	begin := func(t *testing.T) *rig {
		r := newRig(t)
		r.load(1)
		r.vendor.unlisted, r.vendor.unfound = true, true
		r.vendor.script(doubtWithEffect, refused(422, "VALIDATION_ERROR"), refused(422, "VALIDATION_ERROR"))
		r.submitAll()
		again(r)
		r.expect(map[jobs.State]int64{jobs.Submitting: 1})
		return r
	}
	t.Run("is looked up", func(t *testing.T) {
		t.Parallel()
		r := begin(t)
		r.webhook(r.vendor.shots[0].ID, jobs.OutcomeDone)
		r.vendor.unlisted = false
		r.clock.advance(doubtEvery)
		r.must(r.resolveDoubts(r.ctx()))
		r.expect(map[jobs.State]int64{jobs.Done: 1})
		if j := r.job(1); j.Cost == nil || j.ScreenshotID != r.vendor.shots[0].ID {
			t.Errorf("closed with screenshot %q at %v", j.ScreenshotID, j.Cost)
		}
		if got := r.vendor.sent(); got != 2 {
			t.Errorf("%d creates, want 2", got)
		}
	})
	t.Run("fails the job the second time", func(t *testing.T) {
		t.Parallel()
		r := begin(t)
		again(r)
		r.expect(map[jobs.State]int64{jobs.Failed: 1})
		if got := r.vendor.sent(); got != 3 {
			t.Errorf("%d creates, want 3", got)
		}
	})
}

func TestTwoProcessesLookUpADoubtOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	other := r.newWorker("worker2")
	r.load(1)
	r.vendor.script(doubtWithoutEffect)
	r.submitAll()
	listings := 0
	r.vendor.onList = func(ctx context.Context) error {
		if listings++; listings == 1 { // the first response takes longer than the time between two look-ups
			r.clock.advance(doubtEvery + time.Second)
			return other.resolveDoubts(ctx)
		}
		return nil
	}
	look := func(o *Orchestrator, want int, when string) {
		t.Helper()
		r.must(o.resolveDoubts(r.ctx()))
		if listings != want {
			t.Fatalf("%d listings %s, want %d", listings, when, want)
		}
	}
	look(r.Orchestrator, 1, "while the first takes long")
	look(other, 1, "right after it")
	r.clock.advance(doubtEvery)
	look(other, 2, "when the next is due")
}
