package storetest

import (
	"time"

	"shotline/jobs"
)

var auditTests = []test{
	{"a double charge found after the summary is a new revision", func(b *book) {
		id := summedUp(b)
		twice := priced(id, 1, jobs.OutcomeDone, 3)
		twice.ScreenshotID += "again"
		e := b.observe(jobs.ByPoll, twice)
		wantSame(b, "double charges", len(e.DoubleCharged), 1)
		wantSame(b, "revised", len(e.Revised), 1)
		batch := b.batch("b1")
		wantSame(b, "revision", batch.Revision, 2)
		wantSame(b, "double charged", batch.Counts.DoubleCharged, 1)
		b.wantCredits("the batch", batch.Counts.Cost, 5)
		b.wantCredits("the job", b.job(id).Cost, 5)
		work, err := b.ClaimWork(b.ctx(), b.now, b.now.Add(time.Minute), workLimit)
		b.must(err, "claim work")
		wantSame(b, "work owed", len(work), 1)
		wantSame(b, "work owed", work[0].Kind, jobs.WorkSummarize)
		wantSame(b, "revised by the same screenshot again", len(b.observe(jobs.ByPoll, twice).Revised), 0)
		b.saved("b1", 2, "two", true)
		wantSame(b, "revised by what is known", len(b.observe(jobs.ByPoll, twice).Revised), 0)
	}},
	{"a cost told after the summary is a new revision", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.pending("b1", 1)[0]
		b.webhook(id, jobs.OutcomeDone)
		o := seen(id, jobs.OutcomeDone)
		o.Cost = credits(1)
		wantSame(b, "revised before the summary", len(b.observe(jobs.ByPoll, o).Revised), 0)
		b.saved("b1", 1, "one", true)
		more := o
		more.ScreenshotID, more.Cost = "more", credits(0.5)
		b.observe(jobs.ByPoll, more)
		wantSame(b, "revision", b.batch("b1").Revision, 2)
	}},
	{"changes of one step are one revision", func(b *book) {
		b.open("b1", pages(2)...)
		b.doubted("b1", 2)
		b.later(time.Minute)
		b.resend(b.claimDoubts(b.now, 10), b.now, 2)
		ids := b.pending("b1", 2)
		b.webhook(ids[0], jobs.OutcomeDone)
		b.webhook(ids[1], jobs.OutcomeDone)
		b.saved("b1", 1, "one", true)
		var again []jobs.Observation
		for _, id := range ids {
			o := priced(id, 1, jobs.OutcomeDone, 1)
			again = append(again, o)
			o.ScreenshotID += "again"
			again = append(again, o)
		}
		wantSame(b, "revised", len(b.observe(jobs.ByPoll, again...).Revised), 1)
		wantSame(b, "revision", b.batch("b1").Revision, 2)
	}},
	{"a summary of older figures is not stored", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.pending("b1", 1)[0]
		b.webhook(id, jobs.OutcomeDone)
		before := b.batch("b1").Counts
		b.observe(jobs.ByPoll, priced(id, 1, jobs.OutcomeDone, 1))
		told, err := b.SaveSummary(b.ctx(), "b1", 1, before, []byte("older"), b.now)
		b.must(err, "save summary")
		wantSame(b, "a summary without the cost stored", told, false)
		before = b.batch("b1").Counts
		twice := seen(id, jobs.OutcomeDone)
		twice.ScreenshotID = "again"
		b.observe(jobs.ByPoll, twice)
		told, err = b.SaveSummary(b.ctx(), "b1", 1, before, []byte("older"), b.now)
		b.must(err, "save summary")
		wantSame(b, "a summary without the double charge stored", told, false)
		wantSame(b, "revision", b.batch("b1").Revision, 1)
		b.saved("b1", 1, "new", true)
	}},
	{"lost creates are listed until each has its screenshot", func(b *book) {
		b.open("b0", pages(1)...)
		b.webhook(b.pending("b0", 1)[0], jobs.OutcomeDone) // sent once: nothing is lost
		b.open("b1", pages(3)...)
		b.doubted("b1", 2)
		b.later(time.Minute)
		b.resend(b.claimDoubts(b.now, 10), b.now, 2)
		b.sent("b1", 1)
		b.cancel(row("b1", 2)) // lost, and never sent anew
		b.cancel(row("b1", 3)) // never sent at all
		b.wantLostCreates(time.Time{})
		b.observe(jobs.ByCreate, seen(row("b1", 1), jobs.OutcomeDone))
		b.later(time.Hour)
		finished := b.batch("b1").FinishedAt
		b.wantLostCreates(finished, 1, 2)
		b.wantLostCreates(finished.Add(time.Millisecond))
		page, err := b.LostCreates(b.ctx(), finished, jobs.Submission{Job: row("b1", 1), Attempt: 1}, 10)
		b.must(err, "lost creates")
		wantSame(b, "lost creates after the first", len(page), 1)
		wantSame(b, "lost create after the first", page[0].Job, row("b1", 2))
		page, err = b.LostCreates(b.ctx(), finished, jobs.Submission{}, 1)
		b.must(err, "lost creates")
		wantSame(b, "lost creates of a page of one", len(page), 1)
		wantSame(b, "sends", page[0].Sends, 2)
		wantSame(b, "screenshot", page[0].ScreenshotID, shot(row("b1", 1)))

		twice := seen(row("b1", 1), jobs.OutcomeDone)
		twice.ScreenshotID += "again"
		b.observe(jobs.ByPoll, twice)
		b.wantLostCreates(finished, 2)
		b.observe(jobs.ByPoll, seen(row("b1", 2), jobs.OutcomeProcessing))
		b.wantLostCreates(finished)
	}},
	{"a lost create of an older attempt stays listed", func(b *book) {
		b.open("b1", pages(1)...)
		b.doubted("b1", 1)
		b.later(time.Minute)
		b.resend(b.claimDoubts(b.now, 10), b.now, 1)
		id := b.pending("b1", 1)[0]
		b.webhook(id, jobs.OutcomeFailed)
		b.retried(id)
		b.wantLostCreates(time.Time{})
		b.again(id)
		b.result(id, 2, jobs.OutcomeDone)
		b.wantLostCreates(time.Time{}, 1)
	}},
	{"an adopted create was submitted when its intent was", func(b *book) {
		b.open("b1", pages(3)...)
		l := b.lease("b1", 1)[0]
		b.later(time.Second)
		first := b.now
		l = b.intend(l)
		b.later(5 * time.Second)
		b.must(b.Doubt(b.ctx(), []jobs.Lease{l}, b.now), "doubt")
		b.later(time.Minute)
		e := b.observe(jobs.ByPoll, seen(l.Job.ID, jobs.OutcomeProcessing))
		wantSame(b, "adopted", e.Adopted, 1)
		b.wantTime("submitted", b.job(l.Job.ID).SubmittedAt, first)
		b.wantTime("deadline", b.job(l.Job.ID).Deadline, b.now.Add(jobTimeout))

		l = b.lease("b1", 1)[0]
		second := b.now
		b.intend(l)
		b.later(leaseTime)
		b.expire(100, 0, 1)
		b.later(time.Minute)
		b.resend(b.claimDoubts(b.now, 10), b.now, 1)
		b.later(time.Minute)
		b.observe(jobs.ByPoll, seen(l.Job.ID, jobs.OutcomeDone))
		b.wantTime("submitted, found while queued anew", b.wantState(l.Job.ID, jobs.Done).SubmittedAt, second)
		wantSame(b, "longest", b.timings("b1").Max, b.now.Sub(second))

		l = b.lease("b1", 1)[0]
		b.intend(l)
		b.later(time.Second)
		b.observe(jobs.ByCreate, seen(l.Job.ID, jobs.OutcomeProcessing))
		b.wantTime("submitted, answered", b.job(l.Job.ID).SubmittedAt, b.now)
	}},
	{"of several intents the newest that counts is an adopted create's", func(b *book) {
		b.open("b1", pages(2)...)
		lost := b.now
		b.doubted("b1", 2)
		b.later(time.Minute)
		b.resend(b.claimDoubts(b.now, 10), b.now, 2)
		b.later(time.Second)
		again := b.now
		leases := b.sent("b1", 2)
		b.later(time.Second)
		b.requeue(leases[1]) // its second create had no effect
		b.must(b.Doubt(b.ctx(), leases[:1], b.now), "doubt")
		b.later(time.Minute)
		b.observe(jobs.ByPoll, seen(row("b1", 1), jobs.OutcomeProcessing), seen(row("b1", 2), jobs.OutcomeProcessing))
		b.wantTime("submitted by the second create", b.job(row("b1", 1)).SubmittedAt, again)
		b.wantTime("submitted by the first create", b.job(row("b1", 2)).SubmittedAt, lost)
	}},
}

// summedUp has a batch of one job whose create was sent twice finish, cost 2 and
// be summed up. It returns the job.
func summedUp(b *book) jobs.ID {
	b.t.Helper()
	b.open("b1", pages(1)...)
	b.doubted("b1", 1)
	b.later(time.Minute)
	b.resend(b.claimDoubts(b.now, 10), b.now, 1)
	id := b.pending("b1", 1)[0]
	b.observe(jobs.ByPoll, priced(id, 1, jobs.OutcomeDone, 2))
	_, err := b.ClaimWork(b.ctx(), b.now, b.now.Add(time.Hour), workLimit)
	b.must(err, "claim work")
	b.saved("b1", 1, "one", true)
	b.later(time.Minute)
	return id
}

// wantLostCreates asserts of which rows of b1 the first attempt's creates are lost.
func (b *book) wantLostCreates(since time.Time, want ...int64) {
	b.t.Helper()
	lost, err := b.LostCreates(b.ctx(), since, jobs.Submission{}, 100)
	b.must(err, "lost creates")
	wantSame(b, "lost creates", len(lost), len(want))
	for i, s := range lost {
		wantSame(b, "lost create", s.Job, row("b1", want[i]))
		wantSame(b, "attempt", s.Attempt, 1)
	}
}
