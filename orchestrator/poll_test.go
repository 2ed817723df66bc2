package orchestrator

import (
	"testing"
	"time"

	"shotline/client"
	"shotline/jobs"
)

func TestPollingClosesInBulk(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(250)
	r.submitAll()
	r.vendor.end(client.StatusFinished)
	before := r.vendor.calls
	closed, err := r.PollOnce(r.ctx(), 0)
	r.must(err)
	if closed != 250 {
		t.Errorf("closed %d, want 250", closed)
	}
	if calls := r.vendor.calls - before; calls > 3 {
		t.Errorf("%d calls for 250 rows at 100 a page, want 3", calls)
	}
	r.expect(map[jobs.State]int64{jobs.Done: 250})
}

func TestPollingFewJobsUsesSingleCalls(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(250)
	r.submitAll()
	r.webhooks(jobs.OutcomeDone, r.vendor.shots[2:]...)
	r.vendor.end(client.StatusFinished)
	before := r.vendor.calls
	closed, err := r.PollOnce(r.ctx(), 0)
	r.must(err)
	if calls := r.vendor.calls - before; closed != 2 || calls != 2 {
		t.Errorf("closed %d with %d calls, want 2 with 2", closed, calls)
	}
}

func TestPollingAVendorThatMatchesOnlyTheFirstTag(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(5)
	r.vendor.untagged = true
	r.submitAll()
	r.vendor.end(client.StatusFinished)
	closed, err := r.PollOnce(r.ctx(), 0)
	r.must(err)
	if closed != 5 {
		t.Errorf("closed %d, want 5", closed)
	}
}

func TestYoungJobsAreNotPolled(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.load(3)
	r.submitAll()
	before := r.vendor.calls
	_, err := r.PollOnce(r.ctx(), 10*time.Second)
	r.must(err)
	if r.vendor.calls != before {
		t.Error("young jobs were polled")
	}
}

func TestPace(t *testing.T) {
	t.Parallel()
	backup := newPace(PollBackup)
	if backup.wait != slowPoll {
		t.Errorf("with webhooks the first poll comes after %s, want %s", backup.wait, slowPoll)
	}
	if sooner := backup.next(3); sooner.wait >= backup.wait {
		t.Errorf("after a poll that closed jobs the wait is %s, want less than %s", sooner.wait, backup.wait)
	}
	if later := backup.next(0); later.wait <= backup.wait {
		t.Errorf("after a poll that closed nothing the wait is %s, want more than %s", later.wait, backup.wait)
	}
	only := newPace(PollOnly)
	for range 20 {
		only = only.next(0)
	}
	if only.wait != slowPoll {
		t.Errorf("without results polling slows down to %s, want %s", only.wait, slowPoll)
	}
	if only = only.next(1); only.wait != quickPoll {
		t.Errorf("after a result the wait is %s, want %s", only.wait, quickPoll)
	}
}
