package orchestrator

import (
	"errors"
	"strings"
	"testing"
	"time"

	"shotline/client"
	"shotline/jobs"
)

func TestOverdueJobs(t *testing.T) {
	t.Parallel()
	const timeout, grace = time.Minute, time.Minute
	for name, test := range map[string]struct {
		vendor func(*fakeVendor)
		after  time.Duration
		state  jobs.State
		by     jobs.Provenance
		reason string
	}{
		"still processing, within the grace": {func(*fakeVendor) {}, timeout, jobs.Pending, "", ""},
		"still processing, grace soon over":  {func(*fakeVendor) {}, timeout + grace - 5*time.Second, jobs.Pending, "", ""},
		"still processing, grace over":       {func(*fakeVendor) {}, timeout + grace, jobs.TimedOut, jobs.ByDeadline, "no result within 2m"},
		"finished, webhook lost":             {func(v *fakeVendor) { v.end(client.StatusFinished) }, timeout, jobs.Done, jobs.ByPoll, ""},
		"failed, webhook lost":               {func(v *fakeVendor) { v.end(client.StatusError) }, timeout, jobs.Failed, jobs.ByPoll, "the page did not respond"},
		"unknown to the vendor":              {func(v *fakeVendor) { v.shots = nil }, timeout, jobs.TimedOut, jobs.ByDeadline, "does not know"},
		"vendor down, within the grace":      {func(v *fakeVendor) { v.down = errors.New("unavailable") }, timeout, jobs.Pending, "", ""},
		"vendor down, grace over":            {func(v *fakeVendor) { v.down = errors.New("unavailable") }, timeout + grace, jobs.TimedOut, jobs.ByDeadline, "no result"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.load(2)
			r.submitAll()
			test.vendor(r.vendor)
			r.clock.advance(timeout - time.Second)
			r.must(r.CheckDeadlines(r.ctx()))
			r.expect(map[jobs.State]int64{jobs.Pending: 2})

			r.clock.advance(test.after - timeout + time.Second)
			r.must(r.CheckDeadlines(r.ctx()))
			r.expect(map[jobs.State]int64{test.state: 2})
			j := r.job(1)
			if j.ClosedBy != test.by || !strings.Contains(j.Error, test.reason) {
				t.Errorf("closed by %q with %q, want %q with %q", j.ClosedBy, j.Error, test.by, test.reason)
			}
			if end := j.SubmittedAt.Add(timeout + grace + deadlineBucket); test.state == jobs.Pending &&
				(!j.Deadline.After(r.clock.Now()) || j.Deadline.After(end)) {
				t.Errorf("at %s: got deadline %s, want a later one, at most %s", r.clock.Now(), j.Deadline, end)
			}
		})
	}
}

func TestFailedLookUpDoesNotTimeOutOtherJobs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(5)
	r.submitAll()
	r.vendor.end(client.StatusFinished)
	r.vendor.unlisted = true
	bad := r.vendor.shots[0].ID
	r.vendor.onInfo = func(id string) error {
		if id == bad {
			return &client.APIError{Op: "get screenshot", Status: 500}
		}
		return nil
	}
	for range 5 {
		r.clock.advance(30 * time.Second)
		r.must(r.CheckDeadlines(r.ctx()))
	}
	r.expect(map[jobs.State]int64{jobs.Done: 4, jobs.TimedOut: 1})
}

func TestAcknowledgedWebhookNeverLosesToTheDeadline(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(1)
	r.submitAll()
	r.clock.advance(3 * time.Minute)
	// The delivery is in the inbox, but not applied.
	_, err := r.store.AppendDelivery(r.ctx(), jobs.Delivery{
		ReceivedAt: r.clock.Now(), ScreenshotID: r.vendor.shots[0].ID, Outcome: jobs.OutcomeDone, Body: []byte("{}"),
	})
	r.must(err)
	r.must(r.CheckDeadlines(r.ctx()))
	r.expect(map[jobs.State]int64{jobs.Done: 1})
	if by := r.job(1).ClosedBy; by != jobs.ByWebhook {
		t.Errorf("closed by %q, want webhook", by)
	}
}

func TestLateResultRevisesTheSummary(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(1)
	r.submitAll()
	r.clock.advance(3 * time.Minute)
	r.must(r.CheckDeadlines(r.ctx()))
	r.must(r.SummarizeBatch(r.ctx(), rigBatch))
	r.expect(map[jobs.State]int64{jobs.TimedOut: 1})

	r.clock.advance(5 * time.Hour)
	r.webhook(r.vendor.shots[0].ID, jobs.OutcomeDone)
	r.expect(map[jobs.State]int64{jobs.Done: 1})
	if b := r.batch(); b.Revision != 2 || b.Counts.Late != 1 || b.Counts.ByProvenance[jobs.ByDeadline] != 0 {
		t.Errorf("revision %d, late %d, by deadline %d; want 2, 1, 0", b.Revision, b.Counts.Late, b.Counts.ByProvenance[jobs.ByDeadline])
	}
	r.sweep()
	r.must(r.SummarizeBatch(r.ctx(), rigBatch))
	if revision, _, err := r.full.Summary(r.ctx(), rigBatch); err != nil || revision != 2 {
		t.Errorf("summary of revision %d, %v; want 2", revision, err)
	}
}
