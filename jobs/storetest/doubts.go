package storetest

import (
	"time"

	"shotline/jobs"
)

var doubtTests = []test{
	{"a doubt describes the create that might be paid for", func(f *fixture) {
		f.open("b1", pages(2)...)
		l := f.lease("b1", 1)[0]
		f.later(time.Second)
		intentAt := f.now
		l = f.intend(l)
		f.later(5 * time.Second)
		doubtAt := f.now
		f.must(f.Doubt(f.ctx(), []jobs.Lease{l}, f.now), "doubt")
		f.check()
		f.wantState(l.Job.ID, jobs.Submitting)
		f.later(time.Second)
		doubts := f.claimDoubts(f.now, 10)
		wantSame(f, "doubts", len(doubts), 1)
		s := doubts[0]
		wantSame(f, "job", s.Job, l.Job.ID)
		wantSame(f, "attempt", s.Attempt, 1)
		wantSame(f, "sends", s.Sends, 1)
		wantSame(f, "screenshot", s.ScreenshotID, "")
		wantSame(f, "tag", s.Tag(), jobs.SubmissionTag(l.Job.ID, 1))
		f.wantTime("intent at", s.IntentAt, intentAt)
		f.wantTime("doubt since", s.DoubtSince, doubtAt)

		f.later(time.Hour)
		f.expire(100, 0, 0)
	}},
	{"doubts are claimed oldest first and not again until due", func(f *fixture) {
		f.open("b1", pages(4)...)
		leases := f.leaseAndIntend("b1", 4)
		for _, i := range []int{2, 0, 3, 1} {
			f.must(f.Doubt(f.ctx(), leases[i:i+1], f.now), "doubt")
			f.later(time.Second)
		}
		again := f.now.Add(time.Minute)
		claim := func(at, again time.Time, limit int, want ...int64) {
			f.t.Helper()
			doubts, err := f.ClaimDoubts(f.ctx(), at, again, limit)
			f.must(err, "claim doubts")
			wantSame(f, "doubts claimed", len(doubts), len(want))
			for i, s := range doubts {
				wantSame(f, "row in doubt", s.Job.Row, want[i])
			}
		}
		claim(f.now, again, 3, 3, 1, 4)
		claim(f.now, again, 3, 2)
		claim(again.Add(-time.Second), again, 10)
		claim(again, again.Add(time.Minute), 10, 3, 1, 4, 2)
	}},
	{"a claim ends when the next look-up is set", func(f *fixture) {
		f.open("b1", pages(3)...)
		f.leaseAndDoubt("b1", 3)
		claimed := f.claimDoubts(f.now, 10)
		wantSame(f, "doubts", len(claimed), 3)
		f.observe(jobs.ByPoll, seen(row("b1", 2), jobs.OutcomeProcessing))
		stale := claimed[2]
		stale.DoubtSince = stale.DoubtSince.Add(-time.Second)
		f.must(f.RecheckDoubts(f.ctx(), []jobs.Submission{claimed[0], claimed[1], stale}, f.now.Add(2*time.Second)), "recheck")
		f.check()
		wantSame(f, "doubts before the recheck is due", len(f.claimDoubts(f.now.Add(time.Second), 10)), 0)
		due := f.claimDoubts(f.now.Add(2*time.Second), 10)
		wantSame(f, "doubts when the recheck is due", len(due), 1)
		wantSame(f, "doubt", due[0], claimed[0])
	}},
	{"an adopted submission is no longer in doubt", func(f *fixture) {
		f.open("b1", pages(2)...)
		id := f.leaseAndDoubt("b1", 1)[0].Job.ID
		f.later(time.Second)
		e := f.observe(jobs.ByPoll, seen(id, jobs.OutcomeProcessing))
		wantSame(f, "adopted", e.Adopted, 1)
		wantSame(f, "screenshot", f.wantState(id, jobs.Pending).ScreenshotID, shot(id))
		f.later(time.Hour)
		wantSame(f, "doubts left", len(f.claimDoubts(f.now, 10)), 0)
		f.expire(100, 0, 0)
	}},
	{"a doubt is sent again only after the settle time", func(f *fixture) {
		f.open("b1", pages(4)...)
		f.leaseAndDoubt("b1", 2)
		f.later(10 * time.Second)
		f.leaseAndDoubt("b1", 2)
		young := f.now
		f.later(time.Second)
		doubts := f.claimDoubts(f.now, 10)
		wantSame(f, "doubts", len(doubts), 4)
		f.observe(jobs.ByPoll, seen(row("b1", 2), jobs.OutcomeProcessing))

		f.resend(doubts, young.Add(-time.Hour), 0)
		f.resend(doubts, young.Add(-5*time.Second), 1)
		f.wantState(row("b1", 1), jobs.Queued)
		f.wantState(row("b1", 2), jobs.Pending)
		f.wantState(row("b1", 3), jobs.Submitting)
		f.wantState(row("b1", 4), jobs.Submitting)
		f.resend(doubts, young.Add(-5*time.Second), 0)
	}},
	{"a submission that is sent again keeps its attempt and counts its sends", func(f *fixture) {
		f.open("b1", pages(1)...)
		f.leaseAndDoubt("b1", 1)
		f.later(time.Minute)
		doubts := f.claimDoubts(f.now, 10)
		f.resend(doubts, f.now, 1)
		wantSame(f, "attempt while queued", f.wantState(row("b1", 1), jobs.Queued).Attempt, 1)
		wantSame(f, "doubts after the resend", len(f.claimDoubts(f.now.Add(time.Hour), 10)), 0)

		secondDoubt := f.leaseAndDoubt("b1", 1)
		wantSame(f, "attempt of the second send", secondDoubt[0].Attempt, 1)
		wantSame(f, "sends in the lease", secondDoubt[0].Sends, 2)
		f.later(time.Second)
		doubts = f.claimDoubts(f.now, 10)
		wantSame(f, "doubts", len(doubts), 1)
		wantSame(f, "sends", doubts[0].Sends, 2)
		f.wantTime("doubt since", doubts[0].DoubtSince, f.now.Add(-time.Second))
		wantSame(f, "calls", f.batch("b1").Counts.APICalls, 2)
	}},
	{"a screenshot found while its job is queued again is not paid for again", func(f *fixture) {
		f.open("b1", pages(1)...)
		f.leaseAndDoubt("b1", 1)
		f.later(time.Minute)
		f.resend(f.claimDoubts(f.now, 10), f.now, 1)
		id := row("b1", 1)
		f.observe(jobs.ByPoll, seen(id, jobs.OutcomeProcessing))
		f.noLease("b1", f.now)
		wantSame(f, "screenshot", f.wantState(id, jobs.Pending).ScreenshotID, shot(id))
		f.wantClosed(f.webhook(id, jobs.OutcomeDone), jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByWebhook})
	}},
	{"a screenshot found while its job is leased again ends the lease", func(f *fixture) {
		f.open("b1", pages(1)...)
		f.leaseAndDoubt("b1", 1)
		f.later(time.Minute)
		f.resend(f.claimDoubts(f.now, 10), f.now, 1)
		l := f.lease("b1", 1)[0]
		f.observe(jobs.ByPoll, seen(l.Job.ID, jobs.OutcomeProcessing))
		f.wantState(l.Job.ID, jobs.Pending)
		_, err := f.OpenIntent(f.ctx(), l, f.now, f.now.Add(leaseTime))
		f.wantErr(err, jobs.ErrLeaseLost, "intent for an adopted submission")
	}},
	{"a resend does not reopen a closed job", func(f *fixture) {
		f.open("b1", pages(2)...)
		f.leaseAndDoubt("b1", 1)
		f.later(time.Minute)
		doubts := f.claimDoubts(f.now, 10)
		f.closeJobs(cancel(row("b1", 1)))
		f.resend(doubts, f.now, 0)
		f.wantState(row("b1", 1), jobs.Canceled)
	}},
}

// claimDoubts claims the doubts that are due by at, for an hour.
func (f *fixture) claimDoubts(at time.Time, limit int) []jobs.Submission {
	f.t.Helper()
	doubts, err := f.ClaimDoubts(f.ctx(), at, at.Add(time.Hour), limit)
	f.must(err, "claim doubts")
	f.check()
	return doubts
}

// resend sends doubts again and asserts how many could be sent again.
func (f *fixture) resend(doubts []jobs.Submission, settledBefore time.Time, want int) jobs.Effects {
	f.t.Helper()
	effects, err := f.Resend(f.ctx(), doubts, settledBefore, f.now)
	f.must(err, "resend")
	f.check()
	wantSame(f, "sent again", effects.Requeued, want)
	return effects
}
