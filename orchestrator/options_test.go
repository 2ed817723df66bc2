package orchestrator

import (
	"slices"
	"testing"
	"time"

	"shotline/jobs"
)

// A row's timeout and priority win over those of its batch.
func TestTimeoutAndPriorityOfARow(t *testing.T) {
	t.Parallel()
	r := newRig(t, one)
	rows := requests{
		{Line: 1, URL: "https://a.test/1"}, {Line: 2, URL: "https://a.test/2", Priority: new(5), Timeout: 10 * time.Second},
		{Line: 3, URL: "https://a.test/3", Priority: new(-5), Timeout: time.Hour},
	}
	_, err := Import(r.ctx(), r.store, jobs.BatchSpec{ID: rigBatch, JobTimeout: 2 * time.Minute}, &rows, r.clock, ImportOptions{})
	r.must(err)
	r.submitAll()
	var sent []string
	for _, create := range r.vendor.creates {
		sent = append(sent, create.URL)
	}
	if want := []string{"https://a.test/2", "https://a.test/1", "https://a.test/3"}; !slices.Equal(sent, want) {
		t.Errorf("sent %v, want %v", sent, want)
	}
	began := r.job(2).SubmittedAt
	for row, want := range map[int64]time.Duration{1: 2 * time.Minute, 2: 10 * time.Second, 3: time.Hour} {
		if j := r.job(row); j.Deadline.Sub(j.SubmittedAt) != want {
			t.Errorf("row %d: got timeout %s, want %s", row, j.Deadline.Sub(j.SubmittedAt), want)
		}
	}
	// The grace begins after the row's own timeout.
	r.clock.advance(began.Add(10*time.Second + r.cfg.DeadlineGrace + time.Second).Sub(r.clock.Now()))
	r.must(r.CheckDeadlines(r.ctx()))
	r.expect(map[jobs.State]int64{jobs.TimedOut: 1, jobs.Pending: 2})
	if state := r.job(2).State; state != jobs.TimedOut {
		t.Errorf("row 2 is %s, want timed out", state)
	}
}
