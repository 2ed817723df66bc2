package storetest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"shotline/jobs"
)

// guards defines the effect of each result (columns) on a job in each standing
// (rows):
//
//	=        nothing
//	!        nothing but a conflict, which is counted
//	!done^   a conflict, with which the job is corrected; !done*^ stays late
//	~        nothing; whether it is a conflict is not defined
//	done     closes as done, and so on; done* is recorded as late
//
// The columns hook and poll are the vendor's results. time, cancel and refuse are
// closings from pending, from any open state and from submitting. other is a
// closing of another attempt. reopen is a closing from final states.
const guards = `
             hook-done hook-failed poll-done poll-failed time      cancel   refuse other reopen
queued       =         =           =         =           =         canceled =      =     =
intent       =         =           done      failed      =         canceled failed =     =
doubt        =         =           done      failed      =         canceled failed =     =
pending      done      failed      done      failed      timed_out canceled =      =     =
done         =         !           =         !failed^    =         =        =      =     =
failed       !         =           !done^    =           =         =        =      =     =
timed-out    done*     failed*     done*     failed*     =         =        =      =     =
late-done    =         !           =         !failed*^   =         =        =      =     =
late-failed  !         =           !done*^   =           =         =        =      =     =
canceled     =         =           =         =           =         =        =      =     =
never-sent   =         =           =         =           =         =        =      =     =
refused      =         =           done*     ~           =         =        =      =     =
duplicate    =         =           =         =           =         =        =      =     =
rejected     =         =           =         =           =         =        =      =     =
`

// standings bring one job of a new batch into a standing. In the batch, rows 1 to
// 3 are queued, row 4 is a duplicate, and row 5 is rejected.
var standings = map[string]func(f *fixture, batch string) jobs.ID{
	"queued":  func(_ *fixture, batch string) jobs.ID { return row(batch, 1) },
	"intent":  func(f *fixture, batch string) jobs.ID { return f.leaseAndIntend(batch, 1)[0].Job.ID },
	"doubt":   func(f *fixture, batch string) jobs.ID { return f.leaseAndDoubt(batch, 1)[0].Job.ID },
	"pending": func(f *fixture, batch string) jobs.ID { return f.pending(batch, 1)[0] },
	"done": func(f *fixture, batch string) jobs.ID {
		id := f.pending(batch, 1)[0]
		f.webhook(id, jobs.OutcomeDone)
		return id
	},
	"failed": func(f *fixture, batch string) jobs.ID {
		id := f.pending(batch, 1)[0]
		f.webhook(id, jobs.OutcomeFailed)
		return id
	},
	"timed-out": timedOut,
	"late-done": func(f *fixture, batch string) jobs.ID {
		id := timedOut(f, batch)
		f.webhook(id, jobs.OutcomeDone)
		return id
	},
	"late-failed": func(f *fixture, batch string) jobs.ID {
		id := timedOut(f, batch)
		f.observe(jobs.ByPoll, seen(id, jobs.OutcomeFailed))
		return id
	},
	"canceled": func(f *fixture, batch string) jobs.ID {
		id := f.pending(batch, 1)[0]
		f.closeJobs(cancel(id))
		return id
	},
	"never-sent": func(f *fixture, batch string) jobs.ID {
		f.closeJobs(cancel(row(batch, 1)))
		return row(batch, 1)
	},
	"refused": func(f *fixture, batch string) jobs.ID {
		id := f.leaseAndIntend(batch, 1)[0].Job.ID
		f.closeJobs(refuse(id))
		return id
	},
	"duplicate": func(_ *fixture, batch string) jobs.ID { return row(batch, 4) },
	"rejected":  func(_ *fixture, batch string) jobs.ID { return row(batch, 5) },
}

func timedOut(f *fixture, batch string) jobs.ID {
	f.t.Helper()
	id := f.pending(batch, 1)[0]
	f.closeJobs(timeOut(id))
	return id
}

// results are the columns of guards.
var results = map[string]func(f *fixture, id jobs.ID) jobs.Effects{
	"hook-done":   func(f *fixture, id jobs.ID) jobs.Effects { return f.webhook(id, jobs.OutcomeDone) },
	"hook-failed": func(f *fixture, id jobs.ID) jobs.Effects { return f.webhook(id, jobs.OutcomeFailed) },
	"poll-done":   func(f *fixture, id jobs.ID) jobs.Effects { return f.observe(jobs.ByPoll, seen(id, jobs.OutcomeDone)) },
	"poll-failed": func(f *fixture, id jobs.ID) jobs.Effects {
		return f.observe(jobs.ByPoll, seen(id, jobs.OutcomeFailed))
	},
	"time":   func(f *fixture, id jobs.ID) jobs.Effects { return f.closeJobs(timeOut(id)) },
	"cancel": func(f *fixture, id jobs.ID) jobs.Effects { return f.closeJobs(cancel(id)) },
	"refuse": func(f *fixture, id jobs.ID) jobs.Effects { return f.closeJobs(refuse(id)) },
	"other": func(f *fixture, id jobs.ID) jobs.Effects {
		c := cancel(id)
		c.Attempt = 7
		return f.closeJobs(c)
	},
	"reopen": func(f *fixture, id jobs.ID) jobs.Effects {
		c := cancel(id)
		c.From = []jobs.State{jobs.Done, jobs.Failed, jobs.TimedOut, jobs.Canceled, jobs.Duplicate, jobs.Rejected}
		effects, err := f.CloseJobs(f.ctx(), []jobs.Closing{c}, f.now)
		if err != nil && !errors.Is(err, jobs.ErrInvalid) {
			f.t.Fatalf("close from final states: %v", err)
		}
		f.check()
		return effects
	},
}

