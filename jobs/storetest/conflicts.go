package storetest

import (
	"time"

	"shotline/jobs"
)

var conflictTests = []test{
	{"a contradicted screenshot has a conflict to check", func(f *fixture) {
		f.open("b1", pages(3)...)
		ids := f.pending("b1", 3)
		f.webhook(ids[0], jobs.OutcomeDone)
		f.webhook(ids[1], jobs.OutcomeDone)
		f.webhook(ids[1], jobs.OutcomeDone)
		wantSame(f, "conflicts before any", len(f.claimConflicts(f.now)), 0)
		f.later(time.Second)
		f.webhook(ids[0], jobs.OutcomeFailed)
		j := f.wantState(ids[0], jobs.Done)
		wantSame(f, "first result", j.FirstResult, jobs.OutcomeDone)
		wantSame(f, "vendor's result", j.VendorSays, jobs.OutcomeNone)
		wantSame(f, "conflicts before their time", len(f.claimConflicts(f.now.Add(-time.Second))), 0)
		want := jobs.Conflict{Job: ids[0], Attempt: 1, ScreenshotID: shot(ids[0]), Recorded: jobs.OutcomeDone, Since: f.now}
		f.wantConflicts(f.claimConflicts(f.now), want)
		wantSame(f, "claimed again", len(f.claimConflicts(f.now)), 0)
		f.later(time.Hour) // the process with the claim has died
		want.Checks = 1
		f.wantConflicts(f.claimConflicts(f.now), want)
	}},
	{"a conflict has the timeout of its row", func(f *fixture) {
		rows := pages(1)
		rows[0].Timeout = 90 * time.Second
		f.open("b1", rows...)
		id := f.pending("b1", 1)[0]
		f.webhook(id, jobs.OutcomeFailed)
		f.webhook(id, jobs.OutcomeDone)
		f.wantConflicts(f.claimConflicts(f.now), jobs.Conflict{
			Job: id, Attempt: 1, ScreenshotID: shot(id), Recorded: jobs.OutcomeFailed, Since: f.now, Timeout: 90 * time.Second,
		})
	}},
	{"both results in one step are a conflict", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.pending("b1", 1)[0]
		f.deliver(shot(id), jobs.OutcomeFailed)
		f.deliver(shot(id), jobs.OutcomeDone)
		f.apply()
		f.wantConflicts(f.claimConflicts(f.now),
			jobs.Conflict{Job: id, Attempt: 1, ScreenshotID: shot(id), Recorded: jobs.OutcomeFailed, Since: f.now})
	}},
	{"a create's response can be contradicted, and does not settle a conflict", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.pending("b1", 1)[0]
		f.webhook(id, jobs.OutcomeFailed)
		wantSame(f, "conflicts", f.observe(jobs.ByCreate, seen(id, jobs.OutcomeDone)).Conflicts, 1)
		f.wantState(id, jobs.Failed)
		wantSame(f, "to be checked", len(f.claimConflicts(f.now)), 1)
	}},
	{"conflicts are claimed oldest first, up to a limit, of all batches or of one", func(f *fixture) {
		f.open("b1", pages(3)...)
		f.open("b2", pages(1)...)
		for _, id := range append(f.pending("b1", 3), f.pending("b2", 1)...) {
			f.webhook(id, jobs.OutcomeDone)
		}
		for _, id := range []jobs.ID{row("b1", 2), row("b1", 3), row("b2", 1), row("b1", 1)} {
			f.webhook(id, jobs.OutcomeFailed)
			f.later(time.Second)
		}
		claim := func(batch string, limit int, want ...jobs.ID) {
			f.t.Helper()
			claimed, err := f.ClaimConflicts(f.ctx(), batch, f.now, f.now.Add(time.Minute), limit)
			f.must(err, "claim conflicts")
			wantSame(f, "conflicts", len(claimed), len(want))
			for i := range want {
				wantSame(f, "conflict", claimed[i].Job, want[i])
			}
		}
		claim("b2", 9, row("b2", 1))
		claim("", 2, row("b1", 2), row("b1", 3))
		claim("", 9, row("b1", 1))
		_, err := f.ClaimConflicts(f.ctx(), "nothere", f.now, f.now, 1)
		f.wantErr(err, jobs.ErrNotFound, "conflicts of an unknown batch")
	}},
	{"a conflict without a vendor's result is checked again or left", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.pending("b1", 1)[0]
		f.webhook(id, jobs.OutcomeDone)
		f.webhook(id, jobs.OutcomeFailed)
		f.claimConflicts(f.now)
		f.recheck(id, jobs.OutcomeNone, f.now.Add(time.Second)) // the vendor could not be reached
		wantSame(f, "vendor's result", f.job(id).VendorSays, jobs.OutcomeNone)
		f.later(time.Second)
		wantSame(f, "due", len(f.claimConflicts(f.now)), 1)
		f.recheck(id, jobs.OutcomeProcessing, f.now.Add(time.Minute))
		wantSame(f, "vendor's result", f.job(id).VendorSays, jobs.OutcomeProcessing)
		wantSame(f, "due too early", len(f.claimConflicts(f.now)), 0)
		f.later(time.Minute)
		claimed := f.claimConflicts(f.now)
		wantSame(f, "due", len(claimed), 1)
		wantSame(f, "vendor's earlier result", claimed[0].Says, jobs.OutcomeProcessing)
		wantSame(f, "checks before", claimed[0].Checks, 2)
		f.recheck(id, jobs.OutcomeUnknown, time.Time{})
		f.later(time.Hour)
		wantSame(f, "due", len(f.claimConflicts(f.now)), 0)
		j := f.wantState(id, jobs.Done)
		wantSame(f, "vendor's result", j.VendorSays, jobs.OutcomeUnknown)
		wantSame(f, "corrected", j.Corrected, false)
		f.recheck(id, jobs.OutcomeProcessing, f.now) // from a process that is late
		wantSame(f, "vendor's result", f.job(id).VendorSays, jobs.OutcomeUnknown)
		err := f.RecheckConflicts(f.ctx(), []jobs.ConflictRecheck{{Job: id, Attempt: 1, Says: jobs.OutcomeFailed}})
		f.wantErr(err, jobs.ErrInvalid, "recheck with a result")
	}},
	{"a contradiction after a check without result is checked again", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.pending("b1", 1)[0]
		f.webhook(id, jobs.OutcomeDone)
		f.webhook(id, jobs.OutcomeFailed)
		f.claimConflicts(f.now)
		f.recheck(id, jobs.OutcomeUnknown, time.Time{})
		f.later(time.Hour)
		f.webhook(id, jobs.OutcomeFailed)
		claimed := f.claimConflicts(f.now)
		wantSame(f, "due", len(claimed), 1)
		wantSame(f, "checks before", claimed[0].Checks, 0)
		f.wantTime("since", claimed[0].Since, f.now)
	}},
	{"a retry does not end a conflict", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.pending("b1", 1)[0]
		f.webhook(id, jobs.OutcomeFailed)
		f.webhook(id, jobs.OutcomeDone)
		f.retryJobs(id)
		wantSame(f, "conflicts stay", f.job(id).Conflicts, 1)
		claimed := f.claimConflicts(f.now)
		wantSame(f, "due", len(claimed), 1)
		wantSame(f, "attempt", claimed[0].Attempt, 1)
		wantSame(f, "screenshot", claimed[0].ScreenshotID, shot(id))
	}},
	{"the conflicts of one job are checked one at a time", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.pending("b1", 1)[0]
		f.webhook(id, jobs.OutcomeFailed)
		f.retryJobs(id)
		f.pendingRetry(id)
		f.result(id, 2, jobs.OutcomeFailed)
		f.result(id, 2, jobs.OutcomeDone)
		f.result(id, 1, jobs.OutcomeDone)
		for _, attempt := range []int{2, 1} {
			claimed := f.claimConflicts(f.now)
			wantSame(f, "due", len(claimed), 1)
			wantSame(f, "attempt", claimed[0].Attempt, attempt)
		}
	}},
	{"a contradiction about a double charge is not checked", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.pending("b1", 1)[0]
		extra := seen(id, jobs.OutcomeDone)
		extra.ScreenshotID = "extra"
		f.observe(jobs.ByPoll, extra)
		extra.Outcome = jobs.OutcomeFailed
		wantSame(f, "conflicts", f.observe(jobs.ByPoll, extra).Conflicts, 1)
		wantSame(f, "to check", len(f.claimConflicts(f.now)), 0)
		f.wantState(id, jobs.Pending)
	}},
}

// claimConflicts claims the conflicts that are due by at, for half an hour.
func (f *fixture) claimConflicts(at time.Time) []jobs.Conflict {
	f.t.Helper()
	claimed, err := f.ClaimConflicts(f.ctx(), "", at, at.Add(30*time.Minute), 100)
	f.must(err, "claim conflicts")
	f.check()
	return claimed
}

func (f *fixture) wantConflicts(got []jobs.Conflict, want ...jobs.Conflict) {
	f.t.Helper()
	wantSame(f, "conflicts", len(got), len(want))
	for i := range want {
		f.wantTime("since", got[i].Since, want[i].Since)
		got[i].Since = want[i].Since
		wantSame(f, "conflict", got[i], want[i])
	}
}

// recheck records that the vendor gave no result for a job's first attempt.
func (f *fixture) recheck(id jobs.ID, says jobs.Outcome, next time.Time) {
	f.t.Helper()
	f.must(f.RecheckConflicts(f.ctx(), []jobs.ConflictRecheck{{Job: id, Attempt: 1, Says: says, Next: next}}), "check again")
	f.check()
}
