package storetest

import (
	"fmt"
	"sync/atomic"
	"time"

	"shotline/jobs"
)

var retryTests = append(secondEndTests(), []test{
	{"a retry begins the next attempt", func(f *fixture) {
		f.open("b1", append(pages(2), page(pages(1)[0].URL))...)
		ids := f.pending("b1", 2)
		f.webhook(ids[1], jobs.OutcomeDone)
		f.closeJobs(timeOut(ids[0]))
		f.observe(jobs.ByPoll, priced(ids[0], 1, jobs.OutcomeFailed, 2))
		wantSame(f, "late", f.batch("b1").Counts.Late, 1)
		wantSame(f, "revision", f.batch("b1").Revision, 2)
		_, err := f.ClaimWork(f.ctx(), f.now, f.now.Add(time.Hour), workLimit)
		f.must(err, "claim work")
		f.saveSummary("b1", 2, "summary", true)
		f.later(time.Second)

		e := f.retry(jobs.Retry{Job: ids[0], Attempt: 1, From: jobs.Retriable})
		wantSame(f, "retried", len(e.Retried), 1)
		wantSame(f, "retried", e.Retried[0], ids[0])
		wantSame(f, "reopened", len(e.Reopened), 1)
		wantSame(f, "reopened", e.Reopened[0], "b1")
		j := f.wantState(ids[0], jobs.Queued)
		wantSame(f, "attempt", j.Attempt, 2)
		wantSame(f, "closed by", j.ClosedBy, "")
		f.wantCredits("cost of the first attempt", j.Cost, 2)
		f.wantTime("closed", j.ClosedAt, time.Time{})
		batch := f.batch("b1")
		wantSame(f, "batch", batch.State, jobs.BatchOpen)
		f.wantTime("finished", batch.FinishedAt, time.Time{})
		wantSame(f, "late", batch.Counts.Late, 0)
		work, err := f.ClaimWork(f.ctx(), f.now, f.now.Add(time.Minute), workLimit)
		f.must(err, "claim work")
		wantSame(f, "pending work", len(work), 1)
		wantSame(f, "pending work", work[0].Kind, jobs.WorkSubmit)

		l := f.lease("b1", 1)[0]
		wantSame(f, "leased attempt", l.Attempt, 2)
		wantSame(f, "sends", f.intend(l).Sends, 1)
		o := priced(ids[0], 2, jobs.OutcomeDone, 3)
		e = f.observe(jobs.ByCreate, o)
		f.wantClosed(e, jobs.Closed{Job: ids[0], Attempt: 2, State: jobs.Done, By: jobs.ByCreate})
		wantSame(f, "finished", len(e.Finished), 1)
		wantSame(f, "revision", f.batch("b1").Revision, 3)
		f.saveSummary("b1", 3, "summary", true)
		f.wantCredits("both attempts", f.job(ids[0]).Cost, 5)
		wantSame(f, "the duplicate's original", f.allRows("b1")[2].Original.ScreenshotID, shotOf(ids[0], 2))
	}},
	{"the image of an older attempt replaces all data of the newest", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := timedOut(f, "b1")
		f.retryJobs(id)
		f.pendingRetry(id)
		half := seenIn(id, 2, jobs.OutcomeProcessing)
		half.ImageURL = "https://vendor.example/half.png"
		f.observe(jobs.ByPoll, half)
		f.result(id, 2, jobs.OutcomeFailed)

		blind := f.delivery(shot(id), jobs.OutcomeDone)
		blind.ImageURL = ""
		_, err := f.AppendDelivery(f.ctx(), blind)
		f.must(err, "append delivery")
		f.apply()
		j := f.wantState(id, jobs.Done)
		wantSame(f, "screenshot", j.ScreenshotID, shot(id))
		wantSame(f, "image", j.ImageURL, "")
	}},
	{"the newest of several older images closes the job", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.pending("b1", 1)[0]
		for attempt := 2; attempt <= 4; attempt++ {
			f.cancel(id)
			f.retryJobs(id)
			f.pendingRetry(id)
		}
		for _, attempt := range []int{3, 1, 2} {
			f.result(id, attempt, jobs.OutcomeDone)
		}
		f.wantClosed(f.result(id, 4, jobs.OutcomeFailed), jobs.Closed{Job: id, Attempt: 3, State: jobs.Done, By: jobs.ByWebhook, Late: true})
		wantSame(f, "screenshot", f.job(id).ScreenshotID, shotOf(id, 3))
	}},
	{"guards of a retry", func(f *fixture) {
		f.uncheckedSteps = true
		retriable := map[string]jobs.State{"failed": jobs.Failed, "late-failed": jobs.Failed, "refused": jobs.Failed,
			"timed-out": jobs.TimedOut, "canceled": jobs.Canceled, "never-sent": jobs.Canceled}
		n := 0
		for standing, bring := range standings {
			n++
			batch := fmt.Sprintf("b%d", n)
			f.open(batch, append(pages(3), page(pages(1)[0].URL), rejected(6, "bad"))...)
			id := bring(f, batch)
			before := f.job(id)
			var others []jobs.State
			for _, state := range jobs.Retriable {
				if state != before.State {
					others = append(others, state)
				}
			}
			for _, wrong := range []jobs.Retry{
				{Job: id, Attempt: before.Attempt + 1, From: jobs.Retriable},
				{Job: id, Attempt: before.Attempt - 1, From: jobs.Retriable},
				{Job: id, Attempt: before.Attempt, From: others},
				{Job: id, Attempt: before.Attempt},
			} {
				wantSame(f, standing+": retried by a wrong guard", len(f.retry(wrong).Retried), 0)
			}
			right := jobs.Retry{Job: id, Attempt: before.Attempt, From: jobs.Retriable}
			e := f.retry(right, right)
			if _, ends := retriable[standing]; !ends {
				wantSame(f, standing+": retried", len(e.Retried), 0)
				wantSame(f, standing+": state", f.job(id).State, before.State)
			} else {
				wantSame(f, standing+": retried", len(e.Retried), 1)
				wantSame(f, standing+": attempt", f.wantState(id, jobs.Queued).Attempt, before.Attempt+1)
			}
			f.audit()
		}
		unknown := []jobs.Retry{{Job: row("b1", 99), From: jobs.Retriable}, {Job: row("nothere", 1), From: jobs.Retriable}}
		wantSame(f, "retried of unknown jobs", len(f.retry(unknown...).Retried), 0)
	}},
	{"only final states without an image can be retried", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.pending("b1", 1)[0]
		f.webhook(id, jobs.OutcomeDone)
		for _, from := range []jobs.State{jobs.Done, jobs.Pending, jobs.Rejected} {
			_, err := f.Retry(f.ctx(), []jobs.Retry{{Job: id, Attempt: 1, From: []jobs.State{from}}}, f.now)
			f.wantErr(err, jobs.ErrInvalid, "retry from "+string(from))
		}
	}},
	{"a kept webhook is applied before a retry", func(f *fixture) {
		f.open("b1", pages(3)...)
		done, failed, again := timedOut(f, "b1"), timedOut(f, "b1"), timedOut(f, "b1")
		f.deliver(shot(done), jobs.OutcomeDone)
		f.deliver(shot(failed), jobs.OutcomeFailed)
		f.deliver(shot(again), jobs.OutcomeFailed)
		timedOutOnly := []jobs.State{jobs.TimedOut}
		e := f.retry(jobs.Retry{Job: done, Attempt: 1, From: jobs.Retriable}, jobs.Retry{Job: failed, Attempt: 1, From: timedOutOnly},
			jobs.Retry{Job: again, Attempt: 1, From: jobs.Retriable})
		wantSame(f, "closed late", len(e.Closed), 3)
		wantSame(f, "retried", len(e.Retried), 1)
		wantSame(f, "done is late", f.wantState(done, jobs.Done).Late, true)
		f.wantState(failed, jobs.Failed)
		f.wantState(again, jobs.Queued)
	}},
	{"the image of an older attempt does not close a job under way", func(f *fixture) {
		f.open("b1", pages(4)...)
		var ids []jobs.ID
		for range 4 {
			ids = append(ids, timedOut(f, "b1"))
		}
		f.retryJobs(ids...)
		f.lease("b1", 1)          // the first
		f.leaseAndIntend("b1", 1) // the second
		f.leaseAndDoubt("b1", 1)  // the third
		f.pendingRetry(ids[3])
		for i, want := range []jobs.State{jobs.Submitting, jobs.Submitting, jobs.Submitting, jobs.Pending} {
			f.wantClosed(f.result(ids[i], 1, jobs.OutcomeDone))
			f.wantState(ids[i], want)
		}
		f.wantClosed(f.result(ids[3], 2, jobs.OutcomeDone), jobs.Closed{Job: ids[3], Attempt: 2, State: jobs.Done, By: jobs.ByWebhook})
		wantSame(f, "screenshot", f.job(ids[3]).ScreenshotID, shotOf(ids[3], 2))
	}},
	{"a lost create of an older attempt is recorded with it", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := row("b1", 1)
		f.leaseAndDoubt("b1", 1)
		f.later(time.Minute)
		f.resend(f.claimDoubts(f.now, 10), f.now, 1)
		f.cancel(id)
		f.retryJobs(id)
		f.pendingRetry(id)
		e := f.observe(jobs.ByPoll, priced(id, 1, jobs.OutcomeDone, 2))
		f.wantClosed(e)
		wantSame(f, "double charged", len(e.DoubleCharged), 0)
		j := f.wantState(id, jobs.Pending)
		wantSame(f, "screenshot", j.ScreenshotID, shotOf(id, 2))
		f.wantCredits("cost", j.Cost, 2)
		f.wantClosed(f.result(id, 2, jobs.OutcomeFailed), jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByPoll, Late: true})
		costs, _, err := f.Unexplained(f.ctx(), "b1")
		f.must(err, "unexplained")
		wantSame(f, "cost of the second attempt is unexplained", costs, 1)
	}},
	{"a third attempt follows the second", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := timedOut(f, "b1")
		f.retryJobs(id)
		f.pendingRetry(id)
		f.result(id, 2, jobs.OutcomeFailed)
		f.retryJobs(id)
		wantSame(f, "attempt", f.wantState(id, jobs.Queued).Attempt, 3)
		f.pendingRetry(id)
		f.wantClosed(f.result(id, 2, jobs.OutcomeFailed))
		f.wantClosed(f.result(id, 3, jobs.OutcomeFailed), jobs.Closed{Job: id, Attempt: 3, State: jobs.Failed, By: jobs.ByWebhook})
		wantSame(f, "conflicts", f.job(id).Conflicts, 0)
		wantSame(f, "revision", f.batch("b1").Revision, 3)
		f.wantClosed(f.result(id, 1, jobs.OutcomeDone), jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByWebhook, Late: true})
		wantSame(f, "revision", f.batch("b1").Revision, 4)
	}},
	{"a second attempt may get the first one's screenshot", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.pending("b1", 1)[0]
		f.webhook(id, jobs.OutcomeFailed)
		f.retryJobs(id)
		f.leaseAndIntend("b1", 1)
		cached := seenIn(id, 2, jobs.OutcomeProcessing)
		cached.ScreenshotID = shot(id)
		f.wantClosed(f.observe(jobs.ByCreate, cached), jobs.Closed{Job: id, Attempt: 2, State: jobs.Failed, By: jobs.ByWebhook})
	}},
	{"a paused batch stays paused", func(f *fixture) {
		f.open("b1", pages(2)...)
		id := f.pending("b1", 1)[0]
		f.webhook(id, jobs.OutcomeFailed)
		f.must(f.Pause(f.ctx(), "b1", "no credits", f.now), "pause")
		wantSame(f, "reopened", len(f.retryJobs(id).Reopened), 0)
		wantSame(f, "state", f.batch("b1").State, jobs.BatchPaused)
		wantSame(f, "reason", f.batch("b1").PauseReason, "no credits")
	}},
	{"each job gets one of many retries", func(f *fixture) {
		const n = 60
		ids := f.bulk("b1", n)
		var closings []jobs.Closing
		for _, id := range ids {
			closings = append(closings, timeOut(id))
		}
		f.closeJobs(closings...)
		stores := f.twoStores()
		var retried atomic.Int32
		var runners []func() error
		for i := range 4 {
			runners = append(runners, func() error {
				for _, id := range ids {
					e, err := stores[i%2].Retry(f.ctx(), []jobs.Retry{{Job: id, Attempt: 1, From: jobs.Retriable}}, f.now)
					if err != nil {
						return err
					}
					retried.Add(int32(len(e.Retried)))
				}
				return nil
			})
		}
		simultaneously(f, runners...)
		f.check()
		wantSame(f, "retried", retried.Load(), n)
		wantSame(f, "queued", f.batch("b1").Counts.Of(jobs.Queued), n)
	}},
	{"a retry against webhooks that arrive", func(f *fixture) {
		const n = 60
		ids := f.bulk("b1", n)
		var closings []jobs.Closing
		for _, id := range ids {
			closings = append(closings, timeOut(id))
		}
		f.closeJobs(closings...)
		stores := f.twoStores()
		var kept [n]atomic.Bool
		var keptBefore [n]bool
		simultaneously(f, func() error {
			for i, id := range ids {
				if _, err := stores[0].AppendDelivery(f.ctx(), f.delivery(shot(id), jobs.OutcomeDone)); err != nil {
					return err
				}
				kept[i].Store(true)
			}
			return nil
		}, func() error {
			for i, id := range ids {
				keptBefore[i] = kept[i].Load()
				if _, err := stores[1].Retry(f.ctx(), []jobs.Retry{{Job: id, Attempt: 1, From: jobs.Retriable}}, f.now); err != nil {
					return err
				}
			}
			return nil
		})
		f.apply()
		for i, id := range ids {
			if j := f.job(id); keptBefore[i] && j.State != jobs.Done || j.State != jobs.Done && j.State != jobs.Queued {
				f.t.Fatalf("job %s is %s, its webhook was kept before: %v", id, j.State, keptBefore[i])
			}
		}
	}},
}...)