// provenances are the provenances of the columns' closures.
var provenances = map[string]jobs.Provenance{
	"hook-done": jobs.ByWebhook, "hook-failed": jobs.ByWebhook, "poll-done": jobs.ByPoll, "poll-failed": jobs.ByPoll,
	"time": jobs.ByDeadline, "cancel": jobs.ByCancel, "refuse": jobs.BySubmit,
}

// guardTests makes one test of each row of guards.
func guardTests() []test {
	lines := strings.Split(strings.TrimSpace(guards), "\n")
	columns := strings.Fields(lines[0])
	var tests []test
	for _, line := range lines[1:] {
		cells := strings.Fields(line)
		standing := cells[0]
		tests = append(tests, test{"guards of " + standing, func(f *fixture) {
			f.uncheckedSteps = true
			for i, want := range cells[1:] {
				f.guard(fmt.Sprintf("b%d", i), standing, columns[i], want)
			}
		}})
	}
	return tests
}

// guard tests one cell of guards.
func (f *fixture) guard(batch, standing, result, want string) {
	f.t.Helper()
	f.open(batch, append(pages(3), page(pages(1)[0].URL), rejected(6, "bad"))...)
	id := standings[standing](f, batch)
	before := f.job(id)
	f.later(time.Second)
	effects := results[result](f, id)
	after := f.job(id)
	f.audit()

	cell := standing + " + " + result
	rest, conflict := strings.CutPrefix(want, "!")
	rest, corrected := strings.CutSuffix(rest, "^")
	wantState, late := strings.CutSuffix(rest, "*")
	if rest == "" || rest == "=" || rest == "~" {
		f.wantClosed(effects)
		wantSame(f, cell+": state", after.State, before.State)
		wantSame(f, cell+": closed by", after.ClosedBy, before.ClosedBy)
		wantSame(f, cell+": late", after.Late, before.Late)
		f.wantTime(cell+": closed", after.ClosedAt, before.ClosedAt)
	} else {
		state, by := jobs.State(wantState), provenances[result]
		f.wantClosed(effects, jobs.Closed{Job: id, Attempt: after.Attempt, State: state, By: by, Late: late, Corrected: corrected})
		wantSame(f, cell+": state", after.State, state)
		wantSame(f, cell+": closed by", after.ClosedBy, by)
		wantSame(f, cell+": late", after.Late, late)
		wantSame(f, cell+": corrected", after.Corrected, corrected)
		f.wantTime(cell+": closed", after.ClosedAt, f.now)
	}
	wantSame(f, cell+": attempt", after.Attempt, before.Attempt)
	if want == "~" {
		return
	}
	conflicts := 0
	if conflict {
		conflicts = 1
	}
	wantSame(f, cell+": conflicts in this step", effects.Conflicts, conflicts)
	wantSame(f, cell+": conflicts on the job", after.Conflicts, before.Conflicts+conflicts)
}

