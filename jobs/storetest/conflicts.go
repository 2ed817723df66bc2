package storetest

import (
	"time"

	"shotline/jobs"
)

var conflictTests = []test{
	{"a contradicted job is checked once", func(b *book) {
		b.open("b1", pages(3)...)
		ids := b.pending("b1", 3)
		b.webhook(ids[0], jobs.OutcomeDone)
		b.webhook(ids[1], jobs.OutcomeDone)
		b.webhook(ids[1], jobs.OutcomeDone)
		wantSame(b, "conflicts before any", len(b.claimConflicts(b.now)), 0)
		b.later(time.Second)
		b.webhook(ids[0], jobs.OutcomeFailed)
		wantSame(b, "conflicts before their time", len(b.claimConflicts(b.now.Add(-time.Second))), 0)
		claimed := b.claimConflicts(b.now)
		wantSame(b, "conflicts", len(claimed), 1)
		wantSame(b, "conflict", claimed[0], jobs.Conflict{Job: ids[0], Attempt: 1, ScreenshotID: shot(ids[0]), Recorded: jobs.OutcomeDone})
		wantSame(b, "claimed again", len(b.claimConflicts(b.now)), 0)

		b.later(time.Hour) // the vendor could not be asked
		wantSame(b, "due again", len(b.claimConflicts(b.now)), 1)
		before := b.job(ids[0])
		claimed[0].Says = jobs.OutcomeFailed
		b.wantSettled(claimed, 1)
		b.wantSettled(claimed, 0)
		after := b.wantState(ids[0], jobs.Done)
		wantSame(b, "vendor says", after.VendorSays, jobs.OutcomeFailed)
		wantSame(b, "image", after.ImageURL, before.ImageURL)
		wantSame(b, "closed by", after.ClosedBy, before.ClosedBy)

		b.webhook(ids[0], jobs.OutcomeFailed)
		wantSame(b, "counted", b.job(ids[0]).Conflicts, 2)
		b.later(time.Hour)
		wantSame(b, "checked again", len(b.claimConflicts(b.now)), 0)
	}},
	{"both results in one step are a conflict to check", func(b *book) {
		b.open("b1", pages(2)...)
		ids := b.pending("b1", 2)
		b.deliver(shot(ids[0]), jobs.OutcomeFailed)
		b.deliver(shot(ids[0]), jobs.OutcomeDone)
		b.apply()
		claimed := b.claimConflicts(b.now)
		wantSame(b, "conflicts", len(claimed), 1)
		wantSame(b, "recorded", claimed[0].Recorded, jobs.OutcomeFailed)
		b.observe(jobs.ByPoll, seen(ids[1], jobs.OutcomeDone), seen(ids[1], jobs.OutcomeFailed))
		wantSame(b, "conflict of a poll", b.claimConflicts(b.now)[0].Job, ids[1])
	}},
	{"a vendor that cannot tell ends the check, not the next one", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.pending("b1", 1)[0]
		b.webhook(id, jobs.OutcomeDone)
		b.webhook(id, jobs.OutcomeFailed)
		b.wantSettled(b.claimConflicts(b.now), 1)
		b.later(time.Hour)
		wantSame(b, "due", len(b.claimConflicts(b.now)), 0)
		b.webhook(id, jobs.OutcomeFailed)
		wantSame(b, "due", len(b.claimConflicts(b.now)), 1)
	}},
	{"only the screenshot that a job shows is checked", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.pending("b1", 1)[0]
		extra := seen(id, jobs.OutcomeDone)
		extra.ScreenshotID = "extra"
		b.observe(jobs.ByPoll, extra)
		extra.Outcome = jobs.OutcomeFailed
		wantSame(b, "conflicts", b.observe(jobs.ByPoll, extra).Conflicts, 1)
		wantSame(b, "to check", len(b.claimConflicts(b.now)), 0)
	}},
	{"a retry ends the check", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.pending("b1", 1)[0]
		b.webhook(id, jobs.OutcomeFailed)
		b.webhook(id, jobs.OutcomeDone)
		claimed := b.claimConflicts(b.now)
		b.retried(id)
		claimed[0].Says = jobs.OutcomeDone
		b.wantSettled(claimed, 0)
		j := b.job(id)
		wantSame(b, "vendor says", j.VendorSays, jobs.OutcomeNone)
		wantSame(b, "conflicts stay", j.Conflicts, 1)
		b.later(time.Hour)
		wantSame(b, "due", len(b.claimConflicts(b.now)), 0)
	}},
	{"conflicts are claimed oldest first, up to a limit", func(b *book) {
		b.open("b1", pages(3)...)
		for _, id := range b.pending("b1", 3) {
			b.webhook(id, jobs.OutcomeDone)
		}
		for _, n := range []int64{2, 3, 1} {
			b.webhook(row("b1", n), jobs.OutcomeFailed)
			b.later(time.Second)
		}
		claimed, err := b.ClaimConflicts(b.ctx(), b.now, b.now.Add(time.Minute), 2)
		b.must(err, "claim conflicts")
		wantSame(b, "conflicts", len(claimed), 2)
		wantSame(b, "first", claimed[0].Job, row("b1", 2))
		wantSame(b, "second", claimed[1].Job, row("b1", 3))
		wantSame(b, "left", b.claimConflicts(b.now)[0].Job, row("b1", 1))
		claimed[0].Says = jobs.OutcomeProcessing
		_, err = b.SettleConflicts(b.ctx(), claimed)
		b.wantErr(err, jobs.ErrInvalid, "a word that is no result")
	}},
}

// claimConflicts claims what is due by at for half an hour.
func (b *book) claimConflicts(at time.Time) []jobs.Conflict {
	b.t.Helper()
	claimed, err := b.ClaimConflicts(b.ctx(), at, at.Add(30*time.Minute), 100)
	b.must(err, "claim conflicts")
	b.check()
	return claimed
}

func (b *book) wantSettled(told []jobs.Conflict, want int) {
	b.t.Helper()
	settled, err := b.SettleConflicts(b.ctx(), told)
	b.must(err, "settle conflicts")
	b.check()
	wantSame(b, "checks ended", len(settled), want)
}
