package storetest

import (
	"time"

	"shotline/jobs"
)

var cancelTests = []test{
	{"what costs nothing, or is known, is canceled at once", func(b *book) {
		b.open("b1", append(pages(4), page(pages(1)[0].URL), rejected(6, "bad"))...)
		pending := b.pending("b1", 2)
		leased := b.lease("b1", 1)[0]
		b.webhook(pending[1], jobs.OutcomeDone)
		b.later(time.Second)
		e := b.cancel(row("b1", 4), leased.Job.ID, pending[0], pending[1], row("b1", 5), row("b1", 6), row("b1", 99), row("nothere", 1))
		b.wantClosed(e,
			jobs.Closed{Job: row("b1", 4), State: jobs.Canceled, By: jobs.ByCancel},
			jobs.Closed{Job: leased.Job.ID, Attempt: 1, State: jobs.Canceled, By: jobs.ByCancel},
			jobs.Closed{Job: pending[0], Attempt: 1, State: jobs.Canceled, By: jobs.ByCancel})
		wantSame(b, "canceling", e.Canceling, 0)
		wantSame(b, "finished", len(e.Finished), 1)
		j := b.wantState(pending[0], jobs.Canceled)
		wantSame(b, "closed by", j.ClosedBy, jobs.ByCancel)
		b.wantTime("closed", j.ClosedAt, b.now)
		if j.Error == "" {
			b.t.Fatal("a canceled job does not say why it ended")
		}
		b.wantState(pending[1], jobs.Done)
		b.wantClosed(b.cancel(pending...))
	}},
	{"a lease that was canceled is worth nothing", func(b *book) {
		b.open("b1", pages(1)...)
		leases := b.lease("b1", 1)
		b.cancel(leases[0].Job.ID)
		_, err := b.OpenIntent(b.ctx(), leases[0], b.now, b.now.Add(leaseTime))
		b.wantErr(err, jobs.ErrLeaseLost, "intent for a canceled job")
		wantSame(b, "requeued", b.requeue(leases...).Requeued, 0)
		b.later(time.Hour)
		b.expire(100, 0, 0)
		b.wantState(leases[0].Job.ID, jobs.Canceled)
	}},
	{"a create under way is settled first", func(b *book) {
		b.open("b1", pages(2)...)
		id := b.sent("b1", 1)[0].Job.ID
		b.wantAsked(id)
		b.later(time.Second)
		e := b.observe(jobs.ByCreate, priced(id, 1, jobs.OutcomeProcessing, 2))
		b.wantClosed(e, jobs.Closed{Job: id, Attempt: 1, State: jobs.Canceled, By: jobs.ByCancel})
		wantSame(b, "adopted", e.Adopted, 1)
		j := b.wantState(id, jobs.Canceled)
		wantSame(b, "screenshot", j.ScreenshotID, shot(id))
		b.wantCredits("canceled", j.Cost, 2)
		b.wantClosed(b.webhook(id, jobs.OutcomeDone))
		b.wantState(id, jobs.Canceled)
	}},
	{"a result that comes with the screenshot closes the job", func(b *book) {
		b.open("b1", pages(4)...)
		var ids []jobs.ID
		for _, l := range b.sent("b1", 4) {
			ids = append(ids, l.Job.ID)
		}
		b.later(time.Second)
		b.deliver(shot(ids[1]), jobs.OutcomeFailed)
		b.apply()
		b.wantAsked(ids...)
		b.deliver(shot(ids[2]), jobs.OutcomeDone) // kept, and not applied yet
		e := b.observe(jobs.ByPoll, seen(ids[0], jobs.OutcomeDone), seen(ids[1], jobs.OutcomeProcessing),
			seen(ids[2], jobs.OutcomeProcessing), seen(ids[3], jobs.OutcomeProcessing))
		wantSame(b, "closed", len(e.Closed), 4)
		wantSame(b, "finished", len(e.Finished), 1)
		wantSame(b, "by the answer", b.wantState(ids[0], jobs.Done).ClosedBy, jobs.ByPoll)
		wantSame(b, "by a held delivery", b.wantState(ids[1], jobs.Failed).ClosedBy, jobs.ByWebhook)
		wantSame(b, "by a delivery not yet applied", b.wantState(ids[2], jobs.Done).ClosedBy, jobs.ByWebhook)
		b.wantState(ids[3], jobs.Canceled)
		wantSame(b, "read again", b.apply().Read, 0)
	}},
	{"a create that had no effect cancels", func(b *book) {
		b.open("b1", pages(2)...)
		leases := b.sent("b1", 2)
		b.wantAsked(leases[0].Job.ID)
		e := b.requeue(leases...)
		wantSame(b, "queued again", e.Requeued, 1)
		b.wantClosed(e, jobs.Closed{Job: leases[0].Job.ID, Attempt: 1, State: jobs.Canceled, By: jobs.ByCancel})
		b.wantState(leases[1].Job.ID, jobs.Queued)
	}},
	{"a create that is refused fails", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.sent("b1", 1)[0].Job.ID
		b.wantAsked(id)
		b.shut(refuse(id))
		b.wantState(id, jobs.Failed)
	}},
	{"a doubt that settles cancels", func(b *book) {
		b.open("b1", pages(3)...)
		early := b.doubted("b1", 1)[0].Job.ID
		b.wantAsked(early)
		late := b.sent("b1", 1)[0].Job.ID
		b.wantAsked(late)
		b.later(time.Hour)
		b.expire(100, 0, 1)
		b.wantState(late, jobs.Submitting)
		b.later(time.Minute)
		doubts := b.claimDoubts(b.now, 10)
		wantSame(b, "doubts", len(doubts), 2)
		e := b.resend(doubts, b.now, 0)
		wantSame(b, "closed", len(e.Closed), 2)
		b.wantState(early, jobs.Canceled)
		b.wantState(late, jobs.Canceled)

		// The lost create shows up after all.
		found := b.observe(jobs.ByPoll, priced(early, 1, jobs.OutcomeDone, 3))
		b.wantClosed(found)
		b.wantLost(early, 3)
	}},
	{"what is queued to be sent anew is canceled at once, and its lost create recorded", func(b *book) {
		b.open("b1", pages(3)...)
		b.doubted("b1", 2)
		b.later(time.Minute)
		b.resend(b.claimDoubts(b.now, 10), b.now, 2)
		queued, leased := row("b1", 2), b.lease("b1", 1)[0].Job.ID
		e := b.cancel(queued, leased)
		wantSame(b, "closed", len(e.Closed), 2)
		costs, _, err := b.Unexplained(b.ctx(), "b1")
		b.must(err, "unexplained")
		wantSame(b, "creates that may have cost something", costs, 2)
		for _, id := range []jobs.ID{queued, leased} {
			b.deliver(shot(id), jobs.OutcomeDone)
			b.wantClosed(b.apply().Effects)
			b.wantClosed(b.observe(jobs.ByPoll, priced(id, 1, jobs.OutcomeDone, 3)))
			b.wantLost(id, 3)
		}
		costs, _, err = b.Unexplained(b.ctx(), "b1")
		b.must(err, "unexplained")
		wantSame(b, "then", costs, 0)
	}},
	{"a kept webhook never loses to somebody who cancels", func(b *book) {
		b.open("b1", pages(2)...)
		ids := b.pending("b1", 2)
		b.deliver(shot(ids[0]), jobs.OutcomeDone)
		e := b.cancel(ids...)
		b.wantClosed(e,
			jobs.Closed{Job: ids[0], Attempt: 1, State: jobs.Done, By: jobs.ByWebhook},
			jobs.Closed{Job: ids[1], Attempt: 1, State: jobs.Canceled, By: jobs.ByCancel})
		wantSame(b, "finished", len(e.Finished), 1)
	}},
	{"asking twice keeps the first time", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.sent("b1", 1)[0].Job.ID
		b.wantAsked(id)
		first := b.now
		b.later(time.Second)
		wantSame(b, "canceling", b.cancel(id).Canceling, 1)
		b.wantTime("asked", b.job(id).CancelAskedAt, first)
	}},
	{"nothing is canceled while a batch is importing", func(b *book) {
		b.open("b1", pages(1)...)
		b.importing("b2", pages(1)...)
		_, err := b.Cancel(b.ctx(), []jobs.ID{row("b1", 1), row("b2", 1)}, b.now)
		b.wantErr(err, jobs.ErrState, "cancel in a batch that is importing")
		b.wantState(row("b1", 1), jobs.Queued)
		b.wantState(row("b2", 1), jobs.Queued)
	}},
	{"a paused batch ends by canceling", func(b *book) {
		b.open("b1", pages(2)...)
		b.must(b.Pause(b.ctx(), "b1", "no credits", b.now), "pause")
		wantSame(b, "finished", len(b.cancel(row("b1", 1), row("b1", 2)).Finished), 1)
		wantSame(b, "state", b.batch("b1").State, jobs.BatchFinished)
	}},
	{"submitters against somebody who cancels", func(b *book) {
		const n = 60
		b.bulkOpen("b1", n)
		stores := b.openers()
		var sent []jobs.ID
		race(b, func() error {
			for range n {
				leases, err := stores[0].Lease(b.ctx(), "b1", "w1", 1, b.now, b.now.Add(leaseTime))
				if err != nil || len(leases) == 0 {
					return err
				}
				if _, err := stores[0].OpenIntent(b.ctx(), leases[0], b.now, b.now.Add(leaseTime)); err == nil {
					sent = append(sent, leases[0].Job.ID)
				}
			}
			return nil
		}, func() error {
			for _, id := range b.bulkRows("b1", n) {
				if _, err := stores[1].Cancel(b.ctx(), []jobs.ID{id}, b.now); err != nil {
					return err
				}
			}
			return nil
		})
		b.check()
		wantSame(b, "creates to settle", b.batch("b1").Counts.Of(jobs.Submitting), int64(len(sent)))
		wantSame(b, "the others", b.batch("b1").Counts.Of(jobs.Canceled), int64(n-len(sent)))
		for _, id := range sent {
			b.observe(jobs.ByCreate, seen(id, jobs.OutcomeProcessing))
		}
		wantSame(b, "canceled", b.batch("b1").Counts.Of(jobs.Canceled), n)
	}},
}

