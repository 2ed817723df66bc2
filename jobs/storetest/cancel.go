package storetest

import (
	"time"

	"shotline/jobs"
)

var cancelTests = []test{
	{"a job without a create, or with a known screenshot, is canceled at once", func(f *fixture) {
		f.open("b1", append(pages(4), page(pages(1)[0].URL), rejected(6, "bad"))...)
		pending := f.pending("b1", 2)
		leased := f.lease("b1", 1)[0]
		f.webhook(pending[1], jobs.OutcomeDone)
		f.later(time.Second)
		e := f.cancel(row("b1", 4), leased.Job.ID, pending[0], pending[1], row("b1", 5), row("b1", 6), row("b1", 99), row("nothere", 1))
		f.wantClosed(e,
			jobs.Closed{Job: row("b1", 4), State: jobs.Canceled, By: jobs.ByCancel},
			jobs.Closed{Job: leased.Job.ID, Attempt: 1, State: jobs.Canceled, By: jobs.ByCancel},
			jobs.Closed{Job: pending[0], Attempt: 1, State: jobs.Canceled, By: jobs.ByCancel})
		wantSame(f, "canceling", e.Canceling, 0)
		wantSame(f, "finished", len(e.Finished), 1)
		j := f.wantState(pending[0], jobs.Canceled)
		wantSame(f, "closed by", j.ClosedBy, jobs.ByCancel)
		f.wantTime("closed", j.ClosedAt, f.now)
		if j.Error == "" {
			f.t.Fatal("a canceled job has no error text")
		}
		f.wantState(pending[1], jobs.Done)
		f.wantClosed(f.cancel(pending...))
	}},
	{"the lease of a canceled job is lost", func(f *fixture) {
		f.open("b1", pages(1)...)
		leases := f.lease("b1", 1)
		f.cancel(leases[0].Job.ID)
		_, err := f.OpenIntent(f.ctx(), leases[0], f.now, f.now.Add(leaseTime))
		f.wantErr(err, jobs.ErrLeaseLost, "intent for a canceled job")
		wantSame(f, "requeued", f.requeue(leases...).Requeued, 0)
		f.later(time.Hour)
		f.expire(100, 0, 0)
		f.wantState(leases[0].Job.ID, jobs.Canceled)
	}},
	{"a create under way is settled before the cancel", func(f *fixture) {
		f.open("b1", pages(2)...)
		id := f.leaseAndIntend("b1", 1)[0].Job.ID
		f.wantCancelAsked(id)
		f.later(time.Second)
		e := f.observe(jobs.ByCreate, priced(id, 1, jobs.OutcomeProcessing, 2))
		f.wantClosed(e, jobs.Closed{Job: id, Attempt: 1, State: jobs.Canceled, By: jobs.ByCancel})
		wantSame(f, "adopted", e.Adopted, 1)
		j := f.wantState(id, jobs.Canceled)
		wantSame(f, "screenshot", j.ScreenshotID, shot(id))
		f.wantCredits("canceled", j.Cost, 2)
		f.wantClosed(f.webhook(id, jobs.OutcomeDone))
		f.wantState(id, jobs.Canceled)
	}},
	{"a result that comes with the screenshot closes the job", func(f *fixture) {
		f.open("b1", pages(4)...)
		var ids []jobs.ID
		for _, l := range f.leaseAndIntend("b1", 4) {
			ids = append(ids, l.Job.ID)
		}
		f.later(time.Second)
		f.deliver(shot(ids[1]), jobs.OutcomeFailed)
		f.apply()
		f.wantCancelAsked(ids...)
		f.deliver(shot(ids[2]), jobs.OutcomeDone) // kept, and not applied yet
		e := f.observe(jobs.ByPoll, seen(ids[0], jobs.OutcomeDone), seen(ids[1], jobs.OutcomeProcessing),
			seen(ids[2], jobs.OutcomeProcessing), seen(ids[3], jobs.OutcomeProcessing))
		wantSame(f, "closed", len(e.Closed), 4)
		wantSame(f, "finished", len(e.Finished), 1)
		wantSame(f, "by the answer", f.wantState(ids[0], jobs.Done).ClosedBy, jobs.ByPoll)
		wantSame(f, "by a held delivery", f.wantState(ids[1], jobs.Failed).ClosedBy, jobs.ByWebhook)
		wantSame(f, "by a delivery not yet applied", f.wantState(ids[2], jobs.Done).ClosedBy, jobs.ByWebhook)
		f.wantState(ids[3], jobs.Canceled)
		wantSame(f, "read again", f.apply().Read, 0)
	}},
	{"a create that had no effect cancels", func(f *fixture) {
		f.open("b1", pages(2)...)
		leases := f.leaseAndIntend("b1", 2)
		f.wantCancelAsked(leases[0].Job.ID)
		e := f.requeue(leases...)
		wantSame(f, "queued again", e.Requeued, 1)
		f.wantClosed(e, jobs.Closed{Job: leases[0].Job.ID, Attempt: 1, State: jobs.Canceled, By: jobs.ByCancel})
		f.wantState(leases[1].Job.ID, jobs.Queued)
	}},
	{"a job whose create is refused fails in spite of a cancel", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.leaseAndIntend("b1", 1)[0].Job.ID
		f.wantCancelAsked(id)
		f.closeJobs(refuse(id))
		f.wantState(id, jobs.Failed)
	}},
	{"a doubt that is settled cancels its job", func(f *fixture) {
		f.open("b1", pages(3)...)
		early := f.leaseAndDoubt("b1", 1)[0].Job.ID
		f.wantCancelAsked(early)
		late := f.leaseAndIntend("b1", 1)[0].Job.ID
		f.wantCancelAsked(late)
		f.later(time.Hour)
		f.expire(100, 0, 1)
		f.wantState(late, jobs.Submitting)
		f.later(time.Minute)
		doubts := f.claimDoubts(f.now, 10)
		wantSame(f, "doubts", len(doubts), 2)
		e := f.resend(doubts, f.now, 0)
		wantSame(f, "closed", len(e.Closed), 2)
		f.wantState(early, jobs.Canceled)
		f.wantState(late, jobs.Canceled)

		// The lost create is found later.
		found := f.observe(jobs.ByPoll, priced(early, 1, jobs.OutcomeDone, 3))
		f.wantClosed(found)
		f.wantLost(early, 3)
	}},
	{"a job that is queued again is canceled at once, and its lost create recorded", func(f *fixture) {
		f.open("b1", pages(3)...)
		f.leaseAndDoubt("b1", 2)
		f.later(time.Minute)
		f.resend(f.claimDoubts(f.now, 10), f.now, 2)
		queued, leased := row("b1", 2), f.lease("b1", 1)[0].Job.ID
		e := f.cancel(queued, leased)
		wantSame(f, "closed", len(e.Closed), 2)
		costs, _, err := f.Unexplained(f.ctx(), "b1")
		f.must(err, "unexplained")
		wantSame(f, "creates that might have a cost", costs, 2)
		for _, id := range []jobs.ID{queued, leased} {
			f.deliver(shot(id), jobs.OutcomeDone)
			f.wantClosed(f.apply().Effects)
			f.wantClosed(f.observe(jobs.ByPoll, priced(id, 1, jobs.OutcomeDone, 3)))
			f.wantLost(id, 3)
		}
		costs, _, err = f.Unexplained(f.ctx(), "b1")
		f.must(err, "unexplained")
		wantSame(f, "creates that might have a cost later", costs, 0)
	}},
	{"a kept webhook is applied before a cancel request", func(f *fixture) {
		f.open("b1", pages(2)...)
		ids := f.pending("b1", 2)
		f.deliver(shot(ids[0]), jobs.OutcomeDone)
		e := f.cancel(ids...)
		f.wantClosed(e,
			jobs.Closed{Job: ids[0], Attempt: 1, State: jobs.Done, By: jobs.ByWebhook},
			jobs.Closed{Job: ids[1], Attempt: 1, State: jobs.Canceled, By: jobs.ByCancel})
		wantSame(f, "finished", len(e.Finished), 1)
	}},
	{"a second cancel request keeps the time of the first", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.leaseAndIntend("b1", 1)[0].Job.ID
		f.wantCancelAsked(id)
		first := f.now
		f.later(time.Second)
		wantSame(f, "canceling", f.cancel(id).Canceling, 1)
		f.wantTime("cancel requested", f.job(id).CancelAskedAt, first)
	}},
	{"nothing is canceled while a batch is importing", func(f *fixture) {
		f.open("b1", pages(1)...)
		f.importing("b2", pages(1)...)
		_, err := f.Cancel(f.ctx(), []jobs.ID{row("b1", 1), row("b2", 1)}, f.now)
		f.wantErr(err, jobs.ErrState, "cancel in a batch that is importing")
		f.wantState(row("b1", 1), jobs.Queued)
		f.wantState(row("b2", 1), jobs.Queued)
	}},
	{"a paused batch ends by canceling", func(f *fixture) {
		f.open("b1", pages(2)...)
		f.must(f.Pause(f.ctx(), "b1", "no credits", f.now), "pause")
		wantSame(f, "finished", len(f.cancel(row("b1", 1), row("b1", 2)).Finished), 1)
		wantSame(f, "state", f.batch("b1").State, jobs.BatchFinished)
	}},
	{"submitters against cancel requests", func(f *fixture) {
		const n = 60
		f.bulkOpen("b1", n)
		stores := f.twoStores()
		var sent []jobs.ID
		simultaneously(f, func() error {
			for range n {
				leases, err := stores[0].Lease(f.ctx(), "b1", "w1", 1, f.now, f.now.Add(leaseTime))
				if err != nil || len(leases) == 0 {
					return err
				}
				if _, err := stores[0].OpenIntent(f.ctx(), leases[0], f.now, f.now.Add(leaseTime)); err == nil {
					sent = append(sent, leases[0].Job.ID)
				}
			}
			return nil
		}, func() error {
			for _, id := range f.bulkRows("b1", n) {
				if _, err := stores[1].Cancel(f.ctx(), []jobs.ID{id}, f.now); err != nil {
					return err
				}
			}
			return nil
		})
		f.check()
		wantSame(f, "creates to settle", f.batch("b1").Counts.Of(jobs.Submitting), int64(len(sent)))
		wantSame(f, "the others", f.batch("b1").Counts.Of(jobs.Canceled), int64(n-len(sent)))
		for _, id := range sent {
			f.observe(jobs.ByCreate, seen(id, jobs.OutcomeProcessing))
		}
		wantSame(f, "canceled", f.batch("b1").Counts.Of(jobs.Canceled), n)
	}},
}

