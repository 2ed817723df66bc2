package storetest

import (
	"time"

	"shotline/jobs"
)

var auditTests = []test{
	{"a double charge found after the summary is a new revision", func(f *fixture) {
		id := summarizedJob(f)
		twice := priced(id, 1, jobs.OutcomeDone, 3)
		twice.ScreenshotID += "again"
		e := f.observe(jobs.ByPoll, twice)
		wantSame(f, "double charges", len(e.DoubleCharged), 1)
		wantSame(f, "revised", len(e.Revised), 1)
		batch := f.batch("b1")
		wantSame(f, "revision", batch.Revision, 2)
		wantSame(f, "double charged", batch.Counts.DoubleCharged, 1)
		f.wantCredits("the batch", batch.Counts.Cost, 5)
		f.wantCredits("the job", f.job(id).Cost, 5)
		work, err := f.ClaimWork(f.ctx(), f.now, f.now.Add(time.Minute), workLimit)
		f.must(err, "claim work")
		wantSame(f, "pending work", len(work), 1)
		wantSame(f, "pending work", work[0].Kind, jobs.WorkSummarize)
		wantSame(f, "revised by the same screenshot again", len(f.observe(jobs.ByPoll, twice).Revised), 0)
		f.saveSummary("b1", 2, "two", true)
		wantSame(f, "revised by a known cost", len(f.observe(jobs.ByPoll, twice).Revised), 0)
	}},
	{"a cost reported after the summary is a new revision", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.pending("b1", 1)[0]
		f.webhook(id, jobs.OutcomeDone)
		o := seen(id, jobs.OutcomeDone)
		o.Cost = credits(1)
		wantSame(f, "revised before the summary", len(f.observe(jobs.ByPoll, o).Revised), 0)
		f.saveSummary("b1", 1, "one", true)
		more := o
		more.ScreenshotID, more.Cost = "more", credits(0.5)
		f.observe(jobs.ByPoll, more)
		wantSame(f, "revision", f.batch("b1").Revision, 2)
	}},
	{"changes of one step are one revision", func(f *fixture) {
		f.open("b1", pages(2)...)
		f.leaseAndDoubt("b1", 2)
		f.later(time.Minute)
		f.resend(f.claimDoubts(f.now, 10), f.now, 2)
		ids := f.pending("b1", 2)
		f.webhook(ids[0], jobs.OutcomeDone)
		f.webhook(ids[1], jobs.OutcomeDone)
		f.saveSummary("b1", 1, "one", true)
		var again []jobs.Observation
		for _, id := range ids {
			o := priced(id, 1, jobs.OutcomeDone, 1)
			again = append(again, o)
			o.ScreenshotID += "again"
			again = append(again, o)
		}
		wantSame(f, "revised", len(f.observe(jobs.ByPoll, again...).Revised), 1)
		wantSame(f, "revision", f.batch("b1").Revision, 2)
	}},
	{"a summary of older figures is not stored", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.pending("b1", 1)[0]
		f.webhook(id, jobs.OutcomeDone)
		before := f.batch("b1").Counts
		f.observe(jobs.ByPoll, priced(id, 1, jobs.OutcomeDone, 1))
		stored, err := f.SaveSummary(f.ctx(), "b1", 1, before, []byte("older"), f.now)
		f.must(err, "save summary")
		wantSame(f, "a summary without the cost stored", stored, false)
		before = f.batch("b1").Counts
		twice := seen(id, jobs.OutcomeDone)
		twice.ScreenshotID = "again"
		f.observe(jobs.ByPoll, twice)
		stored, err = f.SaveSummary(f.ctx(), "b1", 1, before, []byte("older"), f.now)
		f.must(err, "save summary")
		wantSame(f, "a summary without the double charge stored", stored, false)
		wantSame(f, "revision", f.batch("b1").Revision, 1)
		f.saveSummary("b1", 1, "new", true)
	}},
	{"lost creates are listed until each has its screenshot", func(f *fixture) {
		f.open("b0", pages(1)...)
		f.webhook(f.pending("b0", 1)[0], jobs.OutcomeDone) // sent once, so no create is lost
		f.open("b1", pages(3)...)
		f.leaseAndDoubt("b1", 2)
		f.later(time.Minute)
		f.resend(f.claimDoubts(f.now, 10), f.now, 2)
		f.leaseAndIntend("b1", 1)
		f.cancel(row("b1", 2)) // lost, and not sent again
		f.cancel(row("b1", 3)) // never sent
		f.wantLostCreates(time.Time{})
		f.observe(jobs.ByCreate, seen(row("b1", 1), jobs.OutcomeDone))
		f.later(time.Hour)
		finished := f.batch("b1").FinishedAt
		f.wantLostCreates(finished, 1, 2)
		f.wantLostCreates(finished.Add(time.Millisecond))
		page, err := f.LostCreates(f.ctx(), finished, jobs.Submission{Job: row("b1", 1), Attempt: 1}, 10)
		f.must(err, "lost creates")
		wantSame(f, "lost creates after the first", len(page), 1)
		wantSame(f, "lost create after the first", page[0].Job, row("b1", 2))
		page, err = f.LostCreates(f.ctx(), finished, jobs.Submission{}, 1)
		f.must(err, "lost creates")
		wantSame(f, "lost creates of a page of one", len(page), 1)
		wantSame(f, "sends", page[0].Sends, 2)
		wantSame(f, "screenshot", page[0].ScreenshotID, shot(row("b1", 1)))

		twice := seen(row("b1", 1), jobs.OutcomeDone)
		twice.ScreenshotID += "again"
		f.observe(jobs.ByPoll, twice)
		f.wantLostCreates(finished, 2)
		f.observe(jobs.ByPoll, seen(row("b1", 2), jobs.OutcomeProcessing))
		f.wantLostCreates(finished)
	}},
	{"a lost create of an older attempt stays listed", func(f *fixture) {
		f.open("b1", pages(1)...)
		f.leaseAndDoubt("b1", 1)
		f.later(time.Minute)
		f.resend(f.claimDoubts(f.now, 10), f.now, 1)
		id := f.pending("b1", 1)[0]
		f.webhook(id, jobs.OutcomeFailed)
		f.retryJobs(id)
		f.wantLostCreates(time.Time{})
		f.pendingRetry(id)
		f.result(id, 2, jobs.OutcomeDone)
		f.wantLostCreates(time.Time{}, 1)
	}},
	{"an adopted create was submitted when its intent was", func(f *fixture) {
		f.open("b1", pages(3)...)
		l := f.lease("b1", 1)[0]
		f.later(time.Second)
		first := f.now
		l = f.intend(l)
		f.later(5 * time.Second)
		f.must(f.Doubt(f.ctx(), []jobs.Lease{l}, f.now), "doubt")
		f.later(time.Minute)
		e := f.observe(jobs.ByPoll, seen(l.Job.ID, jobs.OutcomeProcessing))
		wantSame(f, "adopted", e.Adopted, 1)
		f.wantTime("submitted", f.job(l.Job.ID).SubmittedAt, first)
		f.wantTime("deadline", f.job(l.Job.ID).Deadline, f.now.Add(jobTimeout))

		l = f.lease("b1", 1)[0]
		second := f.now
		f.intend(l)
		f.later(leaseTime)
		f.expire(100, 0, 1)
		f.later(time.Minute)
		f.resend(f.claimDoubts(f.now, 10), f.now, 1)
		f.later(time.Minute)
		f.observe(jobs.ByPoll, seen(l.Job.ID, jobs.OutcomeDone))
		f.wantTime("submitted, found while queued again", f.wantState(l.Job.ID, jobs.Done).SubmittedAt, second)
		wantSame(f, "longest", f.timings("b1").Max, f.now.Sub(second))

		l = f.lease("b1", 1)[0]
		f.intend(l)
		f.later(time.Second)
		f.observe(jobs.ByCreate, seen(l.Job.ID, jobs.OutcomeProcessing))
		f.wantTime("submitted, answered", f.job(l.Job.ID).SubmittedAt, f.now)
	}},
	{"an adopted create was submitted by its newest intent that had an effect", func(f *fixture) {
		f.open("b1", pages(2)...)
		lost := f.now
		f.leaseAndDoubt("b1", 2)
		f.later(time.Minute)
		f.resend(f.claimDoubts(f.now, 10), f.now, 2)
		f.later(time.Second)
		again := f.now
		leases := f.leaseAndIntend("b1", 2)
		f.later(time.Second)
		f.requeue(leases[1]) // the second create had no effect
		f.must(f.Doubt(f.ctx(), leases[:1], f.now), "doubt")
		f.later(time.Minute)
		f.observe(jobs.ByPoll, seen(row("b1", 1), jobs.OutcomeProcessing), seen(row("b1", 2), jobs.OutcomeProcessing))
		f.wantTime("submitted by the second create", f.job(row("b1", 1)).SubmittedAt, again)
		f.wantTime("submitted by the first create", f.job(row("b1", 2)).SubmittedAt, lost)
	}},
}

