package storetest

import (
	"sync/atomic"
	"time"

	"shotline/jobs"
)

var correctionTests = []test{
	{"a false failure is corrected", func(f *fixture) {
		id := f.contradictedJob(jobs.OutcomeFailed, jobs.OutcomeDone)
		f.saveSummary("b1", 1, "one", true)
		f.later(time.Second)
		answer := seen(id, jobs.OutcomeDone)
		answer.Cost, answer.ImageURL = credits(2), "https://vendor.example/other.png"
		e := f.observe(jobs.ByPoll, answer)
		f.wantClosed(e, jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByPoll, Corrected: true})
		wantSame(f, "conflicts in this step", e.Conflicts, 0)
		wantSame(f, "revised", len(e.Revised), 1)
		j := f.wantState(id, jobs.Done)
		wantSame(f, "error", j.Error, "")
		wantSame(f, "image", j.ImageURL, answer.ImageURL)
		f.wantCredits("cost", j.Cost, 2)
		wantSame(f, "corrected", j.Corrected, true)
		wantSame(f, "late", j.Late, false)
		wantSame(f, "first result", j.FirstResult, jobs.OutcomeFailed)
		wantSame(f, "vendor's result", j.VendorSays, jobs.OutcomeDone)
		wantSame(f, "conflicts", j.Conflicts, 1)
		f.wantTime("closed", j.ClosedAt, f.now)
		batch := f.batch("b1")
		wantSame(f, "revision", batch.Revision, 2)
		wantSame(f, "corrected jobs", batch.Counts.Corrected, 1)
		wantSame(f, "closed by webhook", batch.Counts.ByProvenance[jobs.ByWebhook], 0)
		f.saveSummary("b1", 2, "two", true)
		wantSame(f, "still to be checked", len(f.claimConflicts(f.now)), 0)
		events := f.allEvents()
		last := events[len(events)-2]
		wantSame(f, "event", last.Type, jobs.EventJobCorrected)
		wantSame(f, "its state", last.State, jobs.Done)
		wantSame(f, "event of the batch", events[len(events)-1].Type, jobs.EventBatchRevised)
		totals, err := f.Totals(f.ctx())
		f.must(err, "totals")
		wantSame(f, "corrected jobs of all batches", totals.Counts.Corrected, 1)
	}},
	{"a false image is removed", func(f *fixture) {
		id := f.contradictedJob(jobs.OutcomeDone, jobs.OutcomeFailed)
		e := f.observe(jobs.ByPoll, seen(id, jobs.OutcomeFailed))
		f.wantClosed(e, jobs.Closed{Job: id, Attempt: 1, State: jobs.Failed, By: jobs.ByPoll, Corrected: true})
		j := f.wantState(id, jobs.Failed)
		wantSame(f, "error", j.Error, vendorError)
		wantSame(f, "image", j.ImageURL, "")
		wantSame(f, "screenshot", j.ScreenshotID, shot(id))
		f.retryJobs(id)
		j = f.job(id)
		wantSame(f, "corrected after a retry", j.Corrected, false)
		wantSame(f, "corrected jobs after a retry", f.batch("b1").Counts.Corrected, 0)
		f.pendingRetry(id)
		f.result(id, 2, jobs.OutcomeFailed)
		wantSame(f, "image of the second attempt", f.wantState(id, jobs.Failed).ImageURL, "")
	}},
	{"data missing in the vendor's response come from the other webhook", func(f *fixture) {
		f.open("b1", pages(2)...)
		ids := f.pending("b1", 2)
		f.webhook(ids[0], jobs.OutcomeFailed)
		f.webhook(ids[0], jobs.OutcomeDone)
		f.webhook(ids[1], jobs.OutcomeDone)
		f.webhook(ids[1], jobs.OutcomeFailed)
		done, failed := seen(ids[0], jobs.OutcomeDone), seen(ids[1], jobs.OutcomeFailed)
		done.ImageURL, failed.Error = "", ""
		f.observe(jobs.ByPoll, done, failed)
		wantSame(f, "image", f.wantState(ids[0], jobs.Done).ImageURL, imageURL)
		wantSame(f, "error", f.wantState(ids[1], jobs.Failed).Error, vendorError)
	}},
	{"a vendor that confirms the first result changes nothing", func(f *fixture) {
		id := f.contradictedJob(jobs.OutcomeDone, jobs.OutcomeFailed)
		before := f.job(id)
		f.later(time.Second)
		f.wantClosed(f.observe(jobs.ByPoll, seen(id, jobs.OutcomeDone)))
		j := f.wantState(id, jobs.Done)
		wantSame(f, "vendor's result", j.VendorSays, jobs.OutcomeDone)
		wantSame(f, "corrected", j.Corrected, false)
		wantSame(f, "closed by", j.ClosedBy, before.ClosedBy)
		f.wantTime("closed", j.ClosedAt, before.ClosedAt)
		wantSame(f, "revision", f.batch("b1").Revision, 1)
		wantSame(f, "still to be checked", len(f.claimConflicts(f.now)), 0)
	}},
	{"a listing that contradicts a webhook settles the conflict", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.pending("b1", 1)[0]
		f.webhook(id, jobs.OutcomeFailed) // the true webhook was lost
		e := f.observe(jobs.ByPoll, seen(id, jobs.OutcomeDone))
		f.wantClosed(e, jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByPoll, Corrected: true})
		wantSame(f, "conflicts", e.Conflicts, 1)
	}},
	{"a webhook that waits in the inbox is corrected in the same step", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.pending("b1", 1)[0]
		f.deliver(shot(id), jobs.OutcomeFailed)
		e := f.observe(jobs.ByPoll, seen(id, jobs.OutcomeDone))
		f.wantClosed(e, jobs.Closed{Job: id, Attempt: 1, State: jobs.Failed, By: jobs.ByWebhook},
			jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByPoll, Corrected: true})
		wantSame(f, "revision", f.batch("b1").Revision, 2)
	}},
	{"a webhook that was held is corrected in the step that adopts its screenshot", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.leaseAndIntend("b1", 1)[0].Job.ID
		f.deliver(shot(id), jobs.OutcomeFailed)
		f.apply()
		e := f.observe(jobs.ByPoll, seen(id, jobs.OutcomeDone))
		f.wantClosed(e, jobs.Closed{Job: id, Attempt: 1, State: jobs.Failed, By: jobs.ByWebhook},
			jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByPoll, Corrected: true})
	}},
	{"a webhook that contradicts the vendor's confirmed result is only counted", func(f *fixture) {
		id := f.contradictedJob(jobs.OutcomeFailed, jobs.OutcomeDone)
		f.observe(jobs.ByPoll, seen(id, jobs.OutcomeDone))
		f.wantClosed(f.webhook(id, jobs.OutcomeDone))
		for range 2 {
			f.wantClosed(f.webhook(id, jobs.OutcomeFailed))
			f.wantClosed(f.observe(jobs.ByPoll, seen(id, jobs.OutcomeFailed)))
			f.wantClosed(f.observe(jobs.ByPoll, seen(id, jobs.OutcomeDone)))
		}
		j := f.wantState(id, jobs.Done)
		wantSame(f, "conflicts", j.Conflicts, 5)
		wantSame(f, "revision", f.batch("b1").Revision, 2)
		f.later(time.Hour)
		wantSame(f, "to be checked", len(f.claimConflicts(f.now)), 0)
	}},
	{"a result that arrives after the last check settles the conflict", func(f *fixture) {
		id := f.contradictedJob(jobs.OutcomeFailed, jobs.OutcomeDone)
		f.claimConflicts(f.now)
		f.recheck(id, jobs.OutcomeUnknown, time.Time{})
		e := f.observe(jobs.ByPoll, seen(id, jobs.OutcomeDone))
		wantSame(f, "conflicts in this step", e.Conflicts, 0)
		wantSame(f, "corrected", f.wantState(id, jobs.Done).Corrected, true)
	}},
	{"a late closure stays late", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := timedOut(f, "b1")
		f.webhook(id, jobs.OutcomeFailed)
		f.webhook(id, jobs.OutcomeDone)
		f.wantClosed(f.observe(jobs.ByPoll, seen(id, jobs.OutcomeDone)),
			jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByPoll, Late: true, Corrected: true})
		wantSame(f, "revision", f.batch("b1").Revision, 3)
	}},
	{"an open batch gets no revision", func(f *fixture) {
		f.open("b1", pages(2)...)
		id := f.pending("b1", 2)[0]
		f.webhook(id, jobs.OutcomeFailed)
		f.webhook(id, jobs.OutcomeDone)
		wantSame(f, "revised", len(f.observe(jobs.ByPoll, seen(id, jobs.OutcomeDone)).Revised), 0)
		wantSame(f, "revision", f.batch("b1").Revision, 0)
		wantSame(f, "corrected jobs", f.batch("b1").Counts.Corrected, 1)
	}},
	{"a canceled job stays canceled", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.pending("b1", 1)[0]
		f.closeJobs(cancel(id))
		f.webhook(id, jobs.OutcomeFailed)
		f.webhook(id, jobs.OutcomeDone)
		f.wantClosed(f.observe(jobs.ByPoll, seen(id, jobs.OutcomeDone)))
		wantSame(f, "vendor's result", f.wantState(id, jobs.Canceled).VendorSays, jobs.OutcomeDone)
	}},
	{"the image of an attempt that was retried too early is not lost", func(f *fixture) {
		id := f.contradictedJob(jobs.OutcomeFailed, jobs.OutcomeDone)
		f.retryJobs(id)
		f.wantClosed(f.observe(jobs.ByPoll, seen(id, jobs.OutcomeDone)))
		f.wantState(id, jobs.Queued)
		f.pendingRetry(id)
		f.wantClosed(f.result(id, 2, jobs.OutcomeFailed),
			jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByPoll, Late: true})
		wantSame(f, "screenshot", f.job(id).ScreenshotID, shot(id))
	}},
	{"an older attempt's image corrects a job whose newest attempt has none", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.pending("b1", 1)[0]
		f.webhook(id, jobs.OutcomeFailed)
		f.retryJobs(id)
		f.pendingRetry(id)
		c := timeOut(id)
		c.Attempt = 2
		f.closeJobs(c)
		f.webhook(id, jobs.OutcomeDone)
		f.wantState(id, jobs.TimedOut)
		f.wantClosed(f.observe(jobs.ByPoll, seen(id, jobs.OutcomeDone)),
			jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByPoll, Late: true, Corrected: true})
		j := f.wantState(id, jobs.Done)
		wantSame(f, "screenshot", j.ScreenshotID, shot(id))
		wantSame(f, "attempt", j.Attempt, 2)
	}},
	{"a removed image is replaced by one that was paid for before", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := timedOut(f, "b1")
		f.retryJobs(id)
		f.pendingRetry(id)
		older := seen(id, jobs.OutcomeDone)
		older.ImageURL = "https://vendor.example/older.png"
		f.observe(jobs.ByPoll, older)
		f.result(id, 2, jobs.OutcomeDone)
		f.result(id, 2, jobs.OutcomeFailed)
		f.wantClosed(f.observe(jobs.ByPoll, seenIn(id, 2, jobs.OutcomeFailed)),
			jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByPoll, Late: true, Corrected: true})
		j := f.wantState(id, jobs.Done)
		wantSame(f, "screenshot", j.ScreenshotID, shot(id))
		wantSame(f, "image", j.ImageURL, older.ImageURL)
		wantSame(f, "error", j.Error, "")
	}},
	{"a removed image of an older attempt leaves the result of the newest", func(f *fixture) {
		f.open("b1", pages(2)...)
		ids := f.pending("b1", 2)
		f.closeJobs(timeOut(ids[0]), timeOut(ids[1]))
		f.retryJobs(ids...)
		f.pendingRetry(ids[0])
		f.pendingRetry(ids[1])
		f.result(ids[0], 2, jobs.OutcomeFailed)
		c := timeOut(ids[1])
		c.Attempt = 2
		f.closeJobs(c)
		for _, id := range ids {
			f.webhook(id, jobs.OutcomeDone)
			f.wantState(id, jobs.Done)
			f.webhook(id, jobs.OutcomeFailed)
		}
		f.later(time.Second)
		f.wantClosed(f.observe(jobs.ByPoll, seen(ids[0], jobs.OutcomeFailed), seen(ids[1], jobs.OutcomeFailed)),
			jobs.Closed{Job: ids[0], Attempt: 2, State: jobs.Failed, By: jobs.ByWebhook, Late: true, Corrected: true},
			jobs.Closed{Job: ids[1], Attempt: 2, State: jobs.TimedOut, By: jobs.ByDeadline, Corrected: true})
		for _, id := range ids {
			j := f.job(id)
			wantSame(f, "screenshot", j.ScreenshotID, shotOf(id, 2))
			wantSame(f, "image", j.ImageURL, "")
			wantSame(f, "error", j.Error, "the vendor confirmed that the screenshot of attempt 1 failed: "+vendorError)
		}
		// The newest attempt might still get its result.
		f.wantClosed(f.result(ids[1], 2, jobs.OutcomeDone),
			jobs.Closed{Job: ids[1], Attempt: 2, State: jobs.Done, By: jobs.ByWebhook, Late: true})
		wantSame(f, "corrected", f.job(ids[1]).Corrected, true)
	}},
	{"the newest of two confirmed attempts counts", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.pending("b1", 1)[0]
		f.webhook(id, jobs.OutcomeFailed)
		f.retryJobs(id)
		f.pendingRetry(id)
		f.result(id, 2, jobs.OutcomeFailed)
		f.result(id, 1, jobs.OutcomeDone)
		f.result(id, 2, jobs.OutcomeDone)
		f.wantClosed(f.observe(jobs.ByPoll, seen(id, jobs.OutcomeDone), seenIn(id, 2, jobs.OutcomeDone)),
			jobs.Closed{Job: id, Attempt: 2, State: jobs.Done, By: jobs.ByPoll, Corrected: true})
		wantSame(f, "screenshot", f.job(id).ScreenshotID, shotOf(id, 2))
	}},
	{"removing an image that is not the job's changes nothing", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := timedOut(f, "b1")
		f.retryJobs(id)
		f.pendingRetry(id)
		f.webhook(id, jobs.OutcomeDone)
		f.result(id, 2, jobs.OutcomeDone)
		f.webhook(id, jobs.OutcomeFailed)
		f.wantClosed(f.observe(jobs.ByPoll, seen(id, jobs.OutcomeFailed)))
		j := f.wantState(id, jobs.Done)
		wantSame(f, "screenshot", j.ScreenshotID, shotOf(id, 2))
		wantSame(f, "corrected", j.Corrected, false)
		wantSame(f, "vendor's result", j.VendorSays, jobs.OutcomeFailed)
	}},
	{"a screenshot of the vendor's cache corrects all jobs that have it", func(f *fixture) {
		f.open("b1", pages(2)...)
		leases := f.leaseAndIntend("b1", 2)
		var same []jobs.Observation
		for _, l := range leases {
			o := seen(l.Job.ID, jobs.OutcomeProcessing)
			o.ScreenshotID = "same"
			same = append(same, o)
		}
		f.observe(jobs.ByCreate, same...)
		f.deliver("same", jobs.OutcomeFailed)
		f.deliver("same", jobs.OutcomeDone)
		f.apply()
		same[0].Outcome = jobs.OutcomeDone
		wantSame(f, "corrected", len(f.observe(jobs.ByPoll, same[0]).Closed), 2)
		wantSame(f, "done", f.batch("b1").Counts.Of(jobs.Done), 2)
		wantSame(f, "to be checked", len(f.claimConflicts(f.now)), 0)
	}},
	{"two processes that settle one conflict correct the job once", func(f *fixture) {
		const n = 30
		ids := f.bulk("b1", n)
		f.deliverAll(ids, jobs.OutcomeFailed)
		f.apply()
		f.deliverAll(ids, jobs.OutcomeDone)
		f.apply()
		stores := f.twoStores()
		var corrected atomic.Int32
		var runners []func() error
		for i := range 2 {
			runners = append(runners, func() error {
				for _, id := range ids {
					e, err := stores[i].Observe(f.ctx(), []jobs.Observation{seen(id, jobs.OutcomeDone)}, jobs.ByPoll, f.now, f.now.Add(jobTimeout))
					if err != nil {
						return err
					}
					corrected.Add(int32(len(e.Closed)))
				}
				return nil
			})
		}
		simultaneously(f, runners...)
		wantSame(f, "corrections", corrected.Load(), n)
		f.check()
		wantSame(f, "corrected jobs", f.batch("b1").Counts.Corrected, n)
	}},
	{"either a retry or the vendor's result changes the job", func(f *fixture) {
		const n = 30
		ids := f.bulk("b1", n)
		f.deliverAll(ids, jobs.OutcomeFailed)
		f.apply()
		f.deliverAll(ids, jobs.OutcomeDone)
		f.apply()
		stores := f.twoStores()
		simultaneously(f, func() error {
			for _, id := range ids {
				if _, err := stores[0].Retry(f.ctx(), []jobs.Retry{{Job: id, Attempt: 1, From: jobs.Retriable}}, f.now); err != nil {
					return err
				}
			}
			return nil
		}, func() error {
			for _, id := range ids {
				if _, err := stores[1].Observe(f.ctx(), []jobs.Observation{seen(id, jobs.OutcomeDone)}, jobs.ByPoll, f.now, f.now.Add(jobTimeout)); err != nil {
					return err
				}
			}
			return nil
		})
		f.check()
		for _, id := range ids {
			j := f.job(id)
			if done := j.State == jobs.Done && j.Corrected && j.Attempt == 1; !done && (j.State != jobs.Queued || j.Attempt != 2) {
				f.t.Fatalf("job %s is %s in attempt %d, corrected: %v", id, j.State, j.Attempt, j.Corrected)
			}
		}
	}},
}

// contradictedJob makes a finished batch b1 with one job whose screenshot has two
// webhooks.
func (f *fixture) contradictedJob(first, second jobs.Outcome) jobs.ID {
	f.t.Helper()
	f.open("b1", pages(1)...)
	id := f.pending("b1", 1)[0]
	f.webhook(id, first)
	wantSame(f, "conflicts", f.webhook(id, second).Conflicts, 1)
	f.wantState(id, jobs.State(first))
	return id
}

// deliverAll keeps the same result for the screenshots of many jobs.
func (f *fixture) deliverAll(ids []jobs.ID, outcome jobs.Outcome) {
	f.t.Helper()
	concurrently(f, len(ids), func(i int) error {
		_, err := f.AppendDelivery(f.ctx(), f.delivery(shot(ids[i]), outcome))
		return err
	})
}
