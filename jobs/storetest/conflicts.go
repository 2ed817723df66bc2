package storetest

import (
	"time"

	"shotline/jobs"
)

var conflictTests = []test{
	{"the vendor is asked about a contradicted screenshot", func(b *book) {
		b.open("b1", pages(3)...)
		ids := b.pending("b1", 3)
		b.webhook(ids[0], jobs.OutcomeDone)
		b.webhook(ids[1], jobs.OutcomeDone)
		b.webhook(ids[1], jobs.OutcomeDone)
		wantSame(b, "conflicts before any", len(b.claimConflicts(b.now)), 0)
		b.later(time.Second)
		b.webhook(ids[0], jobs.OutcomeFailed)
		j := b.wantState(ids[0], jobs.Done)
		wantSame(b, "first result", j.FirstResult, jobs.OutcomeDone)
		wantSame(b, "vendor says", j.VendorSays, jobs.OutcomeNone)
		wantSame(b, "conflicts before their time", len(b.claimConflicts(b.now.Add(-time.Second))), 0)
		want := jobs.Conflict{Job: ids[0], Attempt: 1, ScreenshotID: shot(ids[0]), Recorded: jobs.OutcomeDone, Since: b.now}
		b.wantConflicts(b.claimConflicts(b.now), want)
		wantSame(b, "claimed again", len(b.claimConflicts(b.now)), 0)
		b.later(time.Hour) // whoever claimed it has died
		want.Checks = 1
		b.wantConflicts(b.claimConflicts(b.now), want)
	}},
	{"a conflict has the timeout of its row", func(b *book) {
		rows := pages(1)
		rows[0].Timeout = 90 * time.Second
		b.open("b1", rows...)
		id := b.pending("b1", 1)[0]
		b.webhook(id, jobs.OutcomeFailed)
		b.webhook(id, jobs.OutcomeDone)
		b.wantConflicts(b.claimConflicts(b.now), jobs.Conflict{
			Job: id, Attempt: 1, ScreenshotID: shot(id), Recorded: jobs.OutcomeFailed, Since: b.now, Timeout: 90 * time.Second,
		})
	}},
	{"both results in one step are a conflict", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.pending("b1", 1)[0]
		b.deliver(shot(id), jobs.OutcomeFailed)
		b.deliver(shot(id), jobs.OutcomeDone)
		b.apply()
		b.wantConflicts(b.claimConflicts(b.now),
			jobs.Conflict{Job: id, Attempt: 1, ScreenshotID: shot(id), Recorded: jobs.OutcomeFailed, Since: b.now})
	}},
	{"a create's answer is contradicted, and settles nothing", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.pending("b1", 1)[0]
		b.webhook(id, jobs.OutcomeFailed)
		wantSame(b, "conflicts", b.observe(jobs.ByCreate, seen(id, jobs.OutcomeDone)).Conflicts, 1)
		b.wantState(id, jobs.Failed)
		wantSame(b, "to be checked", len(b.claimConflicts(b.now)), 1)
	}},
	{"conflicts are claimed oldest first, up to a limit, of all batches or of one", func(b *book) {
		b.open("b1", pages(3)...)
		b.open("b2", pages(1)...)
		for _, id := range append(b.pending("b1", 3), b.pending("b2", 1)...) {
			b.webhook(id, jobs.OutcomeDone)
		}
		for _, id := range []jobs.ID{row("b1", 2), row("b1", 3), row("b2", 1), row("b1", 1)} {
			b.webhook(id, jobs.OutcomeFailed)
			b.later(time.Second)
		}
		claim := func(batch string, limit int, want ...jobs.ID) {
			b.t.Helper()
			claimed, err := b.ClaimConflicts(b.ctx(), batch, b.now, b.now.Add(time.Minute), limit)
			b.must(err, "claim conflicts")
			wantSame(b, "conflicts", len(claimed), len(want))
			for i := range want {
				wantSame(b, "conflict", claimed[i].Job, want[i])
			}
		}
		claim("b2", 9, row("b2", 1))
		claim("", 2, row("b1", 2), row("b1", 3))
		claim("", 9, row("b1", 1))
		_, err := b.ClaimConflicts(b.ctx(), "nothere", b.now, b.now, 1)
		b.wantErr(err, jobs.ErrNotFound, "conflicts of no batch")
	}},
	{"a vendor that cannot tell is asked again, or not any more", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.pending("b1", 1)[0]
		b.webhook(id, jobs.OutcomeDone)
		b.webhook(id, jobs.OutcomeFailed)
		b.claimConflicts(b.now)
		b.recheck(id, jobs.OutcomeNone, b.now.Add(time.Second)) // it was not reached
		wantSame(b, "says", b.job(id).VendorSays, jobs.OutcomeNone)
		b.later(time.Second)
		wantSame(b, "due", len(b.claimConflicts(b.now)), 1)
		b.recheck(id, jobs.OutcomeProcessing, b.now.Add(time.Minute))
		wantSame(b, "says", b.job(id).VendorSays, jobs.OutcomeProcessing)
		wantSame(b, "due too early", len(b.claimConflicts(b.now)), 0)
		b.later(time.Minute)
		claimed := b.claimConflicts(b.now)
		wantSame(b, "due", len(claimed), 1)
		wantSame(b, "said before", claimed[0].Says, jobs.OutcomeProcessing)
		wantSame(b, "checks before", claimed[0].Checks, 2)
		b.recheck(id, jobs.OutcomeUnknown, time.Time{})
		b.later(time.Hour)
		wantSame(b, "due", len(b.claimConflicts(b.now)), 0)
		j := b.wantState(id, jobs.Done)
		wantSame(b, "says", j.VendorSays, jobs.OutcomeUnknown)
		wantSame(b, "corrected", j.Corrected, false)
		b.recheck(id, jobs.OutcomeProcessing, b.now) // of somebody who is late
		wantSame(b, "says", b.job(id).VendorSays, jobs.OutcomeUnknown)
		err := b.RecheckConflicts(b.ctx(), []jobs.ConflictRecheck{{Job: id, Attempt: 1, Says: jobs.OutcomeFailed}})
		b.wantErr(err, jobs.ErrInvalid, "a word that is a result")
	}},
	{"what contradicts a vendor that could not tell has it asked again", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.pending("b1", 1)[0]
		b.webhook(id, jobs.OutcomeDone)
		b.webhook(id, jobs.OutcomeFailed)
		b.claimConflicts(b.now)
		b.recheck(id, jobs.OutcomeUnknown, time.Time{})
		b.later(time.Hour)
		b.webhook(id, jobs.OutcomeFailed)
		claimed := b.claimConflicts(b.now)
		wantSame(b, "due", len(claimed), 1)
		wantSame(b, "checks before", claimed[0].Checks, 0)
		b.wantTime("since", claimed[0].Since, b.now)
	}},
	{"a retry does not end a conflict", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.pending("b1", 1)[0]
		b.webhook(id, jobs.OutcomeFailed)
		b.webhook(id, jobs.OutcomeDone)
		b.retried(id)
		wantSame(b, "conflicts stay", b.job(id).Conflicts, 1)
		claimed := b.claimConflicts(b.now)
		wantSame(b, "due", len(claimed), 1)
		wantSame(b, "attempt", claimed[0].Attempt, 1)
		wantSame(b, "screenshot", claimed[0].ScreenshotID, shot(id))
	}},
	{"of one job the vendor is asked about one screenshot at a time", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.pending("b1", 1)[0]
		b.webhook(id, jobs.OutcomeFailed)
		b.retried(id)
		b.again(id)
		b.result(id, 2, jobs.OutcomeFailed)
		b.result(id, 2, jobs.OutcomeDone)
		b.result(id, 1, jobs.OutcomeDone)
		for _, attempt := range []int{2, 1} {
			claimed := b.claimConflicts(b.now)
			wantSame(b, "due", len(claimed), 1)
			wantSame(b, "attempt", claimed[0].Attempt, attempt)
		}
	}},
	{"nobody is asked about a double charge", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.pending("b1", 1)[0]
		extra := seen(id, jobs.OutcomeDone)
		extra.ScreenshotID = "extra"
		b.observe(jobs.ByPoll, extra)
		extra.Outcome = jobs.OutcomeFailed
		wantSame(b, "conflicts", b.observe(jobs.ByPoll, extra).Conflicts, 1)
		wantSame(b, "to check", len(b.claimConflicts(b.now)), 0)
		b.wantState(id, jobs.Pending)
	}},
}

// claimConflicts claims what is due by at for half an hour.
func (b *book) claimConflicts(at time.Time) []jobs.Conflict {
	b.t.Helper()
	claimed, err := b.ClaimConflicts(b.ctx(), "", at, at.Add(30*time.Minute), 100)
	b.must(err, "claim conflicts")
	b.check()
	return claimed
}

func (b *book) wantConflicts(got []jobs.Conflict, want ...jobs.Conflict) {
	b.t.Helper()
	wantSame(b, "conflicts", len(got), len(want))
	for i := range want {
		b.wantTime("since", got[i].Since, want[i].Since)
		got[i].Since = want[i].Since
		wantSame(b, "conflict", got[i], want[i])
	}
}

// recheck records that the vendor gave no result about a job's first attempt.
func (b *book) recheck(id jobs.ID, says jobs.Outcome, next time.Time) {
	b.t.Helper()
	b.must(b.RecheckConflicts(b.ctx(), []jobs.ConflictRecheck{{Job: id, Attempt: 1, Says: says, Next: next}}), "check again")
	b.check()
}
