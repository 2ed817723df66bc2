package storetest

import (
	"fmt"
	"sync/atomic"
	"time"

	"shotline/jobs"
)

var retryTests = append(secondEndTests(), []test{
	{"a retry begins the next attempt", func(b *book) {
		b.open("b1", append(pages(2), page(pages(1)[0].URL))...)
		ids := b.pending("b1", 2)
		b.webhook(ids[1], jobs.OutcomeDone)
		b.shut(timeOut(ids[0]))
		b.observe(jobs.ByPoll, priced(ids[0], 1, jobs.OutcomeFailed, 2))
		wantSame(b, "late", b.batch("b1").Counts.Late, 1)
		wantSame(b, "revision", b.batch("b1").Revision, 2)
		_, err := b.ClaimWork(b.ctx(), b.now, b.now.Add(time.Hour), workLimit)
		b.must(err, "claim work")
		b.saved("b1", 2, "summary", true)
		b.later(time.Second)

		e := b.retry(jobs.Retry{Job: ids[0], Attempt: 1, From: jobs.Retriable})
		wantSame(b, "retried", len(e.Retried), 1)
		wantSame(b, "retried", e.Retried[0], ids[0])
		wantSame(b, "reopened", len(e.Reopened), 1)
		wantSame(b, "reopened", e.Reopened[0], "b1")
		j := b.wantState(ids[0], jobs.Queued)
		wantSame(b, "attempt", j.Attempt, 2)
		wantSame(b, "closed by", j.ClosedBy, "")
		b.wantCredits("what the first attempt cost", j.Cost, 2)
		b.wantTime("closed", j.ClosedAt, time.Time{})
		batch := b.batch("b1")
		wantSame(b, "batch", batch.State, jobs.BatchOpen)
		b.wantTime("finished", batch.FinishedAt, time.Time{})
		wantSame(b, "late", batch.Counts.Late, 0)
		work, err := b.ClaimWork(b.ctx(), b.now, b.now.Add(time.Minute), workLimit)
		b.must(err, "claim work")
		wantSame(b, "work owed", len(work), 1)
		wantSame(b, "work owed", work[0].Kind, jobs.WorkSubmit)

		l := b.lease("b1", 1)[0]
		wantSame(b, "leased attempt", l.Attempt, 2)
		wantSame(b, "sends", b.intend(l).Sends, 1)
		o := priced(ids[0], 2, jobs.OutcomeDone, 3)
		e = b.observe(jobs.ByCreate, o)
		b.wantClosed(e, jobs.Closed{Job: ids[0], Attempt: 2, State: jobs.Done, By: jobs.ByCreate})
		wantSame(b, "finished", len(e.Finished), 1)
		wantSame(b, "revision", b.batch("b1").Revision, 3)
		b.saved("b1", 3, "summary", true)
		b.wantCredits("both attempts", b.job(ids[0]).Cost, 5)
		wantSame(b, "the duplicate's original", b.allRows("b1")[2].Original.ScreenshotID, shotOf(ids[0], 2))
	}},
	{"the picture of an older attempt comes with nothing of the newest", func(b *book) {
		b.open("b1", pages(1)...)
		id := timedOut(b, "b1")
		b.retried(id)
		b.again(id)
		half := seenIn(id, 2, jobs.OutcomeProcessing)
		half.ImageURL = "https://vendor.example/half.png"
		b.observe(jobs.ByPoll, half)
		b.result(id, 2, jobs.OutcomeFailed)

		blind := b.told(shot(id), jobs.OutcomeDone)
		blind.ImageURL = ""
		_, err := b.AppendDelivery(b.ctx(), blind)
		b.must(err, "append delivery")
		b.apply()
		j := b.wantState(id, jobs.Done)
		wantSame(b, "screenshot", j.ScreenshotID, shot(id))
		wantSame(b, "image", j.ImageURL, "")
	}},
	{"of several older pictures the newest closes the job", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.pending("b1", 1)[0]
		for attempt := 2; attempt <= 4; attempt++ {
			b.cancel(id)
			b.retried(id)
			b.again(id)
		}
		for _, attempt := range []int{3, 1, 2} {
			b.result(id, attempt, jobs.OutcomeDone)
		}
		b.wantClosed(b.result(id, 4, jobs.OutcomeFailed), jobs.Closed{Job: id, Attempt: 3, State: jobs.Done, By: jobs.ByWebhook, Late: true})
		wantSame(b, "screenshot", b.job(id).ScreenshotID, shotOf(id, 3))
	}},
	{"guards of a retry", func(b *book) {
		b.quiet = true
		retriable := map[string]jobs.State{"failed": jobs.Failed, "late-failed": jobs.Failed, "refused": jobs.Failed,
			"timed-out": jobs.TimedOut, "canceled": jobs.Canceled, "never-sent": jobs.Canceled}
		n := 0
		for standing, bring := range standings {
			n++
			batch := fmt.Sprintf("b%d", n)
			b.open(batch, append(pages(3), page(pages(1)[0].URL), rejected(6, "bad"))...)
			id := bring(b, batch)
			before := b.job(id)
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
				wantSame(b, standing+": retried by a wrong guard", len(b.retry(wrong).Retried), 0)
			}
			right := jobs.Retry{Job: id, Attempt: before.Attempt, From: jobs.Retriable}
			e := b.retry(right, right)
			if _, ends := retriable[standing]; !ends {
				wantSame(b, standing+": retried", len(e.Retried), 0)
				wantSame(b, standing+": state", b.job(id).State, before.State)
			} else {
				wantSame(b, standing+": retried", len(e.Retried), 1)
				wantSame(b, standing+": attempt", b.wantState(id, jobs.Queued).Attempt, before.Attempt+1)
			}
			b.audit()
		}
		nobody := []jobs.Retry{{Job: row("b1", 99), From: jobs.Retriable}, {Job: row("nothere", 1), From: jobs.Retriable}}
		wantSame(b, "retried of nobody", len(b.retry(nobody...).Retried), 0)
	}},
	{"only ends without a picture are left", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.pending("b1", 1)[0]
		b.webhook(id, jobs.OutcomeDone)
		for _, from := range []jobs.State{jobs.Done, jobs.Pending, jobs.Rejected} {
			_, err := b.Retry(b.ctx(), []jobs.Retry{{Job: id, Attempt: 1, From: []jobs.State{from}}}, b.now)
			b.wantErr(err, jobs.ErrInvalid, "retry from "+string(from))
		}
	}},
	{"a kept webhook goes before a retry", func(b *book) {
		b.open("b1", pages(3)...)
		done, failed, again := timedOut(b, "b1"), timedOut(b, "b1"), timedOut(b, "b1")
		b.deliver(shot(done), jobs.OutcomeDone)
		b.deliver(shot(failed), jobs.OutcomeFailed)
		b.deliver(shot(again), jobs.OutcomeFailed)
		timedOutOnly := []jobs.State{jobs.TimedOut}
		e := b.retry(jobs.Retry{Job: done, Attempt: 1, From: jobs.Retriable}, jobs.Retry{Job: failed, Attempt: 1, From: timedOutOnly},
			jobs.Retry{Job: again, Attempt: 1, From: jobs.Retriable})
		wantSame(b, "closed late", len(e.Closed), 3)
		wantSame(b, "retried", len(e.Retried), 1)
		wantSame(b, "done is late", b.wantState(done, jobs.Done).Late, true)
		b.wantState(failed, jobs.Failed)
		b.wantState(again, jobs.Queued)
	}},
	{"the picture of an older attempt closes nothing that is under way", func(b *book) {
		b.open("b1", pages(4)...)
		var ids []jobs.ID
		for range 4 {
			ids = append(ids, timedOut(b, "b1"))
		}
		b.retried(ids...)
		b.lease("b1", 1)   // the first
		b.sent("b1", 1)    // the second
		b.doubted("b1", 1) // the third
		b.again(ids[3])
		for i, want := range []jobs.State{jobs.Submitting, jobs.Submitting, jobs.Submitting, jobs.Pending} {
			b.wantClosed(b.result(ids[i], 1, jobs.OutcomeDone))
			b.wantState(ids[i], want)
		}
		b.wantClosed(b.result(ids[3], 2, jobs.OutcomeDone), jobs.Closed{Job: ids[3], Attempt: 2, State: jobs.Done, By: jobs.ByWebhook})
		wantSame(b, "screenshot", b.job(ids[3]).ScreenshotID, shotOf(ids[3], 2))
	}},
	{"a lost create of an older attempt is recorded with it", func(b *book) {
		b.open("b1", pages(1)...)
		id := row("b1", 1)
		b.doubted("b1", 1)
		b.later(time.Minute)
		b.resend(b.claimDoubts(b.now, 10), b.now, 1)
		b.cancel(id)
		b.retried(id)
		b.again(id)
		e := b.observe(jobs.ByPoll, priced(id, 1, jobs.OutcomeDone, 2))
		b.wantClosed(e)
		wantSame(b, "double charged", len(e.DoubleCharged), 0)
		j := b.wantState(id, jobs.Pending)
		wantSame(b, "screenshot", j.ScreenshotID, shotOf(id, 2))
		b.wantCredits("cost", j.Cost, 2)
		b.wantClosed(b.result(id, 2, jobs.OutcomeFailed), jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByPoll, Late: true})
		costs, _, err := b.Unexplained(b.ctx(), "b1")
		b.must(err, "unexplained")
		wantSame(b, "cost of the second attempt is unexplained", costs, 1)
	}},
	{"a third attempt goes on from the second", func(b *book) {
		b.open("b1", pages(1)...)
		id := timedOut(b, "b1")
		b.retried(id)
		b.again(id)
		b.result(id, 2, jobs.OutcomeFailed)
		b.retried(id)
		wantSame(b, "attempt", b.wantState(id, jobs.Queued).Attempt, 3)
		b.again(id)
		b.wantClosed(b.result(id, 2, jobs.OutcomeFailed))
		b.wantClosed(b.result(id, 3, jobs.OutcomeFailed), jobs.Closed{Job: id, Attempt: 3, State: jobs.Failed, By: jobs.ByWebhook})
		wantSame(b, "conflicts", b.job(id).Conflicts, 0)
		wantSame(b, "revision", b.batch("b1").Revision, 3)
		b.wantClosed(b.result(id, 1, jobs.OutcomeDone), jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByWebhook, Late: true})
		wantSame(b, "revision", b.batch("b1").Revision, 4)
	}},
	{"a second attempt may get the first one's screenshot", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.pending("b1", 1)[0]
		b.webhook(id, jobs.OutcomeFailed)
		b.retried(id)
		b.sent("b1", 1)
		cached := seenIn(id, 2, jobs.OutcomeProcessing)
		cached.ScreenshotID = shot(id)
		b.wantClosed(b.observe(jobs.ByCreate, cached), jobs.Closed{Job: id, Attempt: 2, State: jobs.Failed, By: jobs.ByWebhook})
	}},
	{"a paused batch stays paused", func(b *book) {
		b.open("b1", pages(2)...)
		id := b.pending("b1", 1)[0]
		b.webhook(id, jobs.OutcomeFailed)
		b.must(b.Pause(b.ctx(), "b1", "no credits", b.now), "pause")
		wantSame(b, "reopened", len(b.retried(id).Reopened), 0)
		wantSame(b, "state", b.batch("b1").State, jobs.BatchPaused)
		wantSame(b, "reason", b.batch("b1").PauseReason, "no credits")
	}},
	{"of many retries each job has one", func(b *book) {
		const n = 60
		ids := b.bulk("b1", n)
		var closings []jobs.Closing
		for _, id := range ids {
			closings = append(closings, timeOut(id))
		}
		b.shut(closings...)
		stores := b.openers()
		var retried atomic.Int32
		var runners []func() error
		for i := range 4 {
			runners = append(runners, func() error {
				for _, id := range ids {
					e, err := stores[i%2].Retry(b.ctx(), []jobs.Retry{{Job: id, Attempt: 1, From: jobs.Retriable}}, b.now)
					if err != nil {
						return err
					}
					retried.Add(int32(len(e.Retried)))
				}
				return nil
			})
		}
		race(b, runners...)
		b.check()
		wantSame(b, "retried", retried.Load(), n)
		wantSame(b, "queued", b.batch("b1").Counts.Of(jobs.Queued), n)
	}},
	{"a retry against webhooks that arrive", func(b *book) {
		const n = 60
		ids := b.bulk("b1", n)
		var closings []jobs.Closing
		for _, id := range ids {
			closings = append(closings, timeOut(id))
		}
		b.shut(closings...)
		stores := b.openers()
		var kept [n]atomic.Bool
		var keptBefore [n]bool
		race(b, func() error {
			for i, id := range ids {
				if _, err := stores[0].AppendDelivery(b.ctx(), b.told(shot(id), jobs.OutcomeDone)); err != nil {
					return err
				}
				kept[i].Store(true)
			}
			return nil
		}, func() error {
			for i, id := range ids {
				keptBefore[i] = kept[i].Load()
				if _, err := stores[1].Retry(b.ctx(), []jobs.Retry{{Job: id, Attempt: 1, From: jobs.Retriable}}, b.now); err != nil {
					return err
				}
			}
			return nil
		})
		b.apply()
		for i, id := range ids {
			if j := b.job(id); keptBefore[i] && j.State != jobs.Done || j.State != jobs.Done && j.State != jobs.Queued {
				b.t.Fatalf("job %s is %s, its webhook was kept before: %v", id, j.State, keptBefore[i])
			}
		}
	}},
}...)

