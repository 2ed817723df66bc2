package storetest

import (
	"sync/atomic"
	"time"

	"shotline/jobs"
)

var correctionTests = []test{
	{"a false failure is corrected", func(b *book) {
		id := b.contradicted(jobs.OutcomeFailed, jobs.OutcomeDone)
		b.saved("b1", 1, "one", true)
		b.later(time.Second)
		told := seen(id, jobs.OutcomeDone)
		told.Cost, told.ImageURL = credits(2), "https://vendor.example/other.png"
		e := b.observe(jobs.ByPoll, told)
		b.wantClosed(e, jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByPoll, Corrected: true})
		wantSame(b, "conflicts in this step", e.Conflicts, 0)
		wantSame(b, "revised", len(e.Revised), 1)
		j := b.wantState(id, jobs.Done)
		wantSame(b, "error", j.Error, "")
		wantSame(b, "image", j.ImageURL, told.ImageURL)
		b.wantCredits("cost", j.Cost, 2)
		wantSame(b, "corrected", j.Corrected, true)
		wantSame(b, "late", j.Late, false)
		wantSame(b, "first result", j.FirstResult, jobs.OutcomeFailed)
		wantSame(b, "vendor says", j.VendorSays, jobs.OutcomeDone)
		wantSame(b, "conflicts", j.Conflicts, 1)
		b.wantTime("closed", j.ClosedAt, b.now)
		batch := b.batch("b1")
		wantSame(b, "revision", batch.Revision, 2)
		wantSame(b, "corrected jobs", batch.Counts.Corrected, 1)
		wantSame(b, "closed by webhook", batch.Counts.ByProvenance[jobs.ByWebhook], 0)
		b.saved("b1", 2, "two", true)
		wantSame(b, "still to be checked", len(b.claimConflicts(b.now)), 0)
		events := b.allEvents()
		last := events[len(events)-2]
		wantSame(b, "event", last.Type, jobs.EventJobCorrected)
		wantSame(b, "its state", last.State, jobs.Done)
		wantSame(b, "event of the batch", events[len(events)-1].Type, jobs.EventBatchRevised)
		totals, err := b.Totals(b.ctx())
		b.must(err, "totals")
		wantSame(b, "corrected jobs of all batches", totals.Counts.Corrected, 1)
	}},
	{"a false picture is taken back", func(b *book) {
		id := b.contradicted(jobs.OutcomeDone, jobs.OutcomeFailed)
		e := b.observe(jobs.ByPoll, seen(id, jobs.OutcomeFailed))
		b.wantClosed(e, jobs.Closed{Job: id, Attempt: 1, State: jobs.Failed, By: jobs.ByPoll, Corrected: true})
		j := b.wantState(id, jobs.Failed)
		wantSame(b, "error", j.Error, vendorError)
		wantSame(b, "image", j.ImageURL, "")
		wantSame(b, "screenshot", j.ScreenshotID, shot(id))
		b.retried(id)
		j = b.job(id)
		wantSame(b, "corrected after a retry", j.Corrected, false)
		wantSame(b, "corrected jobs after a retry", b.batch("b1").Counts.Corrected, 0)
		b.again(id)
		b.result(id, 2, jobs.OutcomeFailed)
		wantSame(b, "image of the second attempt", b.wantState(id, jobs.Failed).ImageURL, "")
	}},
	{"what the vendor leaves out was told by the other webhook", func(b *book) {
		b.open("b1", pages(2)...)
		ids := b.pending("b1", 2)
		b.webhook(ids[0], jobs.OutcomeFailed)
		b.webhook(ids[0], jobs.OutcomeDone)
		b.webhook(ids[1], jobs.OutcomeDone)
		b.webhook(ids[1], jobs.OutcomeFailed)
		done, failed := seen(ids[0], jobs.OutcomeDone), seen(ids[1], jobs.OutcomeFailed)
		done.ImageURL, failed.Error = "", ""
		b.observe(jobs.ByPoll, done, failed)
		wantSame(b, "image", b.wantState(ids[0], jobs.Done).ImageURL, imageURL)
		wantSame(b, "error", b.wantState(ids[1], jobs.Failed).Error, vendorError)
	}},
	{"a vendor that confirms the first result changes nothing", func(b *book) {
		id := b.contradicted(jobs.OutcomeDone, jobs.OutcomeFailed)
		before := b.job(id)
		b.later(time.Second)
		b.wantClosed(b.observe(jobs.ByPoll, seen(id, jobs.OutcomeDone)))
		j := b.wantState(id, jobs.Done)
		wantSame(b, "vendor says", j.VendorSays, jobs.OutcomeDone)
		wantSame(b, "corrected", j.Corrected, false)
		wantSame(b, "closed by", j.ClosedBy, before.ClosedBy)
		b.wantTime("closed", j.ClosedAt, before.ClosedAt)
		wantSame(b, "revision", b.batch("b1").Revision, 1)
		wantSame(b, "still to be checked", len(b.claimConflicts(b.now)), 0)
	}},
	{"a listing that contradicts a webhook is the vendor's word", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.pending("b1", 1)[0]
		b.webhook(id, jobs.OutcomeFailed) // and the true one was lost
		e := b.observe(jobs.ByPoll, seen(id, jobs.OutcomeDone))
		b.wantClosed(e, jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByPoll, Corrected: true})
		wantSame(b, "conflicts", e.Conflicts, 1)
	}},
	{"a webhook that waits in the inbox is corrected in the same step", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.pending("b1", 1)[0]
		b.deliver(shot(id), jobs.OutcomeFailed)
		e := b.observe(jobs.ByPoll, seen(id, jobs.OutcomeDone))
		b.wantClosed(e, jobs.Closed{Job: id, Attempt: 1, State: jobs.Failed, By: jobs.ByWebhook},
			jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByPoll, Corrected: true})
		wantSame(b, "revision", b.batch("b1").Revision, 2)
	}},
	{"a webhook that was held is corrected in the step that adopts its screenshot", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.sent("b1", 1)[0].Job.ID
		b.deliver(shot(id), jobs.OutcomeFailed)
		b.apply()
		e := b.observe(jobs.ByPoll, seen(id, jobs.OutcomeDone))
		b.wantClosed(e, jobs.Closed{Job: id, Attempt: 1, State: jobs.Failed, By: jobs.ByWebhook},
			jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByPoll, Corrected: true})
	}},
	{"the vendor's word is the last: what contradicts it is counted", func(b *book) {
		id := b.contradicted(jobs.OutcomeFailed, jobs.OutcomeDone)
		b.observe(jobs.ByPoll, seen(id, jobs.OutcomeDone))
		b.wantClosed(b.webhook(id, jobs.OutcomeDone))
		for range 2 {
			b.wantClosed(b.webhook(id, jobs.OutcomeFailed))
			b.wantClosed(b.observe(jobs.ByPoll, seen(id, jobs.OutcomeFailed)))
			b.wantClosed(b.observe(jobs.ByPoll, seen(id, jobs.OutcomeDone)))
		}
		j := b.wantState(id, jobs.Done)
		wantSame(b, "conflicts", j.Conflicts, 5)
		wantSame(b, "revision", b.batch("b1").Revision, 2)
		b.later(time.Hour)
		wantSame(b, "to be checked", len(b.claimConflicts(b.now)), 0)
	}},
	{"a word that comes when nobody asks any more settles the conflict", func(b *book) {
		id := b.contradicted(jobs.OutcomeFailed, jobs.OutcomeDone)
		b.claimConflicts(b.now)
		b.recheck(id, jobs.OutcomeUnknown, time.Time{})
		e := b.observe(jobs.ByPoll, seen(id, jobs.OutcomeDone))
		wantSame(b, "conflicts in this step", e.Conflicts, 0)
		wantSame(b, "corrected", b.wantState(id, jobs.Done).Corrected, true)
	}},
	{"a late end stays late", func(b *book) {
		b.open("b1", pages(1)...)
		id := timedOut(b, "b1")
		b.webhook(id, jobs.OutcomeFailed)
		b.webhook(id, jobs.OutcomeDone)
		b.wantClosed(b.observe(jobs.ByPoll, seen(id, jobs.OutcomeDone)),
			jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByPoll, Late: true, Corrected: true})
		wantSame(b, "revision", b.batch("b1").Revision, 3)
	}},
	{"an open batch gets no revision", func(b *book) {
		b.open("b1", pages(2)...)
		id := b.pending("b1", 2)[0]
		b.webhook(id, jobs.OutcomeFailed)
		b.webhook(id, jobs.OutcomeDone)
		wantSame(b, "revised", len(b.observe(jobs.ByPoll, seen(id, jobs.OutcomeDone)).Revised), 0)
		wantSame(b, "revision", b.batch("b1").Revision, 0)
		wantSame(b, "corrected jobs", b.batch("b1").Counts.Corrected, 1)
	}},
	{"a canceled job stays canceled", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.pending("b1", 1)[0]
		b.shut(cancel(id))
		b.webhook(id, jobs.OutcomeFailed)
		b.webhook(id, jobs.OutcomeDone)
		b.wantClosed(b.observe(jobs.ByPoll, seen(id, jobs.OutcomeDone)))
		wantSame(b, "vendor says", b.wantState(id, jobs.Canceled).VendorSays, jobs.OutcomeDone)
	}},
	{"the picture of an attempt that was retried too early is not lost", func(b *book) {
		id := b.contradicted(jobs.OutcomeFailed, jobs.OutcomeDone)
		b.retried(id)
		b.wantClosed(b.observe(jobs.ByPoll, seen(id, jobs.OutcomeDone)))
		b.wantState(id, jobs.Queued)
		b.again(id)
		b.wantClosed(b.result(id, 2, jobs.OutcomeFailed),
			jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByPoll, Late: true})
		wantSame(b, "screenshot", b.job(id).ScreenshotID, shot(id))
	}},
	{"and closes a job whose newest attempt brought none, as a correction", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.pending("b1", 1)[0]
		b.webhook(id, jobs.OutcomeFailed)
		b.retried(id)
		b.again(id)
		c := timeOut(id)
		c.Attempt = 2
		b.shut(c)
		b.webhook(id, jobs.OutcomeDone)
		b.wantState(id, jobs.TimedOut)
		b.wantClosed(b.observe(jobs.ByPoll, seen(id, jobs.OutcomeDone)),
			jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByPoll, Late: true, Corrected: true})
		j := b.wantState(id, jobs.Done)
		wantSame(b, "screenshot", j.ScreenshotID, shot(id))
		wantSame(b, "attempt", j.Attempt, 2)
	}},
	{"a picture that is taken back gives way to one that was paid for before", func(b *book) {
		b.open("b1", pages(1)...)
		id := timedOut(b, "b1")
		b.retried(id)
		b.again(id)
		older := seen(id, jobs.OutcomeDone)
		older.ImageURL = "https://vendor.example/older.png"
		b.observe(jobs.ByPoll, older)
		b.result(id, 2, jobs.OutcomeDone)
		b.result(id, 2, jobs.OutcomeFailed)
		b.wantClosed(b.observe(jobs.ByPoll, seenIn(id, 2, jobs.OutcomeFailed)),
			jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByPoll, Late: true, Corrected: true})
		j := b.wantState(id, jobs.Done)
		wantSame(b, "screenshot", j.ScreenshotID, shot(id))
		wantSame(b, "image", j.ImageURL, older.ImageURL)
		wantSame(b, "error", j.Error, "")
	}},
	{"a picture of an older attempt that is taken back leaves the end of the newest", func(b *book) {
		b.open("b1", pages(2)...)
		ids := b.pending("b1", 2)
		b.shut(timeOut(ids[0]), timeOut(ids[1]))
		b.retried(ids...)
		b.again(ids[0])
		b.again(ids[1])
		b.result(ids[0], 2, jobs.OutcomeFailed)
		c := timeOut(ids[1])
		c.Attempt = 2
		b.shut(c)
		for _, id := range ids {
			b.webhook(id, jobs.OutcomeDone)
			b.wantState(id, jobs.Done)
			b.webhook(id, jobs.OutcomeFailed)
		}
		b.later(time.Second)
		b.wantClosed(b.observe(jobs.ByPoll, seen(ids[0], jobs.OutcomeFailed), seen(ids[1], jobs.OutcomeFailed)),
			jobs.Closed{Job: ids[0], Attempt: 2, State: jobs.Failed, By: jobs.ByWebhook, Late: true, Corrected: true},
			jobs.Closed{Job: ids[1], Attempt: 2, State: jobs.TimedOut, By: jobs.ByDeadline, Corrected: true})
		for _, id := range ids {
			j := b.job(id)
			wantSame(b, "screenshot", j.ScreenshotID, shotOf(id, 2))
			wantSame(b, "image", j.ImageURL, "")
			wantSame(b, "error", j.Error, "the vendor confirmed that the screenshot of attempt 1 failed: "+vendorError)
		}
		// The newest attempt may still have its result.
		b.wantClosed(b.result(ids[1], 2, jobs.OutcomeDone),
			jobs.Closed{Job: ids[1], Attempt: 2, State: jobs.Done, By: jobs.ByWebhook, Late: true})
		wantSame(b, "corrected", b.job(ids[1]).Corrected, true)
	}},
	{"of two attempts that the vendor confirms the newest counts", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.pending("b1", 1)[0]
		b.webhook(id, jobs.OutcomeFailed)
		b.retried(id)
		b.again(id)
		b.result(id, 2, jobs.OutcomeFailed)
		b.result(id, 1, jobs.OutcomeDone)
		b.result(id, 2, jobs.OutcomeDone)
		b.wantClosed(b.observe(jobs.ByPoll, seen(id, jobs.OutcomeDone), seenIn(id, 2, jobs.OutcomeDone)),
			jobs.Closed{Job: id, Attempt: 2, State: jobs.Done, By: jobs.ByPoll, Corrected: true})
		wantSame(b, "screenshot", b.job(id).ScreenshotID, shotOf(id, 2))
	}},
	{"a picture that the job does not show is taken back without a change", func(b *book) {
		b.open("b1", pages(1)...)
		id := timedOut(b, "b1")
		b.retried(id)
		b.again(id)
		b.webhook(id, jobs.OutcomeDone)
		b.result(id, 2, jobs.OutcomeDone)
		b.webhook(id, jobs.OutcomeFailed)
		b.wantClosed(b.observe(jobs.ByPoll, seen(id, jobs.OutcomeFailed)))
		j := b.wantState(id, jobs.Done)
		wantSame(b, "screenshot", j.ScreenshotID, shotOf(id, 2))
		wantSame(b, "corrected", j.Corrected, false)
		wantSame(b, "vendor says", j.VendorSays, jobs.OutcomeFailed)
	}},
	{"a screenshot of the vendor's cache corrects all jobs that have it", func(b *book) {
		b.open("b1", pages(2)...)
		leases := b.sent("b1", 2)
		var same []jobs.Observation
		for _, l := range leases {
			o := seen(l.Job.ID, jobs.OutcomeProcessing)
			o.ScreenshotID = "same"
			same = append(same, o)
		}
		b.observe(jobs.ByCreate, same...)
		b.deliver("same", jobs.OutcomeFailed)
		b.deliver("same", jobs.OutcomeDone)
		b.apply()
		same[0].Outcome = jobs.OutcomeDone
		wantSame(b, "corrected", len(b.observe(jobs.ByPoll, same[0]).Closed), 2)
		wantSame(b, "done", b.batch("b1").Counts.Of(jobs.Done), 2)
		wantSame(b, "to be checked", len(b.claimConflicts(b.now)), 0)
	}},
	{"two processes that settle one conflict correct the job once", func(b *book) {
		const n = 30
		ids := b.bulk("b1", n)
		b.crowdDeliver(ids, jobs.OutcomeFailed)
		b.apply()
		b.crowdDeliver(ids, jobs.OutcomeDone)
		b.apply()
		stores := b.openers()
		var corrected atomic.Int32
		var runners []func() error
		for i := range 2 {
			runners = append(runners, func() error {
				for _, id := range ids {
					e, err := stores[i].Observe(b.ctx(), []jobs.Observation{seen(id, jobs.OutcomeDone)}, jobs.ByPoll, b.now, b.now.Add(jobTimeout))
					if err != nil {
						return err
					}
					corrected.Add(int32(len(e.Closed)))
				}
				return nil
			})
		}
		race(b, runners...)
		wantSame(b, "corrections", corrected.Load(), n)
		b.check()
		wantSame(b, "corrected jobs", b.batch("b1").Counts.Corrected, n)
	}},
	{"a retry against the vendor's word: one of the two has the job", func(b *book) {
		const n = 30
		ids := b.bulk("b1", n)
		b.crowdDeliver(ids, jobs.OutcomeFailed)
		b.apply()
		b.crowdDeliver(ids, jobs.OutcomeDone)
		b.apply()
		stores := b.openers()
		race(b, func() error {
			for _, id := range ids {
				if _, err := stores[0].Retry(b.ctx(), []jobs.Retry{{Job: id, Attempt: 1, From: jobs.Retriable}}, b.now); err != nil {
					return err
				}
			}
			return nil
		}, func() error {
			for _, id := range ids {
				if _, err := stores[1].Observe(b.ctx(), []jobs.Observation{seen(id, jobs.OutcomeDone)}, jobs.ByPoll, b.now, b.now.Add(jobTimeout)); err != nil {
					return err
				}
			}
			return nil
		})
		b.check()
		for _, id := range ids {
			j := b.job(id)
			if done := j.State == jobs.Done && j.Corrected && j.Attempt == 1; !done && (j.State != jobs.Queued || j.Attempt != 2) {
				b.t.Fatalf("job %s is %s in attempt %d, corrected: %v", id, j.State, j.Attempt, j.Corrected)
			}
		}
	}},
}

// contradicted is a finished batch b1 of one job whose screenshot was reported
// twice.
func (b *book) contradicted(first, second jobs.Outcome) jobs.ID {
	b.t.Helper()
	b.open("b1", pages(1)...)
	id := b.pending("b1", 1)[0]
	b.webhook(id, first)
	wantSame(b, "conflicts", b.webhook(id, second).Conflicts, 1)
	b.wantState(id, jobs.State(first))
	return id
}

// crowdDeliver keeps the same result of many jobs' shots.
func (b *book) crowdDeliver(ids []jobs.ID, outcome jobs.Outcome) {
	b.t.Helper()
	crowd(b, len(ids), func(i int) error {
		_, err := b.AppendDelivery(b.ctx(), b.told(shot(ids[i]), outcome))
		return err
	})
}
