package storetest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"shotline/jobs"
)

// tries opens the intent of a lease, and checks the error.
func (f *fixture) tries(l jobs.Lease, want error) {
	f.t.Helper()
	_, err := f.OpenIntent(f.ctx(), l, f.now, f.now.Add(leaseTime))
	if want == nil {
		f.must(err, "open intent of %s", l.Job.ID)
	} else if !errors.Is(err, want) {
		f.t.Fatalf("open intent of %s: error %v, want one that is %q", l.Job.ID, err, want)
	}
	f.check()
}

// answered records the response to a create, with its cost.
func (f *fixture) answered(l jobs.Lease, cost float64) {
	f.t.Helper()
	f.observe(jobs.ByCreate, priced(l.Job.ID, l.Attempt, jobs.OutcomeProcessing, cost))
}

// knowCost makes a cost of the option set of all leases known, in a batch of its own.
func (f *fixture) knowCost(cost float64) {
	f.t.Helper()
	f.open("known", pages(1)...)
	l := f.leaseAndIntend("known", 1)[0]
	f.answered(l, cost)
	f.webhook(l.Job.ID, jobs.OutcomeDone)
}

// budget opens a batch with a budget and leases all its jobs.
func (f *fixture) budget(batch string, credits float64, n int) []jobs.Lease {
	f.t.Helper()
	f.must(f.CreateBatch(f.ctx(), jobs.BatchSpec{ID: batch, Budget: &credits}, f.now), "create batch")
	f.must(f.AppendRequests(f.ctx(), batch, pages(n), f.now), "append")
	_, err := f.OpenBatch(f.ctx(), batch, f.now)
	f.must(err, "open batch")
	return f.lease(batch, n)
}

// wantUse checks what a batch has spent and reserved.
func (f *fixture) wantUse(batch string, spent, reserved float64) {
	f.t.Helper()
	b := f.batch(batch)
	if spent == 0 {
		spent = -1 // no cost is known
	}
	f.wantCredits("the batch", b.Counts.Cost, spent)
	wantSame(f, "reserved", b.Reserved, reserved)
}

func (f *fixture) wantDaily(limit *float64, spent, reserved float64) {
	f.t.Helper()
	got, err := f.DailyBudget(f.ctx(), f.now)
	f.must(err, "daily budget")
	wantSame(f, "limit", fmt.Sprint(show(got.Limit)), fmt.Sprint(show(limit)))
	wantSame(f, "spent today", got.Spent, spent)
	wantSame(f, "reserved today", got.Reserved, reserved)
}

func show(credits *float64) any {
	if credits == nil {
		return "none"
	}
	return *credits
}

// wantPaused checks that a budget has paused a batch, with this text in the reason.
func (f *fixture) wantPaused(batch, reason string) {
	f.t.Helper()
	b := f.batch(batch)
	wantSame(f, "state of batch "+batch, b.State, jobs.BatchPaused)
	if !strings.Contains(b.PauseReason, reason) {
		f.t.Errorf("paused with the reason %q, want one with %q", b.PauseReason, reason)
	}
	paused := slices.ContainsFunc(f.allEvents(), func(e jobs.Event) bool { return e.Type == jobs.EventBatchPaused && e.Batch == batch })
	wantSame(f, "event of the pause", paused, true)
}