// retry asks to queue jobs again.
func (b *book) retry(retries ...jobs.Retry) jobs.Effects {
	b.t.Helper()
	effects, err := b.Retry(b.ctx(), retries, b.now)
	b.must(err, "retry %+v", retries)
	b.check()
	return effects
}

// retried queues jobs again that have ended without a picture.
func (b *book) retried(ids ...jobs.ID) jobs.Effects {
	b.t.Helper()
	var retries []jobs.Retry
	for _, id := range ids {
		retries = append(retries, jobs.Retry{Job: id, Attempt: b.job(id).Attempt, From: jobs.Retriable})
	}
	effects := b.retry(retries...)
	wantSame(b, "jobs queued again", len(effects.Retried), len(ids))
	return effects
}

// again brings a batch's next queued job, which was retried, to pending.
func (b *book) again(id jobs.ID) {
	b.t.Helper()
	l := b.sent(id.Batch, 1)[0]
	wantSame(b, "leased", l.Job.ID, id)
	b.observe(jobs.ByCreate, seenIn(id, l.Attempt, jobs.OutcomeProcessing))
	b.wantState(id, jobs.Pending)
}

// result delivers and applies the end of the shot of a job's attempt.
func (b *book) result(id jobs.ID, attempt int, outcome jobs.Outcome) jobs.Effects {
	b.t.Helper()
	b.deliver(shotOf(id, attempt), outcome)
	return b.apply().Effects
}