// cancel requests the cancel of jobs.
func (f *fixture) cancel(ids ...jobs.ID) jobs.Effects {
	f.t.Helper()
	effects, err := f.Cancel(f.ctx(), ids, f.now)
	f.must(err, "cancel %v", ids)
	f.check()
	return effects
}

// wantCancelAsked cancels jobs whose create is under way. It asserts that they
// are marked and not closed.
func (f *fixture) wantCancelAsked(ids ...jobs.ID) {
	f.t.Helper()
	e := f.cancel(ids...)
	f.wantClosed(e)
	wantSame(f, "canceling", e.Canceling, len(ids))
	for _, id := range ids {
		f.wantTime("cancel requested", f.wantState(id, jobs.Submitting).CancelAskedAt, f.now)
	}
}

// wantLost asserts the screenshot and cost that a canceled job has from its lost
// create.
func (f *fixture) wantLost(id jobs.ID, cost float64) {
	f.t.Helper()
	j := f.wantState(id, jobs.Canceled)
	wantSame(f, "screenshot", j.ScreenshotID, shot(id))
	f.wantCredits("canceled", j.Cost, cost)
}

// priced returns an observation of the screenshot of a job's attempt, with its
// cost.
func priced(id jobs.ID, attempt int, outcome jobs.Outcome, cost float64) jobs.Observation {
	o := seenIn(id, attempt, outcome)
	o.Cost = credits(cost)
	return o
}
