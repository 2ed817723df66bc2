package orchestrator

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"shotline/client"
	"shotline/jobs"
)

// contradicted is a rig with n jobs that webhooks call done first and failed
// after that, and what is logged.
func contradicted(t *testing.T, n int) (*rig, *bytes.Buffer) {
	r := newRig(t)
	var logged bytes.Buffer
	r.log = slog.New(slog.NewTextHandler(&logged, nil))
	r.load(n)
	r.submitAll()
	r.webhooks(jobs.OutcomeDone)
	r.webhooks(jobs.OutcomeFailed)
	return r, &logged
}

const contradiction = "the vendor contradicts what was recorded"

func TestTheVendorDecidesNothingAboutAConflict(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		vendor func(*fakeVendor)
		says   jobs.Outcome
		warned int
	}{
		"agrees":           {func(v *fakeVendor) { v.end(client.StatusFinished) }, jobs.OutcomeDone, 0},
		"contradicts":      {func(v *fakeVendor) { v.end(client.StatusError) }, jobs.OutcomeFailed, 2},
		"lists nothing":    {func(v *fakeVendor) { v.unlisted = true; v.end(client.StatusError) }, jobs.OutcomeFailed, 2},
		"does not know it": {func(v *fakeVendor) { v.shots = nil }, jobs.OutcomeNone, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, logged := contradicted(t, 2)
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
			r.expect(map[jobs.State]int64{jobs.Done: 2})
			if j := r.job(1); j.VendorSays != test.says || j.Conflicts != 1 {
				t.Errorf("the vendor says %q, %d conflicts; want %q and 1", j.VendorSays, j.Conflicts, test.says)
			}
			if n := strings.Count(logged.String(), contradiction); n != test.warned {
				t.Errorf("warned %d times, want %d:\n%s", n, test.warned, logged)
			}
		})
	}
}

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
			r, _ := contradicted(t, 1)
			test.away(r.vendor)
			if err := r.SweepOnce(r.ctx()); (err != nil) != test.told {
				t.Errorf("the sweep ended with %v", err)
			}
			if says := r.job(1).VendorSays; says != jobs.OutcomeNone {
				t.Fatalf("the vendor says %q", says)
			}
			r.vendor.down = nil
			r.vendor.end(client.StatusError)
			r.clock.advance(2 * time.Minute)
			r.sweep()
			if says := r.job(1).VendorSays; says != jobs.OutcomeFailed {
				t.Errorf("the vendor says %q, want failed", says)
			}
		})
	}
}

func TestManyConflictsAreCheckedInBulk(t *testing.T) {
	t.Parallel()
	r, logged := contradicted(t, 120)
	r.vendor.end(client.StatusError)
	before := r.vendor.calls
	r.sweep()
	if n := r.vendor.calls - before; n > 3 {
		t.Errorf("%d calls for 120 conflicts", n)
	}
	if n := strings.Count(logged.String(), contradiction); n != 120 {
		t.Errorf("warned %d times, want 120", n)
	}
	if n := r.job(7).Conflicts; n != 1 {
		t.Errorf("asking made %d conflicts of one", n)
	}
}