var budgetTests = []test{
	{"a cost replaces the reservation of its create", func(f *fixture) {
		f.open("b1", pages(3)...)
		leases := f.lease("b1", 3)
		f.tries(leases[0], nil)
		f.wantUse("b1", 0, 1)
		f.wantDaily(nil, 0, 1)
		f.answered(leases[0], 2.5)
		f.wantUse("b1", 2.5, 0)
		f.tries(leases[1], nil)
		f.wantUse("b1", 2.5, 2.5)
		f.answered(leases[1], 1)
		f.tries(leases[2], nil)
		f.wantUse("b1", 3.5, 2.5)
		f.wantDaily(nil, 3.5, 2.5)
		costs, err := f.OptionCosts(f.ctx(), []string{"", "other"})
		f.must(err, "option costs")
		wantSame(f, "option sets", len(costs), 1)
		wantSame(f, "costs", costs[""], jobs.OptionCost{Creates: 2, Total: 3.5, Highest: 2.5})
	}},
	{"each option set has its own cost", func(f *fixture) {
		f.open("b1", pages(2)...)
		leases := f.lease("b1", 2)
		leases[0].Options, leases[1].Options = "size=page", "size=screen"
		f.tries(leases[0], nil)
		f.answered(leases[0], 7)
		f.tries(leases[1], nil)
		f.wantUse("b1", 7, 1)
	}},
	{"a create without effect reserves nothing", func(f *fixture) {
		f.open("b1", pages(3)...)
		leases := f.leaseAndIntend("b1", 3)
		f.wantUse("b1", 0, 3)
		f.requeue(leases[0])
		f.wantUse("b1", 0, 2)
		f.closeJobs(jobs.Closing{Job: leases[1].Job.ID, Attempt: 1, From: []jobs.State{jobs.Submitting}, To: jobs.Failed, By: jobs.BySubmit, Error: "refused"})
		f.wantUse("b1", 0, 1)
		f.wantDaily(nil, 0, 1)
		f.requeue(leases[0]) // no longer held
		f.wantUse("b1", 0, 1)
	}},
	{"a create in doubt keeps its reservation", func(f *fixture) {
		f.open("b1", pages(1)...)
		f.leaseAndDoubt("b1", 1)
		f.wantUse("b1", 0, 1)
		f.later(time.Minute)
		f.resend(f.claimDoubts(f.now, 10), f.now, 1)
		f.wantUse("b1", 0, 1)
		l := f.leaseAndIntend("b1", 1)[0]
		f.wantUse("b1", 0, 2)
		f.answered(l, 1)
		f.wantUse("b1", 1, 1)
		lost := priced(l.Job.ID, 1, jobs.OutcomeDone, 1)
		lost.ScreenshotID += "lost"
		f.observe(jobs.ByPoll, lost)
		f.wantUse("b1", 2, 0)
	}},
	{"the first create of an option set reserves all that is left", func(f *fixture) {
		leases := f.budget("b1", 10, 5)
		f.tries(leases[0], nil)
		f.wantUse("b1", 0, 10)
		f.tries(leases[1], jobs.ErrBudgetReserved)
		f.wantState(leases[1].Job.ID, jobs.Submitting)
		wantSame(f, "state", f.batch("b1").State, jobs.BatchOpen)
		wantSame(f, "calls", f.batch("b1").Counts.APICalls, 1)
		f.answered(leases[0], 3)
		f.tries(leases[1], nil)
		f.tries(leases[2], nil)
		f.wantUse("b1", 3, 6)
		f.tries(leases[3], jobs.ErrBudgetReserved) // the others might cost less
		f.answered(leases[1], 3)
		f.answered(leases[2], 3)
		f.wantUse("b1", 9, 0)
		f.tries(leases[3], jobs.ErrBudgetReached)
		f.wantUse("b1", 9, 0)
		f.wantPaused("b1", "the budget of 10 credits is reached: 9 credits spent")
		wantSame(f, "calls", f.batch("b1").Counts.APICalls, 3)
		wantSame(f, "requeued", f.requeue(leases[3:]...).Requeued, 2)
		f.wantUse("b1", 9, 0)
	}},
	{"a budget can be raised, lowered to what is spent, and removed", func(f *fixture) {
		f.knowCost(2)
		leases := f.budget("b1", 2, 4)
		f.tries(leases[0], nil)
		f.answered(leases[0], 2)
		f.tries(leases[1], jobs.ErrBudgetReached)
		f.must(f.SetBudget(f.ctx(), "b1", credits(4)), "set budget")
		f.must(f.Resume(f.ctx(), "b1", f.now), "resume")
		f.tries(leases[1], nil)
		f.answered(leases[1], 2)
		f.wantErr(f.SetBudget(f.ctx(), "b1", credits(3.9)), jobs.ErrInvalid, "less than what is spent")
		wantSame(f, "budget", *f.batch("b1").Budget, 4)
		f.must(f.SetBudget(f.ctx(), "b1", nil), "remove budget")
		wantSame(f, "removed", f.batch("b1").Budget == nil, true)
		f.tries(leases[2], nil)
		f.tries(leases[3], nil)
		f.wantUse("b1", 4, 4)
		f.wantErr(f.SetBudget(f.ctx(), "none", nil), jobs.ErrNotFound, "unknown batch")
		for _, bad := range []float64{-1, math.NaN(), math.Inf(1)} {
			f.wantErr(f.SetBudget(f.ctx(), "b1", &bad), jobs.ErrInvalid, "bad budget")
			f.wantErr(f.SetDailyBudget(f.ctx(), &bad, f.now), jobs.ErrInvalid, "bad daily budget")
			f.wantErr(f.CreateBatch(f.ctx(), jobs.BatchSpec{ID: "b2", Budget: &bad}, f.now), jobs.ErrInvalid, "bad budget")
		}
	}},
	{"a budget of nothing sends nothing", func(f *fixture) {
		leases := f.budget("b1", 0, 1)
		f.tries(leases[0], jobs.ErrBudgetReached)
		f.wantPaused("b1", "the budget of 0 credits")
	}},
	{"what lost creates reserve counts when nothing is under way", func(f *fixture) {
		f.knowCost(1)
		leases := f.budget("b1", 3, 2)
		f.tries(leases[0], nil)
		f.must(f.Doubt(f.ctx(), []jobs.Lease{f.sent(leases[0])}, f.now), "doubt")
		f.requeue(leases[1])
		f.later(time.Minute)
		f.resend(f.claimDoubts(f.now, 10), f.now, 1)
		leases = f.lease("b1", 2)
		f.tries(leases[0], nil)
		f.answered(leases[0], 1)
		f.wantUse("b1", 1, 1)
		f.must(f.SetBudget(f.ctx(), "b1", credits(2)), "set budget")
		f.tries(leases[1], jobs.ErrBudgetReserved) // the first job is pending
		f.webhook(leases[0].Job.ID, jobs.OutcomeDone)
		f.tries(leases[1], jobs.ErrBudgetReached)
		f.wantPaused("b1", "1 credit spent, 1 credit reserved")
	}},
	{"the daily budget pauses batches until the next day", func(f *fixture) {
		f.knowCost(1)
		f.must(f.SetDailyBudget(f.ctx(), credits(3), f.now), "set daily budget")
		f.open("b1", pages(3)...)
		f.open("b2", pages(3)...)
		one, two := f.lease("b1", 3), f.lease("b2", 3)
		f.tries(one[0], nil)
		f.tries(two[0], nil)
		f.answered(one[0], 1)
		f.answered(two[0], 1)
		f.wantDaily(credits(3), 3, 0)
		f.tries(one[1], jobs.ErrBudgetReached)
		f.tries(two[1], jobs.ErrBudgetReached)
		f.wantPaused("b1", "the daily budget of 3 credits is reached")
		f.wantPaused("b2", "the batch continues at 00:00 UTC")
		f.resumeDue()
		f.requeue(slices.Concat(one[1:], two[1:])...)
		midnight := time.Date(f.now.Year(), f.now.Month(), f.now.Day()+1, 0, 0, 0, 0, time.UTC)
		f.now = midnight.Add(-time.Millisecond)
		f.resumeDue()
		f.must(f.Pause(f.ctx(), "b2", "", f.now), "pause by hand")
		f.now = midnight
		f.resumeDue("b1")
		f.resumeDue()
		wantSame(f, "state", f.batch("b1").State, jobs.BatchOpen)
		wantSame(f, "reason", f.batch("b1").PauseReason, "")
		wantSame(f, "a batch that somebody paused", f.batch("b2").State, jobs.BatchPaused)
		f.wantDaily(credits(3), 0, 0)
		work, err := f.ClaimWork(f.ctx(), f.now, f.now.Add(time.Minute), workLimit, "b1")
		f.must(err, "claim work")
		wantSame(f, "due work", len(work), 1)
		f.tries(f.lease("b1", 1)[0], nil)
	}},
	{"a create counts for the day of its intent", func(f *fixture) {
		f.open("b1", pages(1)...)
		l := f.leaseAndIntend("b1", 1)[0]
		before := f.now
		f.later(24 * time.Hour)
		f.answered(l, 2)
		f.wantDaily(nil, 0, 0)
		f.now = before
		f.wantDaily(nil, 2, 0)
	}},
	{"another daily budget opens the batches that the old one paused", func(f *fixture) {
		f.knowCost(2)
		f.must(f.SetDailyBudget(f.ctx(), credits(3), f.now), "set daily budget")
		f.open("b1", pages(2)...)
		f.tries(f.lease("b1", 1)[0], jobs.ErrBudgetReached)
		f.must(f.SetDailyBudget(f.ctx(), credits(3), f.now), "set it again")
		f.wantPaused("b1", "the daily budget")
		f.must(f.SetDailyBudget(f.ctx(), credits(4), f.now), "raise it")
		wantSame(f, "state", f.batch("b1").State, jobs.BatchOpen)
		l := f.lease("b1", 1)[0]
		f.tries(l, nil)
		f.answered(l, 2)
		f.wantDaily(credits(4), 4, 0)
		f.expireAll()
		f.tries(f.lease("b1", 1)[0], jobs.ErrBudgetReached)
		f.must(f.SetDailyBudget(f.ctx(), nil, f.now), "remove it")
		wantSame(f, "state", f.batch("b1").State, jobs.BatchOpen)
		f.wantDaily(nil, 4, 0)
	}},
	{"two submitters never pass a budget", func(f *fixture) {
		f.knowCost(2)
		const n, most = 200, 31
		leases := f.budget("b1", most, n)
		stores := f.twoStores()
		var sent atomic.Int64
		concurrently(f, n, func(i int) error {
			_, err := stores[i%2].OpenIntent(f.ctx(), leases[i], f.now, f.now.Add(leaseTime))
			switch {
			case err == nil:
				sent.Add(1)
			case errors.Is(err, jobs.ErrBudgetReserved):
				err = nil
			}
			return err
		})
		wantSame(f, "creates", sent.Load(), most/2)
		f.wantUse("b1", 0, most/2*2)
		f.check()
	}},
}

// sent returns a lease as the intent left it.
func (f *fixture) sent(l jobs.Lease) jobs.Lease {
	l.Expiry = f.now.Add(leaseTime)
	return l
}

// expireAll lets all leases expire.
func (f *fixture) expireAll() {
	f.t.Helper()
	f.later(2 * leaseTime)
	_, _, err := f.ExpireLeases(f.ctx(), f.now, 100)
	f.must(err, "expire leases")
}

// resumeDue opens batches again whose day is over, and checks which.
func (f *fixture) resumeDue(want ...string) {
	f.t.Helper()
	got, err := f.ResumeDue(f.ctx(), f.now)
	f.must(err, "resume batches")
	if !slices.Equal(got, want) {
		f.t.Fatalf("resumed %q, want %q", got, want)
	}
	f.check()
}
