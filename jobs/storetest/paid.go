package storetest

import (
	"time"

	"shotline/jobs"
)

// paidTests are of retries of canceled jobs that have paid for a screenshot.
var paidTests = []test{
	{"what a canceled job has paid for is not paid again", func(b *book) {
		b.open("b1", pages(2)...)
		ids := b.pending("b1", 2)
		b.cancel(ids...)
		b.webhook(ids[0], jobs.OutcomeDone)
		b.observe(jobs.ByPoll, seen(ids[1], jobs.OutcomeDone))
		b.saved("b1", 1, "one", true)
		b.later(time.Second)
		e := b.retry(jobs.Retry{Job: ids[0], Attempt: 1, From: jobs.Retriable}, jobs.Retry{Job: ids[1], Attempt: 1, From: jobs.Retriable})
		b.wantClosed(e, jobs.Closed{Job: ids[0], Attempt: 1, State: jobs.Done, By: jobs.ByWebhook, Late: true},
			jobs.Closed{Job: ids[1], Attempt: 1, State: jobs.Done, By: jobs.ByPoll, Late: true})
		wantSame(b, "retried", len(e.Retried), 0)
		wantSame(b, "revised", len(e.Revised), 1)
		wantSame(b, "revision", b.batch("b1").Revision, 2)
		j := b.wantState(ids[0], jobs.Done)
		wantSame(b, "image", j.ImageURL, imageURL)
		wantSame(b, "error", j.Error, "")
		b.wantTime("closed", j.ClosedAt, b.now)
	}},
	{"a canceled job is done with the newest picture of its attempts", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.pending("b1", 1)[0]
		for attempt := 2; attempt <= 3; attempt++ {
			b.cancel(id)
			b.retried(id)
			b.again(id)
		}
		b.result(id, 1, jobs.OutcomeDone)
		b.result(id, 2, jobs.OutcomeDone)
		b.cancel(id)
		e := b.retry(jobs.Retry{Job: id, Attempt: 3, From: []jobs.State{jobs.Failed, jobs.TimedOut}})
		b.wantClosed(e)
		e = b.retry(jobs.Retry{Job: id, Attempt: 3, From: jobs.Retriable, Waits: true})
		b.wantClosed(e, jobs.Closed{Job: id, Attempt: 2, State: jobs.Done, By: jobs.ByWebhook, Late: true})
		wantSame(b, "screenshot", b.job(id).ScreenshotID, shotOf(id, 2))
	}},
	{"a canceled job waits again for its screenshot", func(b *book) {
		b.open("b1", pages(3)...)
		id := b.pending("b1", 1)[0]
		submitted, deadline := b.now, b.now.Add(jobTimeout)
		b.later(time.Second)
		b.cancel(id, row("b1", 2), row("b1", 3))
		wantSame(b, "batch", b.batch("b1").State, jobs.BatchFinished)
		b.later(time.Second)
		e := b.retry(jobs.Retry{Job: id, Attempt: 1, From: jobs.Retriable, Waits: true}, jobs.Retry{Job: row("b1", 2), Attempt: 0, From: jobs.Retriable, Waits: true})
		wantSame(b, "retried", len(e.Retried), 2)
		wantSame(b, "reopened", len(e.Reopened), 1)
		j := b.wantState(id, jobs.Pending)
		wantSame(b, "attempt", j.Attempt, 1)
		wantSame(b, "screenshot", j.ScreenshotID, shot(id))
		wantSame(b, "error", j.Error, "")
		b.wantTime("submitted", j.SubmittedAt, submitted)
		b.wantTime("deadline", j.Deadline, deadline)
		b.wantTime("closed", j.ClosedAt, time.Time{})
		wantSame(b, "attempt of one without a screenshot", b.wantState(row("b1", 2), jobs.Queued).Attempt, 1)
		b.cancel(row("b1", 2))
		b.wantClosed(b.webhook(id, jobs.OutcomeDone), jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByWebhook})
		wantSame(b, "revision", b.batch("b1").Revision, 2)
	}},
	{"a canceled job whose screenshot was found later waits with a deadline", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.doubted("b1", 1)[0].Job.ID
		b.later(time.Minute)
		b.resend(b.claimDoubts(b.now, 10), b.now, 1)
		b.cancel(id)
		b.observe(jobs.ByPoll, seen(id, jobs.OutcomeProcessing))
		deadline := b.now.Add(jobTimeout)
		b.later(time.Second)
		b.retry(jobs.Retry{Job: id, Attempt: 1, From: jobs.Retriable, Waits: true})
		b.wantTime("deadline", b.wantState(id, jobs.Pending).Deadline, deadline)
	}},
	{"the picture of a lost create closes a job whose next create was refused", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.doubted("b1", 1)[0].Job.ID
		b.later(time.Minute)
		b.resend(b.claimDoubts(b.now, 10), b.now, 1)
		b.sent("b1", 1)
		b.shut(refuse(id))
		b.observe(jobs.ByPoll, seen(id, jobs.OutcomeProcessing))
		b.wantState(id, jobs.Failed)
		b.wantClosed(b.webhook(id, jobs.OutcomeDone), jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByWebhook, Late: true})
		wantSame(b, "error", b.wantState(id, jobs.Done).Error, "")
	}},
	{"a retry waits for no screenshot that has failed", func(b *book) {
		b.open("b1", pages(3)...)
		ids := b.pending("b1", 2)
		b.cancel(ids...)
		b.webhook(ids[0], jobs.OutcomeFailed)
		b.deliver(shot(ids[1]), jobs.OutcomeFailed) // kept, and not applied yet
		for _, id := range ids {
			e := b.retry(jobs.Retry{Job: id, Attempt: 1, From: jobs.Retriable, Waits: true})
			wantSame(b, "retried", len(e.Retried), 1)
			wantSame(b, "attempt", b.wantState(id, jobs.Queued).Attempt, 2)
		}
	}},
	{"only a canceled job waits", func(b *book) {
		b.open("b1", pages(2)...)
		late := timedOut(b, "b1")
		e := b.retry(jobs.Retry{Job: late, Attempt: 1, From: jobs.Retriable, Waits: true})
		wantSame(b, "retried", len(e.Retried), 1)
		wantSame(b, "attempt", b.wantState(late, jobs.Queued).Attempt, 2)
	}},
}