// cancel asks to cancel jobs.
func (b *book) cancel(ids ...jobs.ID) jobs.Effects {
	b.t.Helper()
	effects, err := b.Cancel(b.ctx(), ids, b.now)
	b.must(err, "cancel %v", ids)
	b.check()
	return effects
}

// wantAsked cancels jobs whose create is under way: they are marked, and nothing more.
func (b *book) wantAsked(ids ...jobs.ID) {
	b.t.Helper()
	e := b.cancel(ids...)
	b.wantClosed(e)
	wantSame(b, "canceling", e.Canceling, len(ids))
	for _, id := range ids {
		b.wantTime("asked", b.wantState(id, jobs.Submitting).CancelAskedAt, b.now)
	}
}

// wantLost asserts what a canceled job knows of its lost create.
func (b *book) wantLost(id jobs.ID, cost float64) {
	b.t.Helper()
	j := b.wantState(id, jobs.Canceled)
	wantSame(b, "screenshot", j.ScreenshotID, shot(id))
	b.wantCredits("canceled", j.Cost, cost)
}

// priced is what the vendor says of the shot of a job's attempt, with its cost.
func priced(id jobs.ID, attempt int, outcome jobs.Outcome, cost float64) jobs.Observation {
	o := seenIn(id, attempt, outcome)
	o.Cost = credits(cost)
	return o
}
