package storetest

import (
	"slices"
	"time"

	"shotline/jobs"
)

var amendTests = []test{
	{"a failed job gets another request and its next attempt", func(f *fixture) {
		f.open("b1", pages(2)...)
		ids := f.pending("b1", 2)
		f.webhook(ids[1], jobs.OutcomeDone)
		f.closeJobs(timeOut(ids[0]))
		f.observe(jobs.ByPoll, priced(ids[0], 1, jobs.OutcomeFailed, 2))
		f.saveSummary("b1", 2, "summary", true)
		f.later(time.Second)

		r := jobs.Request{Line: 77, URL: "https://example.com/fixed", Params: jobs.Params{"width": 800.0}, Tags: []string{"fixed"},
			Metadata: jobs.Metadata{"sku": "A1"}, Cells: []string{"https://example.com/fixed", "A1"}, Timeout: time.Minute}
		e := f.amend(f.amendment(ids[0], r))
		wantSame(f, "amended", slices.Equal(e.Amended, ids[:1]), true)
		wantSame(f, "reopened", slices.Equal(e.Reopened, []string{"b1"}), true)
		wantSame(f, "retried", len(e.Retried), 0)
		j := f.wantState(ids[0], jobs.Queued)
		wantSame(f, "attempt", j.Attempt, 2)
		wantSame(f, "line", j.Line, 2)
		wantSame(f, "same request", r.SameAs(j), true)
		wantSame(f, "metadata", string(j.Metadata["sku"].(string)), "A1")
		wantSame(f, "cell", j.Cells[1], "A1")
		wantSame(f, "timeout", j.Timeout, time.Minute)
		f.wantCredits("cost of the first attempt", j.Cost, 2)
		batch := f.batch("b1")
		wantSame(f, "batch", batch.State, jobs.BatchOpen)
		wantSame(f, "late", batch.Counts.Late, 0)
		work, err := f.ClaimWork(f.ctx(), f.now, f.now.Add(time.Minute), workLimit)
		f.must(err, "claim work")
		wantSame(f, "pending work", len(work), 1)

		f.pendingRetry(ids[0])
		f.wantClosed(f.result(ids[0], 2, jobs.OutcomeDone), jobs.Closed{Job: ids[0], Attempt: 2, State: jobs.Done, By: jobs.ByWebhook})
		wantSame(f, "revision", f.batch("b1").Revision, 3)
	}},
	{"results of the old request close nothing", func(f *fixture) {
		f.open("b1", pages(3)...)
		late, failed, corrected := timedOut(f, "b1"), timedOut(f, "b1"), f.pending("b1", 1)[0]
		f.webhook(corrected, jobs.OutcomeFailed)
		f.deliver(shot(corrected), jobs.OutcomeDone)
		f.apply() // a conflict
		for i, id := range []jobs.ID{late, failed, corrected} {
			f.amend(f.amendment(id, other(i)))
		}
		f.wantClosed(f.result(late, 1, jobs.OutcomeDone))
		f.wantState(late, jobs.Queued)
		for range 3 {
			l := f.leaseAndIntend("b1", 1)[0]
			f.observe(jobs.ByCreate, seenIn(l.Job.ID, 2, jobs.OutcomeProcessing))
		}
		f.wantClosed(f.result(late, 2, jobs.OutcomeFailed), jobs.Closed{Job: late, Attempt: 2, State: jobs.Failed, By: jobs.ByWebhook})
		f.wantClosed(f.result(failed, 2, jobs.OutcomeFailed), jobs.Closed{Job: failed, Attempt: 2, State: jobs.Failed, By: jobs.ByWebhook})
		f.wantClosed(f.result(failed, 1, jobs.OutcomeDone))
		f.wantClosed(f.result(corrected, 2, jobs.OutcomeFailed), jobs.Closed{Job: corrected, Attempt: 2, State: jobs.Failed, By: jobs.ByWebhook})
		f.wantClosed(f.observe(jobs.ByPoll, seenIn(corrected, 1, jobs.OutcomeDone)))
		f.wantState(corrected, jobs.Failed)
		wantSame(f, "revision", f.batch("b1").Revision, 2)
	}},
	{"a canceled job pays for another request, and not for the same one", func(f *fixture) {
		f.open("b1", pages(3)...)
		ids := f.pending("b1", 3)
		f.cancel(ids...)
		f.observe(jobs.ByPoll, seen(ids[0], jobs.OutcomeDone), seen(ids[1], jobs.OutcomeDone))
		waits := f.amendment(ids[2], pages(3)[2])
		waits.Waits = true
		e := f.amend(f.amendment(ids[0], other(0)), f.amendment(ids[1], pages(2)[1]), waits)
		f.wantClosed(e, jobs.Closed{Job: ids[1], Attempt: 1, State: jobs.Done, By: jobs.ByPoll, Late: true})
		wantSame(f, "attempt of another request", f.wantState(ids[0], jobs.Queued).Attempt, 2)
		f.wantState(ids[1], jobs.Done)
		wantSame(f, "attempt of the same request", f.wantState(ids[2], jobs.Pending).Attempt, 1)
		wantSame(f, "amended", len(e.Amended), 1)
		wantSame(f, "retried", len(e.Retried), 1)
	}},
	{"the same request is a retry with other metadata", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := timedOut(f, "b1")
		r := pages(1)[0]
		r.Metadata, r.Cells = jobs.Metadata{"sku": "A1"}, []string{r.URL, "A1"}
		e := f.amend(f.amendment(id, r))
		wantSame(f, "retried", len(e.Retried), 1)
		wantSame(f, "amended", len(e.Amended), 0)
		j := f.wantState(id, jobs.Queued)
		wantSame(f, "metadata", string(j.Metadata["sku"].(string)), "A1")
		f.pendingRetry(id)
		f.wantClosed(f.result(id, 1, jobs.OutcomeDone))
		f.wantClosed(f.result(id, 2, jobs.OutcomeFailed), jobs.Closed{Job: id, Attempt: 1, State: jobs.Done, By: jobs.ByWebhook, Late: true})
	}},
	{"another callback URL does not change the request", func(f *fixture) {
		called := pages(1)[0]
		called.CallbackURL = "https://hooks.example/old"
		f.open("b1", called, called)
		id := f.pending("b1", 1)[0]
		f.cancel(id)
		moved := called
		moved.CallbackURL = "https://hooks.example/new"
		a := f.amendment(id, moved)
		a.Waits = true
		e := f.amend(a)
		wantSame(f, "retried", len(e.Retried), 1)
		wantSame(f, "amended", len(e.Amended), 0)
		wantSame(f, "separated", len(e.Separated), 0)
		wantSame(f, "attempt", f.wantState(id, jobs.Pending).Attempt, 1)
		f.wantState(row("b1", 2), jobs.Duplicate)
		wantCallback := func(want string) {
			events := f.allEvents()
			wantSame(f, "callback URL", events[len(events)-1].CallbackURL, want)
		}
		wantCallback(moved.CallbackURL)
		f.cancel(id)
		f.amend(f.amendment(id, pages(1)[0]))
		wantCallback(moved.CallbackURL)
		f.cancel(id)
		f.amend(f.amendment(id, other(0)), f.amendment(row("b1", 2), other(0)))
		wantCallback(called.CallbackURL)
		f.wantState(row("b1", 2), jobs.Queued) // a duplicate has the same callback URL
	}},
	{"rejected rows and duplicates become jobs", func(f *fixture) {
		f.open("b1", pages(1)[0], rejected(3, "bad"), page(pages(1)[0].URL), rejected(5, "bad"))
		wantSame(f, "rejected", f.batch("b1").Counts.Of(jobs.Rejected), 2)
		f.result(f.pending("b1", 1)[0], 1, jobs.OutcomeDone)
		wantSame(f, "revision", f.batch("b1").Revision, 1)
		e := f.amend(f.amendment(row("b1", 2), other(2)), f.amendment(row("b1", 3), other(3)), f.amendment(row("b1", 4), rejected(9, "still bad")))
		wantSame(f, "amended", len(e.Amended), 3)
		for n := int64(2); n <= 3; n++ {
			j := f.wantState(row("b1", n), jobs.Queued)
			wantSame(f, "attempt", j.Attempt, 1)
			wantSame(f, "error", j.Error, "")
			wantSame(f, "original", j.DuplicateOf, 0)
		}
		wantSame(f, "reason", f.wantState(row("b1", 4), jobs.Rejected).Error, "still bad")
		counts := f.batch("b1").Counts
		wantSame(f, "rejected", counts.Of(jobs.Rejected), 1)
		wantSame(f, "duplicates", counts.Of(jobs.Duplicate), 0)
		for _, l := range f.lease("b1", 2) {
			wantSame(f, "leased attempt", l.Attempt, 1)
		}
	}},
	{"a row that equals another job becomes its duplicate", func(f *fixture) {
		f.open("b1", append(pages(2), rejected(3, "bad"))...)
		ids := f.pending("b1", 2)
		f.result(ids[0], 1, jobs.OutcomeFailed)
		f.result(ids[1], 1, jobs.OutcomeDone)
		e := f.amend(f.amendment(ids[0], pages(2)[1]), f.amendment(row("b1", 3), pages(2)[1]))
		wantSame(f, "amended", len(e.Amended), 2)
		wantSame(f, "reopened", len(e.Reopened), 0)
		wantSame(f, "revised", slices.Equal(e.Revised, []string{"b1"}), true)
		for _, r := range f.allRows("b1") {
			if r.ID.Row == 2 {
				continue
			}
			wantSame(f, "state", r.State, jobs.Duplicate)
			wantSame(f, "original", r.DuplicateOf, 2)
			wantSame(f, "the original's image", r.Original.ScreenshotID, shot(ids[1]))
		}
		wantSame(f, "revision", f.batch("b1").Revision, 2)
		e = f.amend(f.amendment(ids[0], other(0)))
		wantSame(f, "a duplicate that was a job gets its next attempt", f.wantState(ids[0], jobs.Queued).Attempt, 3)
		wantSame(f, "amended", len(e.Amended), 1)
	}},
	{"two rows of one call that become equal", func(f *fixture) {
		f.open("b1", rejected(1, "bad"), rejected(2, "bad"))
		f.amend(f.amendment(row("b1", 1), other(0)), f.amendment(row("b1", 2), other(0)))
		f.wantState(row("b1", 1), jobs.Queued)
		wantSame(f, "original", f.wantState(row("b1", 2), jobs.Duplicate).DuplicateOf, 1)
	}},
	{"duplicates do not follow an amended row", func(f *fixture) {
		same := page(pages(1)[0].URL)
		f.open("b1", same, same, same, same)
		id := f.pending("b1", 1)[0]
		f.result(id, 1, jobs.OutcomeFailed)
		e := f.amend(f.amendment(id, other(0)), f.amendment(row("b1", 2), other(0)))
		wantSame(f, "amended", len(e.Amended), 2)
		wantSame(f, "separated", slices.Equal(e.Separated, []jobs.ID{row("b1", 3)}), true)
		f.wantState(id, jobs.Queued)
		wantSame(f, "a duplicate that was amended, too", f.wantState(row("b1", 2), jobs.Duplicate).DuplicateOf, 1)
		third := f.wantState(row("b1", 3), jobs.Queued)
		wantSame(f, "URL", third.URL, same.URL)
		wantSame(f, "attempt", third.Attempt, 1)
		wantSame(f, "the next duplicate", f.wantState(row("b1", 4), jobs.Duplicate).DuplicateOf, 3)

		f.pendingRetry(id)
		f.result(id, 2, jobs.OutcomeFailed)
		e = f.amend(f.amendment(id, same))
		wantSame(f, "amended back: a duplicate of the third row", f.wantState(id, jobs.Duplicate).DuplicateOf, 3)
		wantSame(f, "separated", slices.Equal(e.Separated, []jobs.ID{row("b1", 2)}), true)
	}},
	{"guards of an amendment", func(f *fixture) {
		f.uncheckedSteps = true
		n := 0
		for standing, bring := range standings {
			n++
			batch := "b" + string(rune('a'+n))
			f.open(batch, append(pages(3), page(pages(1)[0].URL), rejected(6, "bad"))...)
			id := bring(f, batch)
			before := f.job(id)
			var others []jobs.State
			for _, state := range jobs.Amendable {
				if state != before.State {
					others = append(others, state)
				}
			}
			for _, wrong := range []jobs.Retry{
				{Job: id, Attempt: before.Attempt + 1, From: jobs.Amendable},
				{Job: id, Attempt: before.Attempt - 1, From: jobs.Amendable},
				{Job: id, Attempt: before.Attempt, From: others},
				{Job: id, Attempt: before.Attempt},
			} {
				wantSame(f, standing+": amended by a wrong guard", len(f.amend(jobs.Amendment{Retry: wrong, Request: other(n)}).Amended), 0)
			}
			right := f.amendment(id, other(n))
			e := f.amend(right, right)
			if before.State.Open() {
				wantSame(f, standing+": amended", len(e.Amended), 0)
				wantSame(f, standing+": state", f.job(id).State, before.State)
			} else {
				wantSame(f, standing+": amended", len(e.Amended), 1)
				wantSame(f, standing+": attempt", f.wantState(id, jobs.Queued).Attempt, before.Attempt+1)
			}
			f.audit()
		}
		unknown := jobs.Amendment{Retry: jobs.Retry{Job: row("bb", 99), From: jobs.Amendable}, Request: other(0)}
		wantSame(f, "amended of unknown rows", len(f.amend(unknown).Amended), 0)
	}},
	{"rows with their present request are left alone", func(f *fixture) {
		first := pages(1)[0]
		f.open("b1", first, page(first.URL), rejected(3, "bad"))
		f.result(f.pending("b1", 1)[0], 1, jobs.OutcomeDone)
		e := f.amend(f.amendment(row("b1", 1), first), f.amendment(row("b1", 2), first), f.amendment(row("b1", 3), rejected(8, "bad")))
		wantSame(f, "amended", len(e.Amended), 0)
		wantSame(f, "revised", len(e.Revised), 0)
		wantSame(f, "revision", f.batch("b1").Revision, 1)
	}},
	{"errors of an amendment", func(f *fixture) {
		f.open("b1", append(pages(1), rejected(3, "bad"))...)
		id := timedOut(f, "b1")
		f.importing("b2", pages(1)...)
		fine := f.amendment(row("b1", 2), other(0))
		urgent := f.amendment(id, other(1))
		urgent.Request.Priority = new(5)
		open := jobs.Amendment{Retry: jobs.Retry{Job: id, Attempt: 1, From: []jobs.State{jobs.Pending}}, Request: other(1)}
		for what, wrong := range map[string]jobs.Amendment{
			"a job that becomes a rejected row": f.amendment(id, rejected(1, "bad")),
			"a priority":                        urgent,
			"an open state":                     open,
			"another batch":                     f.amendment(row("b2", 1), other(1)),
		} {
			_, err := f.Amend(f.ctx(), "b1", []jobs.Amendment{fine, wrong}, f.now)
			f.wantErr(err, jobs.ErrInvalid, what)
			f.wantState(row("b1", 2), jobs.Rejected)
		}
		_, err := f.Amend(f.ctx(), "b2", nil, f.now)
		f.wantErr(err, jobs.ErrState, "amend an import")
		_, err = f.Amend(f.ctx(), "b3", nil, f.now)
		f.wantErr(err, jobs.ErrNotFound, "amend nothing")
	}},
	{"amended rows keep the order of priorities", func(f *fixture) {
		urgent := pages(1)[0]
		urgent.Priority = new(5)
		f.open("b1", urgent, rejected(3, "bad"), rejected(4, "bad"))
		high := other(2)
		high.Priority = new(9)
		f.amend(f.amendment(row("b1", 2), other(1)), f.amendment(row("b1", 3), high))
		var order []int64
		for _, l := range f.lease("b1", 3) {
			order = append(order, l.Job.ID.Row)
		}
		wantSame(f, "order", slices.Equal(order, []int64{3, 1, 2}), true)
	}},
	{"a webhook that was kept is applied before an amendment", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := timedOut(f, "b1")
		f.deliver(shot(id), jobs.OutcomeDone)
		a := f.amendment(id, other(0))
		a.From = []jobs.State{jobs.TimedOut, jobs.Failed}
		e := f.amend(a)
		wantSame(f, "amended", len(e.Amended), 0)
		wantSame(f, "late", f.wantState(id, jobs.Done).Late, true)
		a.From = []jobs.State{jobs.Done}
		f.amend(a)
		wantSame(f, "attempt of a done job", f.wantState(id, jobs.Queued).Attempt, 2)
	}},
}

// other returns a request that pages does not return.
func other(n int) jobs.Request {
	return page("https://other.example/" + string(rune('a'+n)))
}

// amendment returns an amendment of a row in its present state and attempt.
func (f *fixture) amendment(id jobs.ID, r jobs.Request) jobs.Amendment {
	f.t.Helper()
	return jobs.Amendment{Retry: jobs.Retry{Job: id, Attempt: f.job(id).Attempt, From: jobs.Amendable}, Request: r}
}

// amend amends rows of one batch.
func (f *fixture) amend(amendments ...jobs.Amendment) jobs.Effects {
	f.t.Helper()
	effects, err := f.Amend(f.ctx(), amendments[0].Job.Batch, amendments, f.now)
	f.must(err, "amend %+v", amendments)
	f.check()
	return effects
}
