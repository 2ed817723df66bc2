package jobs_test

import (
	"testing"

	"shotline/jobs"
)

func TestStates(t *testing.T) {
	open := map[jobs.State]bool{jobs.Queued: true, jobs.Submitting: true, jobs.Pending: true}
	seen := map[jobs.State]bool{}
	for _, s := range jobs.States {
		if !s.Valid() || s.Open() != open[s] || seen[s] {
			t.Errorf("state %s: valid %v, open %v, listed before %v", s, s.Valid(), s.Open(), seen[s])
		}
		seen[s] = true
	}
	if len(seen) != 9 {
		t.Errorf("%d states, want 9", len(seen))
	}
	for _, s := range []jobs.State{"", "DONE", "timed out", "importing"} {
		if s.Valid() || s.Open() {
			t.Errorf("%q is a valid state", s)
		}
	}
}
