package storetest

import (
	"time"

	"shotline/jobs"
)

var observeTests = []test{
	{"a create's response makes a job pending", func(f *fixture) {
		f.open("b1", pages(2)...)
		id := f.leaseAndIntend("b1", 1)[0].Job.ID
		f.later(2 * time.Second)
		e := f.observe(jobs.ByCreate, seen(id, jobs.OutcomeProcessing))
		wantSame(f, "adopted", e.Adopted, 1)
		f.wantClosed(e)
		j := f.wantState(id, jobs.Pending)
		wantSame(f, "screenshot", j.ScreenshotID, shot(id))
		f.wantTime("submitted", j.SubmittedAt, f.now)
		f.wantTime("deadline", j.Deadline, f.now.Add(jobTimeout))

		submitted := f.now
		f.later(time.Minute)
		e = f.observe(jobs.ByPoll, seen(id, jobs.OutcomeProcessing))
		wantSame(f, "adopted again", e.Adopted, 0)
		j = f.wantState(id, jobs.Pending)
		f.wantTime("submitted", j.SubmittedAt, submitted)
		f.wantTime("deadline", j.Deadline, submitted.Add(jobTimeout))
		f.later(time.Hour)
		f.expire(100, 0, 0)
	}},
	{"a finished response closes the job at once", func(f *fixture) {
		f.open("b1", pages(3)...)
		f.leaseAndIntend("b1", 2)
		done, failed := row("b1", 1), row("b1", 2)
		o := seen(done, jobs.OutcomeDone)
		o.Cost = credits(1)
		e := f.observe(jobs.ByCreate, o, seen(failed, jobs.OutcomeFailed))
		wantSame(f, "adopted", e.Adopted, 2)
		f.wantClosed(e,
			jobs.Closed{Job: done, Attempt: 1, State: jobs.Done, By: jobs.ByCreate},
			jobs.Closed{Job: failed, Attempt: 1, State: jobs.Failed, By: jobs.ByCreate})
		j := f.wantState(done, jobs.Done)
		wantSame(f, "closed by", j.ClosedBy, jobs.ByCreate)
		wantSame(f, "image", j.ImageURL, imageURL)
		f.wantTime("closed", j.ClosedAt, f.now)
		f.wantCredits("job", j.Cost, 1)
		wantSame(f, "error", f.wantState(failed, jobs.Failed).Error, vendorError)
	}},
	{"a webhook before the response closes with the response", func(f *fixture) {
		f.open("b1", pages(2)...)
		id := f.leaseAndIntend("b1", 1)[0].Job.ID
		f.later(time.Second)
		wantSame(f, "held", func() int { f.deliver(shot(id), jobs.OutcomeDone); return f.apply().Held }(), 1)
		f.later(time.Second)
		e := f.observe(jobs.ByCreate, seen(id, jobs.OutcomeDone))
		f.wantClosed(e, jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByWebhook})
		wantSame(f, "adopted", e.Adopted, 1)
		wantSame(f, "conflicts", e.Conflicts, 0)
		j := f.wantState(id, jobs.Done)
		wantSame(f, "image", j.ImageURL, imageURL)
		wantSame(f, "disposition", f.inbox()[0].Disposition, jobs.DispositionApplied)
		f.wantClosed(f.apply().Effects)
	}},
	{"a second screenshot is a double charge, once", func(f *fixture) {
		f.open("b1", pages(2)...)
		id := f.pending("b1", 1)[0]
		extra := seen(id, jobs.OutcomeProcessing)
		extra.ScreenshotID, extra.Cost = "extra", credits(0.5)
		wanted := seen(id, jobs.OutcomeProcessing)
		wanted.Cost = credits(1)
		e := f.observe(jobs.ByPoll, extra, wanted)
		if len(e.DoubleCharged) != 1 || e.DoubleCharged[0] != id {
			f.t.Fatalf("double charged: %v, want %v", e.DoubleCharged, id)
		}
		wantSame(f, "adopted", e.Adopted, 0)
		for range 3 {
			e = f.observe(jobs.ByPoll, extra, extra, wanted)
			wantSame(f, "double charged again", len(e.DoubleCharged), 0)
		}
		j := f.wantState(id, jobs.Pending)
		wantSame(f, "screenshot", j.ScreenshotID, shot(id))
		wantSame(f, "on the job", j.DoubleCharged, 1)
		f.wantCredits("job", j.Cost, 1.5)
		counts := f.batch("b1").Counts
		wantSame(f, "on the batch", counts.DoubleCharged, 1)
		f.wantCredits("batch", counts.Cost, 1.5)

		extra.ScreenshotID = "third"
		wantSame(f, "third screenshot", len(f.observe(jobs.ByPoll, extra).DoubleCharged), 1)
		wantSame(f, "on the job", f.job(id).DoubleCharged, 2)
		f.webhook(id, jobs.OutcomeDone)
		extra.ScreenshotID = "fourth"
		wantSame(f, "found after the end", len(f.observe(jobs.ByPoll, extra).DoubleCharged), 1)
		wantSame(f, "on the batch", f.batch("b1").Counts.DoubleCharged, 3)
	}},
	{"costs count once per screenshot and add up", func(f *fixture) {
		f.open("b1", pages(3)...)
		ids := f.pending("b1", 2)
		for i, id := range ids {
			f.wantCredits("cost before the vendor reported one", f.job(id).Cost, unknown)
			o := seen(id, jobs.OutcomeProcessing)
			o.Cost = credits(float64(i) + 0.25)
			f.observe(jobs.ByPoll, o)
			o.Cost = credits(50)
			f.observe(jobs.ByPoll, o)
		}
		f.wantCredits("first", f.job(ids[0]).Cost, 0.25)
		f.wantCredits("second", f.job(ids[1]).Cost, 1.25)
		f.wantCredits("batch", f.batch("b1").Counts.Cost, 1.5)
	}},
	{"a cost of 0 is a known cost", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.pending("b1", 1)[0]
		o := seen(id, jobs.OutcomeProcessing)
		o.Cost = credits(0)
		f.observe(jobs.ByPoll, o)
		f.wantCredits("job", f.job(id).Cost, 0)
		f.wantCredits("batch", f.batch("b1").Counts.Cost, 0)
	}},
	{"missing data of a closed job are filled in, and nothing else changes", func(f *fixture) {
		f.open("b1", pages(3)...)
		ids := f.pending("b1", 2)
		silent := f.delivery(shot(ids[0]), jobs.OutcomeFailed)
		silent.Error = ""
		blind := f.delivery(shot(ids[1]), jobs.OutcomeDone)
		blind.ImageURL = ""
		for _, d := range []jobs.Delivery{silent, blind} {
			_, err := f.AppendDelivery(f.ctx(), d)
			f.must(err, "append delivery")
		}
		f.apply()
		closed := f.now
		f.later(time.Minute)
		failed, done := seen(ids[0], jobs.OutcomeFailed), seen(ids[1], jobs.OutcomeDone)
		failed.Cost = credits(2)
		e := f.observe(jobs.ByPoll, failed, done)
		f.wantClosed(e)
		wantSame(f, "conflicts", e.Conflicts, 0)
		j := f.wantState(ids[0], jobs.Failed)
		wantSame(f, "error", j.Error, vendorError)
		wantSame(f, "closed by", j.ClosedBy, jobs.ByWebhook)
		f.wantTime("closed", j.ClosedAt, closed)
		f.wantCredits("failed", j.Cost, 2)
		wantSame(f, "image", f.wantState(ids[1], jobs.Done).ImageURL, imageURL)

		failed.Error, done.ImageURL = "another reason", "https://vendor.example/other.png"
		f.observe(jobs.ByPoll, failed, done)
		wantSame(f, "error kept", f.job(ids[0]).Error, vendorError)
		wantSame(f, "image kept", f.job(ids[1]).ImageURL, imageURL)
	}},
	{"a canceled job stays canceled and gets its cost", func(f *fixture) {
		f.open("b1", pages(3)...)
		unanswered := f.leaseAndDoubt("b1", 1)[0].Job.ID
		answered := f.pending("b1", 1)[0]
		f.closeJobs(cancel(unanswered), cancel(answered))
		f.later(time.Minute)
		for i, id := range []jobs.ID{unanswered, answered} {
			o := seen(id, jobs.OutcomeDone)
			o.Cost = credits(float64(i + 1))
			e := f.observe(jobs.ByPoll, o)
			f.wantClosed(e)
			wantSame(f, "conflicts", e.Conflicts, 0)
			j := f.wantState(id, jobs.Canceled)
			f.wantCredits("canceled job", j.Cost, float64(i+1))
			wantSame(f, "screenshot", j.ScreenshotID, shot(id))
		}
		f.wantCredits("batch", f.batch("b1").Counts.Cost, 3)
	}},
	{"observations of unknown jobs and attempts are skipped", func(f *fixture) {
		f.open("b1", pages(2)...)
		id := f.pending("b1", 1)[0]
		unknownJob := func(id jobs.ID, attempt int) jobs.Observation {
			o := seen(id, jobs.OutcomeDone)
			o.Attempt, o.ScreenshotID, o.Cost = attempt, "stranger", credits(9)
			return o
		}
		e := f.observe(jobs.ByPoll,
			unknownJob(row("other", 1), 1), unknownJob(row("b1", 99), 1),
			unknownJob(row("b1", 2), 1), unknownJob(id, 2), unknownJob(id, 0))
		f.wantClosed(e)
		wantSame(f, "adopted", e.Adopted, 0)
		wantSame(f, "double charged", len(e.DoubleCharged), 0)
		f.wantState(id, jobs.Pending)
		f.wantState(row("b1", 2), jobs.Queued)
		f.wantCredits("batch", f.batch("b1").Counts.Cost, unknown)
	}},
	{"one screenshot from the vendor's cache closes two jobs", func(f *fixture) {
		f.open("b1", pages(2)...)
		f.open("b2", pages(1)...)
		first, second, other := f.leaseAndIntend("b1", 2), row("b1", 2), f.leaseAndIntend("b2", 1)[0].Job.ID
		var answers []jobs.Observation
		for _, id := range []jobs.ID{first[0].Job.ID, second, other} {
			o := seen(id, jobs.OutcomeProcessing)
			o.ScreenshotID = "shared"
			answers = append(answers, o)
		}
		e := f.observe(jobs.ByCreate, answers...)
		wantSame(f, "adopted", e.Adopted, 3)
		wantSame(f, "double charged", len(e.DoubleCharged), 0)
		f.deliver("shared", jobs.OutcomeDone)
		applied := f.apply()
		wantSame(f, "closed", len(applied.Closed), 3)
		wantSame(f, "finished", len(applied.Finished), 2)
		for _, id := range []jobs.ID{row("b1", 1), second, other} {
			wantSame(f, "closed by", f.wantState(id, jobs.Done).ClosedBy, jobs.ByWebhook)
		}
	}},
	{"a shared screenshot that has ended closes a later job whatever its response contains", func(f *fixture) {
		f.open("b1", pages(2)...)
		id := f.pending("b1", 1)[0]
		f.webhook(id, jobs.OutcomeDone)
		second := f.leaseAndIntend("b1", 1)[0].Job.ID
		o := seen(second, jobs.OutcomeProcessing)
		o.ScreenshotID = shot(id)
		f.wantClosed(f.observe(jobs.ByCreate, o), jobs.Closed{Job: second, Attempt: 1, State: jobs.Done, By: jobs.ByWebhook})
	}},
	{"a shared screenshot that has ended closes a later job through its response", func(f *fixture) {
		f.open("b1", pages(2)...)
		id := f.pending("b1", 1)[0]
		f.webhook(id, jobs.OutcomeDone)
		second := f.leaseAndIntend("b1", 1)[0].Job.ID
		o := seen(second, jobs.OutcomeDone)
		o.ScreenshotID = shot(id)
		e := f.observe(jobs.ByCreate, o)
		f.wantClosed(e, jobs.Closed{Job: second, Attempt: 1, State: jobs.Done, By: jobs.ByCreate})
	}},
	{"a response after the deadline is late", func(f *fixture) {
		f.open("b1", pages(2)...)
		id := f.pending("b1", 1)[0]
		f.closeJobs(timeOut(id))
		e := f.observe(jobs.ByPoll, seen(id, jobs.OutcomeDone))
		f.wantClosed(e, jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByPoll, Late: true})
		if !f.wantState(id, jobs.Done).Late {
			f.t.Fatal("the job is not marked as late")
		}
	}},
}
