package storetest

import (
	"time"

	"shotline/jobs"
)

var observeTests = []test{
	{"a create's answer makes a job pending", func(b *book) {
		b.open("b1", pages(2)...)
		id := b.sent("b1", 1)[0].Job.ID
		b.later(2 * time.Second)
		e := b.observe(jobs.ByCreate, seen(id, jobs.OutcomeProcessing))
		wantSame(b, "adopted", e.Adopted, 1)
		b.wantClosed(e)
		j := b.wantState(id, jobs.Pending)
		wantSame(b, "screenshot", j.ScreenshotID, shot(id))
		b.wantTime("submitted", j.SubmittedAt, b.now)
		b.wantTime("deadline", j.Deadline, b.now.Add(jobTimeout))

		submitted := b.now
		b.later(time.Minute)
		e = b.observe(jobs.ByPoll, seen(id, jobs.OutcomeProcessing))
		wantSame(b, "adopted again", e.Adopted, 0)
		j = b.wantState(id, jobs.Pending)
		b.wantTime("submitted", j.SubmittedAt, submitted)
		b.wantTime("deadline", j.Deadline, submitted.Add(jobTimeout))
		b.later(time.Hour)
		b.expire(100, 0, 0)
	}},
	{"an answer that has finished closes at once", func(b *book) {
		b.open("b1", pages(3)...)
		b.sent("b1", 2)
		done, failed := row("b1", 1), row("b1", 2)
		o := seen(done, jobs.OutcomeDone)
		o.Cost = credits(1)
		e := b.observe(jobs.ByCreate, o, seen(failed, jobs.OutcomeFailed))
		wantSame(b, "adopted", e.Adopted, 2)
		b.wantClosed(e,
			jobs.Closed{Job: done, Attempt: 1, State: jobs.Done, By: jobs.ByCreate},
			jobs.Closed{Job: failed, Attempt: 1, State: jobs.Failed, By: jobs.ByCreate})
		j := b.wantState(done, jobs.Done)
		wantSame(b, "closed by", j.ClosedBy, jobs.ByCreate)
		wantSame(b, "image", j.ImageURL, imageURL)
		b.wantTime("closed", j.ClosedAt, b.now)
		b.wantCredits("job", j.Cost, 1)
		wantSame(b, "error", b.wantState(failed, jobs.Failed).Error, vendorError)
	}},
	{"a webhook before the answer closes with the answer", func(b *book) {
		b.open("b1", pages(2)...)
		id := b.sent("b1", 1)[0].Job.ID
		b.later(time.Second)
		wantSame(b, "held", func() int { b.deliver(shot(id), jobs.OutcomeDone); return b.apply().Held }(), 1)
		b.later(time.Second)
		e := b.observe(jobs.ByCreate, seen(id, jobs.OutcomeDone))
		b.wantClosed(e, jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByWebhook})
		wantSame(b, "adopted", e.Adopted, 1)
		wantSame(b, "conflicts", e.Conflicts, 0)
		j := b.wantState(id, jobs.Done)
		wantSame(b, "image", j.ImageURL, imageURL)
		wantSame(b, "disposition", b.inbox()[0].Disposition, jobs.DispositionApplied)
		b.wantClosed(b.apply().Effects)
	}},
	{"a second screenshot is a double charge, once", func(b *book) {
		b.open("b1", pages(2)...)
		id := b.pending("b1", 1)[0]
		extra := seen(id, jobs.OutcomeProcessing)
		extra.ScreenshotID, extra.Cost = "extra", credits(0.5)
		wanted := seen(id, jobs.OutcomeProcessing)
		wanted.Cost = credits(1)
		e := b.observe(jobs.ByPoll, extra, wanted)
		if len(e.DoubleCharged) != 1 || e.DoubleCharged[0] != id {
			b.t.Fatalf("double charged: %v, want %v", e.DoubleCharged, id)
		}
		wantSame(b, "adopted", e.Adopted, 0)
		for range 3 {
			e = b.observe(jobs.ByPoll, extra, extra, wanted)
			wantSame(b, "double charged again", len(e.DoubleCharged), 0)
		}
		j := b.wantState(id, jobs.Pending)
		wantSame(b, "screenshot", j.ScreenshotID, shot(id))
		wantSame(b, "on the job", j.DoubleCharged, 1)
		b.wantCredits("job", j.Cost, 1.5)
		counts := b.batch("b1").Counts
		wantSame(b, "on the batch", counts.DoubleCharged, 1)
		b.wantCredits("batch", counts.Cost, 1.5)

		extra.ScreenshotID = "third"
		wantSame(b, "third screenshot", len(b.observe(jobs.ByPoll, extra).DoubleCharged), 1)
		wantSame(b, "on the job", b.job(id).DoubleCharged, 2)
		b.webhook(id, jobs.OutcomeDone)
		extra.ScreenshotID = "fourth"
		wantSame(b, "found after the end", len(b.observe(jobs.ByPoll, extra).DoubleCharged), 1)
		wantSame(b, "on the batch", b.batch("b1").Counts.DoubleCharged, 3)
	}},
	{"costs come once for each screenshot and add up", func(b *book) {
		b.open("b1", pages(3)...)
		ids := b.pending("b1", 2)
		for i, id := range ids {
			b.wantCredits("cost before the vendor told", b.job(id).Cost, unknown)
			o := seen(id, jobs.OutcomeProcessing)
			o.Cost = credits(float64(i) + 0.25)
			b.observe(jobs.ByPoll, o)
			o.Cost = credits(50)
			b.observe(jobs.ByPoll, o)
		}
		b.wantCredits("first", b.job(ids[0]).Cost, 0.25)
		b.wantCredits("second", b.job(ids[1]).Cost, 1.25)
		b.wantCredits("batch", b.batch("b1").Counts.Cost, 1.5)
	}},
	{"a cost of nothing is known", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.pending("b1", 1)[0]
		o := seen(id, jobs.OutcomeProcessing)
		o.Cost = credits(0)
		b.observe(jobs.ByPoll, o)
		b.wantCredits("job", b.job(id).Cost, 0)
		b.wantCredits("batch", b.batch("b1").Counts.Cost, 0)
	}},
	{"what an ended job lacks is filled in, and nothing else", func(b *book) {
		b.open("b1", pages(3)...)
		ids := b.pending("b1", 2)
		silent := b.told(shot(ids[0]), jobs.OutcomeFailed)
		silent.Error = ""
		blind := b.told(shot(ids[1]), jobs.OutcomeDone)
		blind.ImageURL = ""
		for _, d := range []jobs.Delivery{silent, blind} {
			_, err := b.AppendDelivery(b.ctx(), d)
			b.must(err, "append delivery")
		}
		b.apply()
		closed := b.now
		b.later(time.Minute)
		failed, done := seen(ids[0], jobs.OutcomeFailed), seen(ids[1], jobs.OutcomeDone)
		failed.Cost = credits(2)
		e := b.observe(jobs.ByPoll, failed, done)
		b.wantClosed(e)
		wantSame(b, "conflicts", e.Conflicts, 0)
		j := b.wantState(ids[0], jobs.Failed)
		wantSame(b, "error", j.Error, vendorError)
		wantSame(b, "closed by", j.ClosedBy, jobs.ByWebhook)
		b.wantTime("closed", j.ClosedAt, closed)
		b.wantCredits("failed", j.Cost, 2)
		wantSame(b, "image", b.wantState(ids[1], jobs.Done).ImageURL, imageURL)

		failed.Error, done.ImageURL = "another reason", "https://vendor.example/other.png"
		b.observe(jobs.ByPoll, failed, done)
		wantSame(b, "error kept", b.job(ids[0]).Error, vendorError)
		wantSame(b, "image kept", b.job(ids[1]).ImageURL, imageURL)
	}},
	{"a canceled job keeps its end and learns its cost", func(b *book) {
		b.open("b1", pages(3)...)
		unanswered := b.doubted("b1", 1)[0].Job.ID
		answered := b.pending("b1", 1)[0]
		b.shut(cancel(unanswered), cancel(answered))
		b.later(time.Minute)
		for i, id := range []jobs.ID{unanswered, answered} {
			o := seen(id, jobs.OutcomeDone)
			o.Cost = credits(float64(i + 1))
			e := b.observe(jobs.ByPoll, o)
			b.wantClosed(e)
			wantSame(b, "conflicts", e.Conflicts, 0)
			j := b.wantState(id, jobs.Canceled)
			b.wantCredits("canceled job", j.Cost, float64(i+1))
			wantSame(b, "screenshot", j.ScreenshotID, shot(id))
		}
		b.wantCredits("batch", b.batch("b1").Counts.Cost, 3)
	}},
	{"what is not ours is passed over", func(b *book) {
		b.open("b1", pages(2)...)
		id := b.pending("b1", 1)[0]
		stranger := func(id jobs.ID, attempt int) jobs.Observation {
			o := seen(id, jobs.OutcomeDone)
			o.Attempt, o.ScreenshotID, o.Cost = attempt, "stranger", credits(9)
			return o
		}
		e := b.observe(jobs.ByPoll,
			stranger(row("other", 1), 1), stranger(row("b1", 99), 1),
			stranger(row("b1", 2), 1), stranger(id, 2), stranger(id, 0))
		b.wantClosed(e)
		wantSame(b, "adopted", e.Adopted, 0)
		wantSame(b, "double charged", len(e.DoubleCharged), 0)
		b.wantState(id, jobs.Pending)
		b.wantState(row("b1", 2), jobs.Queued)
		b.wantCredits("batch", b.batch("b1").Counts.Cost, unknown)
	}},
	{"one screenshot from the vendor's cache closes two jobs", func(b *book) {
		b.open("b1", pages(2)...)
		b.open("b2", pages(1)...)
		first, second, other := b.sent("b1", 2), row("b1", 2), b.sent("b2", 1)[0].Job.ID
		var answers []jobs.Observation
		for _, id := range []jobs.ID{first[0].Job.ID, second, other} {
			o := seen(id, jobs.OutcomeProcessing)
			o.ScreenshotID = "shared"
			answers = append(answers, o)
		}
		e := b.observe(jobs.ByCreate, answers...)
		wantSame(b, "adopted", e.Adopted, 3)
		wantSame(b, "double charged", len(e.DoubleCharged), 0)
		b.deliver("shared", jobs.OutcomeDone)
		applied := b.apply()
		wantSame(b, "closed", len(applied.Closed), 3)
		wantSame(b, "finished", len(applied.Finished), 2)
		for _, id := range []jobs.ID{row("b1", 1), second, other} {
			wantSame(b, "closed by", b.wantState(id, jobs.Done).ClosedBy, jobs.ByWebhook)
		}
	}},
	{"a shared screenshot that has ended closes a later job whatever its answer says", func(b *book) {
		b.open("b1", pages(2)...)
		id := b.pending("b1", 1)[0]
		b.webhook(id, jobs.OutcomeDone)
		second := b.sent("b1", 1)[0].Job.ID
		o := seen(second, jobs.OutcomeProcessing)
		o.ScreenshotID = shot(id)
		b.wantClosed(b.observe(jobs.ByCreate, o), jobs.Closed{Job: second, Attempt: 1, State: jobs.Done, By: jobs.ByWebhook})
	}},
	{"a shared screenshot that has ended closes a later job through its answer", func(b *book) {
		b.open("b1", pages(2)...)
		id := b.pending("b1", 1)[0]
		b.webhook(id, jobs.OutcomeDone)
		second := b.sent("b1", 1)[0].Job.ID
		o := seen(second, jobs.OutcomeDone)
		o.ScreenshotID = shot(id)
		e := b.observe(jobs.ByCreate, o)
		b.wantClosed(e, jobs.Closed{Job: second, Attempt: 1, State: jobs.Done, By: jobs.ByCreate})
	}},
	{"an answer after the time was up is late", func(b *book) {
		b.open("b1", pages(2)...)
		id := b.pending("b1", 1)[0]
		b.shut(timeOut(id))
		e := b.observe(jobs.ByPoll, seen(id, jobs.OutcomeDone))
		b.wantClosed(e, jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByPoll, Late: true})
		if !b.wantState(id, jobs.Done).Late {
			b.t.Fatal("the job does not say that it was late")
		}
	}},
}