var closeTests = append(guardTests(), []test{
	{"a closing records its reason", func(f *fixture) {
		f.open("b1", pages(2)...)
		id := f.pending("b1", 1)[0]
		f.closeJobs(timeOut(id))
		wantSame(f, "reason", f.wantState(id, jobs.TimedOut).Error, "no result in time")
		wantSame(f, "screenshot", f.job(id).ScreenshotID, shot(id))
	}},
	{"a late result replaces the reason", func(f *fixture) {
		f.open("b1", pages(3)...)
		failed, done := timedOut(f, "b1"), timedOut(f, "b1")
		f.webhook(failed, jobs.OutcomeFailed)
		f.webhook(done, jobs.OutcomeDone)
		wantSame(f, "reason of the late failure", f.job(failed).Error, vendorError)
		wantSame(f, "reason of the late image", f.job(done).Error, "")
		wantSame(f, "image of the late result", f.job(done).ImageURL, imageURL)
		wantSame(f, "late jobs", f.batch("b1").Counts.Late, 2)
	}},
	{"a job that occurs twice in one call closes once", func(f *fixture) {
		f.open("b1", pages(2)...)
		id := f.pending("b1", 1)[0]
		f.wantClosed(f.closeJobs(timeOut(id), timeOut(id), cancel(id)),
			jobs.Closed{Job: id, Attempt: 1, State: jobs.TimedOut, By: jobs.ByDeadline})
	}},
	{"closings are applied in their order", func(f *fixture) {
		f.open("b1", pages(3)...)
		f.pending("b1", 2)
		f.wantClosed(f.closeJobs(cancel(row("b1", 3)), timeOut(row("b1", 1)), cancel(row("b1", 2))),
			jobs.Closed{Job: row("b1", 3), State: jobs.Canceled, By: jobs.ByCancel},
			jobs.Closed{Job: row("b1", 1), Attempt: 1, State: jobs.TimedOut, By: jobs.ByDeadline},
			jobs.Closed{Job: row("b1", 2), Attempt: 1, State: jobs.Canceled, By: jobs.ByCancel})
	}},
	{"a kept webhook is applied before a deadline", func(f *fixture) {
		f.open("b1", pages(4)...)
		ids := f.pending("b1", 3)
		f.deliver(shot(ids[0]), jobs.OutcomeDone)
		f.deliver(shot(ids[2]), jobs.OutcomeFailed)
		f.later(time.Hour)
		effects := f.closeJobs(timeOut(ids[0]), timeOut(ids[1]))
		f.wantClosed(effects,
			jobs.Closed{Job: ids[0], Attempt: 1, State: jobs.Done, By: jobs.ByWebhook},
			jobs.Closed{Job: ids[2], Attempt: 1, State: jobs.Failed, By: jobs.ByWebhook},
			jobs.Closed{Job: ids[1], Attempt: 1, State: jobs.TimedOut, By: jobs.ByDeadline})
		wantSame(f, "late", f.wantState(ids[0], jobs.Done).Late, false)
		wantSame(f, "read again", f.apply().Read, 0)
	}},
	{"a kept webhook is applied before a cancel", func(f *fixture) {
		f.open("b1", pages(1)...)
		id := f.pending("b1", 1)[0]
		f.deliver(shot(id), jobs.OutcomeDone)
		f.closeJobs(cancel(id))
		f.wantState(id, jobs.Done)
	}},
	{"a kept webhook is applied before a poll, which corrects it", func(f *fixture) {
		f.open("b1", pages(3)...)
		ids := f.pending("b1", 2)
		f.deliver(shot(ids[0]), jobs.OutcomeFailed)
		e := f.observe(jobs.ByPoll, seen(ids[0], jobs.OutcomeDone), seen(ids[1], jobs.OutcomeDone))
		f.wantClosed(e,
			jobs.Closed{Job: ids[0], Attempt: 1, State: jobs.Failed, By: jobs.ByWebhook},
			jobs.Closed{Job: ids[1], Attempt: 1, State: jobs.Done, By: jobs.ByPoll},
			jobs.Closed{Job: ids[0], Attempt: 1, State: jobs.Done, By: jobs.ByPoll, Corrected: true})
		wantSame(f, "conflicts", e.Conflicts, 1)
		wantSame(f, "read again", f.apply().Read, 0)
	}},
	{"a long inbox is applied before a poll too", func(f *fixture) {
		f.bulk("b1", 300)
		concurrently(f, 299, func(i int) error {
			_, err := f.AppendDelivery(f.ctx(), f.delivery(shot(row("b1", int64(i+1))), jobs.OutcomeDone))
			return err
		})
		e := f.observe(jobs.ByPoll, seen(row("b1", 300), jobs.OutcomeDone), seen(row("b1", 1), jobs.OutcomeDone))
		wantSame(f, "closed", len(e.Closed), 300)
		wantSame(f, "by webhook", f.batch("b1").Counts.ByProvenance[jobs.ByWebhook], 299)
	}},
	{"a long inbox is applied before a deadline too", func(f *fixture) {
		f.bulk("b1", 300)
		concurrently(f, 300, func(i int) error {
			_, err := f.AppendDelivery(f.ctx(), f.delivery(shot(row("b1", int64(i+1))), jobs.OutcomeDone))
			return err
		})
		e := f.closeJobs(timeOut(row("b1", 300)), timeOut(row("b1", 1)))
		wantSame(f, "closed", len(e.Closed), 300)
		wantSame(f, "done", f.batch("b1").Counts.Of(jobs.Done), 300)
	}},
	{"a held webhook does not stop a closing", func(f *fixture) {
		f.open("b1", pages(2)...)
		id := f.leaseAndDoubt("b1", 1)[0].Job.ID
		f.later(time.Second)
		f.deliver(shot(id), jobs.OutcomeDone)
		f.closeJobs(cancel(id))
		f.wantState(id, jobs.Canceled)
		e := f.observe(jobs.ByPoll, seen(id, jobs.OutcomeDone))
		f.wantClosed(e)
		f.wantState(id, jobs.Canceled)
	}},
}...)