// retry requests retries of jobs.
func (f *fixture) retry(retries ...jobs.Retry) jobs.Effects {
	f.t.Helper()
	effects, err := f.Retry(f.ctx(), retries, f.now)
	f.must(err, "retry %+v", retries)
	f.check()
	return effects
}

// retryJobs retries jobs that ended without an image.
func (f *fixture) retryJobs(ids ...jobs.ID) jobs.Effects {
	f.t.Helper()
	var retries []jobs.Retry
	for _, id := range ids {
		retries = append(retries, jobs.Retry{Job: id, Attempt: f.job(id).Attempt, From: jobs.Retriable})
	}
	effects := f.retry(retries...)
	wantSame(f, "retried jobs", len(effects.Retried), len(ids))
	return effects
}

// pendingRetry makes a batch's next queued job, which was retried, pending.
func (f *fixture) pendingRetry(id jobs.ID) {
	f.t.Helper()
	l := f.leaseAndIntend(id.Batch, 1)[0]
	wantSame(f, "leased", l.Job.ID, id)
	f.observe(jobs.ByCreate, seenIn(id, l.Attempt, jobs.OutcomeProcessing))
	f.wantState(id, jobs.Pending)
}

// result delivers and applies the result of the screenshot of a job's attempt.
func (f *fixture) result(id jobs.ID, attempt int, outcome jobs.Outcome) jobs.Effects {
	f.t.Helper()
	f.deliver(shotOf(id, attempt), outcome)
	return f.apply().Effects
}