// summarizedJob makes a finished batch with a stored summary. It has one job,
// whose create was sent twice and which cost 2.
func summarizedJob(f *fixture) jobs.ID {
	f.t.Helper()
	f.open("b1", pages(1)...)
	f.leaseAndDoubt("b1", 1)
	f.later(time.Minute)
	f.resend(f.claimDoubts(f.now, 10), f.now, 1)
	id := f.pending("b1", 1)[0]
	f.observe(jobs.ByPoll, priced(id, 1, jobs.OutcomeDone, 2))
	_, err := f.ClaimWork(f.ctx(), f.now, f.now.Add(time.Hour), workLimit)
	f.must(err, "claim work")
	f.saveSummary("b1", 1, "one", true)
	f.later(time.Minute)
	return id
}

// wantLostCreates asserts which rows of b1 have a lost create in their first
// attempt.
func (f *fixture) wantLostCreates(since time.Time, want ...int64) {
	f.t.Helper()
	lost, err := f.LostCreates(f.ctx(), since, jobs.Submission{}, 100)
	f.must(err, "lost creates")
	wantSame(f, "lost creates", len(lost), len(want))
	for i, s := range lost {
		wantSame(f, "lost create", s.Job, row("b1", want[i]))
		wantSame(f, "attempt", s.Attempt, 1)
	}
}
