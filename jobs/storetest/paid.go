package storetest

import (
	"time"

	"shotline/jobs"
)

// paidTests test retries of canceled jobs that have paid for a screenshot.
var paidTests = []test{
	{"the paid screenshot of a canceled job is not paid for again", func(f *fixture) {
		f.open("b1", pages(2)...)
		ids := f.pending("b1", 2)
		f.cancel(ids...)
		f.webhook(ids[0], jobs.OutcomeDone)
		f.observe(jobs.ByPoll, seen(ids[1], jobs.OutcomeDone))
		f.saveSummary("b1", 1, "one", true)
		f.later(time.Second)
		e := f.retry(jobs.Retry{Job: ids[0], Attempt: 1, From: jobs.Retriable}, jobs.Retry{Job: ids[1], Attempt: 1, From: jobs.Retriable})
		f.wantClosed(e, jobs.Closed{Job: ids[0], Attempt: 1, State: jobs.Done, By: jobs.ByWebhook, Late: true},
			jobs.Closed{Job: ids[1], Attempt: 1, State: jobs.Done, By: jobs.ByPoll, Late: true})
		wantSame(f, "retried", len(e.Retried), 0)
		wantSame(f, "revised", len(e.Revised), 1)
		wantSame(f, "revision", f.batch("b1").Revision, 2)
		j := f.wantState(ids[0], jobs.Done)
		wantSame(f, "image", j.ImageURL, imageURL)
		wantSame(f, "error", j.Error, "")
		f.wantTime("closed", j.ClosedAt, f.now)
	}},
	{"a canceled job is done with the newest image of its attempts", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.pending("b1", 1)[0]
		for attempt := 2; attempt <= 3; attempt++ {
			f.cancel(id)
			f.retryJobs(id)
			f.pendingRetry(id)
		}
		f.result(id, 1, jobs.OutcomeDone)
		f.result(id, 2, jobs.OutcomeDone)
		f.cancel(id)
		e := f.retry(jobs.Retry{Job: id, Attempt: 3, From: []jobs.State{jobs.Failed, jobs.TimedOut}})
		f.wantClosed(e)
		e = f.retry(jobs.Retry{Job: id, Attempt: 3, From: jobs.Retriable, Waits: true})
		f.wantClosed(e, jobs.Closed{Job: id, Attempt: 2, State: jobs.Done, By: jobs.ByWebhook, Late: true})
		wantSame(f, "screenshot", f.job(id).ScreenshotID, shotOf(id, 2))
	}},
	{"a canceled job waits again for its screenshot", func(f *fixture) {
		f.open("b1", pages(3)...)
		id := f.pending("b1", 1)[0]
		submitted, deadline := f.now, f.now.Add(jobTimeout)
		f.later(time.Second)
		f.cancel(id, row("b1", 2), row("b1", 3))
		wantSame(f, "batch", f.batch("b1").State, jobs.BatchFinished)
		f.later(time.Second)
		e := f.retry(jobs.Retry{Job: id, Attempt: 1, From: jobs.Retriable, Waits: true}, jobs.Retry{Job: row("b1", 2), Attempt: 0, From: jobs.Retriable, Waits: true})
		wantSame(f, "retried", len(e.Retried), 2)
		wantSame(f, "reopened", len(e.Reopened), 1)
		j := f.wantState(id, jobs.Pending)
		wantSame(f, "attempt", j.Attempt, 1)
		wantSame(f, "screenshot", j.ScreenshotID, shot(id))
		wantSame(f, "error", j.Error, "")
		f.wantTime("submitted", j.SubmittedAt, submitted)
		f.wantTime("deadline", j.Deadline, deadline)
		f.wantTime("closed", j.ClosedAt, time.Time{})
		wantSame(f, "attempt of one without a screenshot", f.wantState(row("b1", 2), jobs.Queued).Attempt, 1)
		f.cancel(row("b1", 2))
		f.wantClosed(f.webhook(id, jobs.OutcomeDone), jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByWebhook})
		wantSame(f, "revision", f.batch("b1").Revision, 2)
	}},
	{"a canceled job whose screenshot was found later waits with a deadline", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.leaseAndDoubt("b1", 1)[0].Job.ID
		f.later(time.Minute)
		f.resend(f.claimDoubts(f.now, 10), f.now, 1)
		f.cancel(id)
		f.observe(jobs.ByPoll, seen(id, jobs.OutcomeProcessing))
		deadline := f.now.Add(jobTimeout)
		f.later(time.Second)
		f.retry(jobs.Retry{Job: id, Attempt: 1, From: jobs.Retriable, Waits: true})
		f.wantTime("deadline", f.wantState(id, jobs.Pending).Deadline, deadline)
	}},
	{"the image of a lost create closes a job whose next create was refused", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.leaseAndDoubt("b1", 1)[0].Job.ID
		f.later(time.Minute)
		f.resend(f.claimDoubts(f.now, 10), f.now, 1)
		f.leaseAndIntend("b1", 1)
		f.closeJobs(refuse(id))
		f.observe(jobs.ByPoll, seen(id, jobs.OutcomeProcessing))
		f.wantState(id, jobs.Failed)
		f.wantClosed(f.webhook(id, jobs.OutcomeDone), jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByWebhook, Late: true})
		wantSame(f, "error", f.wantState(id, jobs.Done).Error, "")
	}},
	{"a retry waits for no screenshot that has failed", func(f *fixture) {
		f.open("b1", pages(3)...)
		ids := f.pending("b1", 2)
		f.cancel(ids...)
		f.webhook(ids[0], jobs.OutcomeFailed)
		f.deliver(shot(ids[1]), jobs.OutcomeFailed) // kept, and not applied yet
		for _, id := range ids {
			e := f.retry(jobs.Retry{Job: id, Attempt: 1, From: jobs.Retriable, Waits: true})
			wantSame(f, "retried", len(e.Retried), 1)
			wantSame(f, "attempt", f.wantState(id, jobs.Queued).Attempt, 2)
		}
	}},
	{"only a canceled job waits", func(f *fixture) {
		f.open("b1", pages(2)...)
		late := timedOut(f, "b1")
		e := f.retry(jobs.Retry{Job: late, Attempt: 1, From: jobs.Retriable, Waits: true})
		wantSame(f, "retried", len(e.Retried), 1)
		wantSame(f, "attempt", f.wantState(late, jobs.Queued).Attempt, 2)
	}},
}
