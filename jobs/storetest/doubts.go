package storetest

import (
	"time"

	"shotline/jobs"
)

var doubtTests = []test{
	{"a doubt says what may have been paid", func(b *book) {
		b.open("b1", pages(2)...)
		l := b.lease("b1", 1)[0]
		b.later(time.Second)
		intentAt := b.now
		l = b.intend(l)
		b.later(5 * time.Second)
		doubtAt := b.now
		b.must(b.Doubt(b.ctx(), []jobs.Lease{l}, b.now), "doubt")
		b.check()
		b.wantState(l.Job.ID, jobs.Submitting)
		b.later(time.Second)
		doubts := b.claimDoubts(b.now, 10)
		wantSame(b, "doubts", len(doubts), 1)
		s := doubts[0]
		wantSame(b, "job", s.Job, l.Job.ID)
		wantSame(b, "attempt", s.Attempt, 1)
		wantSame(b, "sends", s.Sends, 1)
		wantSame(b, "screenshot", s.ScreenshotID, "")
		wantSame(b, "tag", s.Tag(), jobs.SubmissionTag(l.Job.ID, 1))
		b.wantTime("intent at", s.IntentAt, intentAt)
		b.wantTime("doubt since", s.DoubtSince, doubtAt)

		b.later(time.Hour)
		b.expire(100, 0, 0)
	}},
	{"doubts are claimed oldest first and not again until due", func(b *book) {
		b.open("b1", pages(4)...)
		leases := b.sent("b1", 4)
		for _, i := range []int{2, 0, 3, 1} {
			b.must(b.Doubt(b.ctx(), leases[i:i+1], b.now), "doubt")
			b.later(time.Second)
		}
		again := b.now.Add(time.Minute)
		claim := func(at, again time.Time, limit int, want ...int64) {
			b.t.Helper()
			doubts, err := b.ClaimDoubts(b.ctx(), at, again, limit)
			b.must(err, "claim doubts")
			wantSame(b, "doubts claimed", len(doubts), len(want))
			for i, s := range doubts {
				wantSame(b, "row in doubt", s.Job.Row, want[i])
			}
		}
		claim(b.now, again, 3, 3, 1, 4)
		claim(b.now, again, 3, 2)
		claim(again.Add(-time.Second), again, 10)
		claim(again, again.Add(time.Minute), 10, 3, 1, 4, 2)
	}},
	{"a claim ends when the next look-up is set", func(b *book) {
		b.open("b1", pages(3)...)
		b.doubted("b1", 3)
		claimed := b.claimDoubts(b.now, 10)
		wantSame(b, "doubts", len(claimed), 3)
		b.observe(jobs.ByPoll, seen(row("b1", 2), jobs.OutcomeProcessing))
		stale := claimed[2]
		stale.DoubtSince = stale.DoubtSince.Add(-time.Second)
		b.must(b.RecheckDoubts(b.ctx(), []jobs.Submission{claimed[0], claimed[1], stale}, b.now.Add(2*time.Second)), "recheck")
		b.check()
		wantSame(b, "doubts before that", len(b.claimDoubts(b.now.Add(time.Second), 10)), 0)
		due := b.claimDoubts(b.now.Add(2*time.Second), 10)
		wantSame(b, "doubts then", len(due), 1)
		wantSame(b, "doubt", due[0], claimed[0])
	}},
	{"an adopted doubt is one no more", func(b *book) {
		b.open("b1", pages(2)...)
		id := b.doubted("b1", 1)[0].Job.ID
		b.later(time.Second)
		e := b.observe(jobs.ByPoll, seen(id, jobs.OutcomeProcessing))
		wantSame(b, "adopted", e.Adopted, 1)
		wantSame(b, "screenshot", b.wantState(id, jobs.Pending).ScreenshotID, shot(id))
		b.later(time.Hour)
		wantSame(b, "doubts left", len(b.claimDoubts(b.now, 10)), 0)
		b.expire(100, 0, 0)
	}},
	{"a doubt is sent anew only when it has settled", func(b *book) {
		b.open("b1", pages(4)...)
		b.doubted("b1", 2)
		b.later(10 * time.Second)
		b.doubted("b1", 2)
		young := b.now
		b.later(time.Second)
		doubts := b.claimDoubts(b.now, 10)
		wantSame(b, "doubts", len(doubts), 4)
		b.observe(jobs.ByPoll, seen(row("b1", 2), jobs.OutcomeProcessing))

		b.resend(doubts, young.Add(-time.Hour), 0)
		b.resend(doubts, young.Add(-5*time.Second), 1)
		b.wantState(row("b1", 1), jobs.Queued)
		b.wantState(row("b1", 2), jobs.Pending)
		b.wantState(row("b1", 3), jobs.Submitting)
		b.wantState(row("b1", 4), jobs.Submitting)
		b.resend(doubts, young.Add(-5*time.Second), 0)
	}},
	{"what is sent anew stays the same attempt and counts its sends", func(b *book) {
		b.open("b1", pages(1)...)
		b.doubted("b1", 1)
		b.later(time.Minute)
		doubts := b.claimDoubts(b.now, 10)
		b.resend(doubts, b.now, 1)
		wantSame(b, "attempt while queued", b.wantState(row("b1", 1), jobs.Queued).Attempt, 1)
		wantSame(b, "doubts after sending anew", len(b.claimDoubts(b.now.Add(time.Hour), 10)), 0)

		secondDoubt := b.doubted("b1", 1)
		wantSame(b, "attempt of the second send", secondDoubt[0].Attempt, 1)
		wantSame(b, "sends that its lease tells", secondDoubt[0].Sends, 2)
		b.later(time.Second)
		doubts = b.claimDoubts(b.now, 10)
		wantSame(b, "doubts", len(doubts), 1)
		wantSame(b, "sends", doubts[0].Sends, 2)
		b.wantTime("doubt since", doubts[0].DoubtSince, b.now.Add(-time.Second))
		wantSame(b, "calls", b.batch("b1").Counts.APICalls, 2)
	}},
	{"a screenshot found while queued anew is not paid again", func(b *book) {
		b.open("b1", pages(1)...)
		b.doubted("b1", 1)
		b.later(time.Minute)
		b.resend(b.claimDoubts(b.now, 10), b.now, 1)
		id := row("b1", 1)
		b.observe(jobs.ByPoll, seen(id, jobs.OutcomeProcessing))
		b.noLease("b1", b.now)
		wantSame(b, "screenshot", b.wantState(id, jobs.Pending).ScreenshotID, shot(id))
		b.wantClosed(b.webhook(id, jobs.OutcomeDone), jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByWebhook})
	}},
	{"a screenshot found while leased anew loses the lease", func(b *book) {
		b.open("b1", pages(1)...)
		b.doubted("b1", 1)
		b.later(time.Minute)
		b.resend(b.claimDoubts(b.now, 10), b.now, 1)
		l := b.lease("b1", 1)[0]
		b.observe(jobs.ByPoll, seen(l.Job.ID, jobs.OutcomeProcessing))
		b.wantState(l.Job.ID, jobs.Pending)
		_, err := b.OpenIntent(b.ctx(), l, b.now, b.now.Add(leaseTime))
		b.wantErr(err, jobs.ErrLeaseLost, "intent for an adopted submission")
	}},
	{"sending anew does not reopen what has ended", func(b *book) {
		b.open("b1", pages(2)...)
		b.doubted("b1", 1)
		b.later(time.Minute)
		doubts := b.claimDoubts(b.now, 10)
		b.shut(cancel(row("b1", 1)))
		b.resend(doubts, b.now, 0)
		b.wantState(row("b1", 1), jobs.Canceled)
	}},
}

// claimDoubts claims what is due by at for an hour.
func (b *book) claimDoubts(at time.Time, limit int) []jobs.Submission {
	b.t.Helper()
	doubts, err := b.ClaimDoubts(b.ctx(), at, at.Add(time.Hour), limit)
	b.must(err, "claim doubts")
	b.check()
	return doubts
}

// resend sends doubts anew and asserts for how many that was right.
func (b *book) resend(doubts []jobs.Submission, settledBefore time.Time, want int) jobs.Effects {
	b.t.Helper()
	effects, err := b.Resend(b.ctx(), doubts, settledBefore, b.now)
	b.must(err, "resend")
	b.check()
	wantSame(b, "sent anew", effects.Requeued, want)
	return effects
}
