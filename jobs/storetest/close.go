package storetest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"shotline/jobs"
)

// guards is what each result (columns) does to a job in each standing (rows):
//
//	=        nothing
//	!        nothing but a conflict, counted
//	!done^   a conflict, with which the job is corrected; !done*^ stays late
//	~        nothing; whether it contradicts anything is left open
//	done     closes as done, and so on; done* is recorded as late
//
// hook and poll are the vendor's results; time, cancel and refuse are closings
// from pending, from any open state and from submitting; other is a closing of
// another attempt; reopen is one that names final states to leave.
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

// standings brings one job of a fresh batch (rows 1 to 3 queued, 4 a duplicate,
// 5 rejected) into a standing.
var standings = map[string]func(b *book, batch string) jobs.ID{
	"queued":  func(_ *book, batch string) jobs.ID { return row(batch, 1) },
	"intent":  func(b *book, batch string) jobs.ID { return b.sent(batch, 1)[0].Job.ID },
	"doubt":   func(b *book, batch string) jobs.ID { return b.doubted(batch, 1)[0].Job.ID },
	"pending": func(b *book, batch string) jobs.ID { return b.pending(batch, 1)[0] },
	"done": func(b *book, batch string) jobs.ID {
		id := b.pending(batch, 1)[0]
		b.webhook(id, jobs.OutcomeDone)
		return id
	},
	"failed": func(b *book, batch string) jobs.ID {
		id := b.pending(batch, 1)[0]
		b.webhook(id, jobs.OutcomeFailed)
		return id
	},
	"timed-out": timedOut,
	"late-done": func(b *book, batch string) jobs.ID {
		id := timedOut(b, batch)
		b.webhook(id, jobs.OutcomeDone)
		return id
	},
	"late-failed": func(b *book, batch string) jobs.ID {
		id := timedOut(b, batch)
		b.observe(jobs.ByPoll, seen(id, jobs.OutcomeFailed))
		return id
	},
	"canceled": func(b *book, batch string) jobs.ID {
		id := b.pending(batch, 1)[0]
		b.shut(cancel(id))
		return id
	},
	"never-sent": func(b *book, batch string) jobs.ID {
		b.shut(cancel(row(batch, 1)))
		return row(batch, 1)
	},
	"refused": func(b *book, batch string) jobs.ID {
		id := b.sent(batch, 1)[0].Job.ID
		b.shut(refuse(id))
		return id
	},
	"duplicate": func(_ *book, batch string) jobs.ID { return row(batch, 4) },
	"rejected":  func(_ *book, batch string) jobs.ID { return row(batch, 5) },
}

func timedOut(b *book, batch string) jobs.ID {
	b.t.Helper()
	id := b.pending(batch, 1)[0]
	b.shut(timeOut(id))
	return id
}

// results are the columns of guards.
var results = map[string]func(b *book, id jobs.ID) jobs.Effects{
	"hook-done":   func(b *book, id jobs.ID) jobs.Effects { return b.webhook(id, jobs.OutcomeDone) },
	"hook-failed": func(b *book, id jobs.ID) jobs.Effects { return b.webhook(id, jobs.OutcomeFailed) },
	"poll-done":   func(b *book, id jobs.ID) jobs.Effects { return b.observe(jobs.ByPoll, seen(id, jobs.OutcomeDone)) },
	"poll-failed": func(b *book, id jobs.ID) jobs.Effects {
		return b.observe(jobs.ByPoll, seen(id, jobs.OutcomeFailed))
	},
	"time":   func(b *book, id jobs.ID) jobs.Effects { return b.shut(timeOut(id)) },
	"cancel": func(b *book, id jobs.ID) jobs.Effects { return b.shut(cancel(id)) },
	"refuse": func(b *book, id jobs.ID) jobs.Effects { return b.shut(refuse(id)) },
	"other": func(b *book, id jobs.ID) jobs.Effects {
		c := cancel(id)
		c.Attempt = 7
		return b.shut(c)
	},
	"reopen": func(b *book, id jobs.ID) jobs.Effects {
		c := cancel(id)
		c.From = []jobs.State{jobs.Done, jobs.Failed, jobs.TimedOut, jobs.Canceled, jobs.Duplicate, jobs.Rejected}
		effects, err := b.CloseJobs(b.ctx(), []jobs.Closing{c}, b.now)
		if err != nil && !errors.Is(err, jobs.ErrInvalid) {
			b.t.Fatalf("close from final states: %v", err)
		}
		b.check()
		return effects
	},
}

// provenances are what the columns close with.
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
		tests = append(tests, test{"guards of " + standing, func(b *book) {
			b.quiet = true
			for i, want := range cells[1:] {
				b.guard(fmt.Sprintf("b%d", i), standing, columns[i], want)
			}
		}})
	}
	return tests
}

// guard asserts one cell of guards.
func (b *book) guard(batch, standing, result, want string) {
	b.t.Helper()
	b.open(batch, append(pages(3), page(pages(1)[0].URL), rejected(6, "bad"))...)
	id := standings[standing](b, batch)
	before := b.job(id)
	b.later(time.Second)
	effects := results[result](b, id)
	after := b.job(id)
	b.audit()

	cell := standing + " + " + result
	rest, conflict := strings.CutPrefix(want, "!")
	rest, corrected := strings.CutSuffix(rest, "^")
	wantState, late := strings.CutSuffix(rest, "*")
	if rest == "" || rest == "=" || rest == "~" {
		b.wantClosed(effects)
		wantSame(b, cell+": state", after.State, before.State)
		wantSame(b, cell+": closed by", after.ClosedBy, before.ClosedBy)
		wantSame(b, cell+": late", after.Late, before.Late)
		b.wantTime(cell+": closed", after.ClosedAt, before.ClosedAt)
	} else {
		state, by := jobs.State(wantState), provenances[result]
		b.wantClosed(effects, jobs.Closed{Job: id, Attempt: after.Attempt, State: state, By: by, Late: late, Corrected: corrected})
		wantSame(b, cell+": state", after.State, state)
		wantSame(b, cell+": closed by", after.ClosedBy, by)
		wantSame(b, cell+": late", after.Late, late)
		wantSame(b, cell+": corrected", after.Corrected, corrected)
		b.wantTime(cell+": closed", after.ClosedAt, b.now)
	}
	wantSame(b, cell+": attempt", after.Attempt, before.Attempt)
	if want == "~" {
		return
	}
	conflicts := 0
	if conflict {
		conflicts = 1
	}
	wantSame(b, cell+": conflicts in this step", effects.Conflicts, conflicts)
	wantSame(b, cell+": conflicts on the job", after.Conflicts, before.Conflicts+conflicts)
}

var closeTests = append(guardTests(), []test{
	{"a closing tells why", func(b *book) {
		b.open("b1", pages(2)...)
		id := b.pending("b1", 1)[0]
		b.shut(timeOut(id))
		wantSame(b, "reason", b.wantState(id, jobs.TimedOut).Error, "no result in time")
		wantSame(b, "screenshot", b.job(id).ScreenshotID, shot(id))
	}},
	{"a late result replaces the reason", func(b *book) {
		b.open("b1", pages(3)...)
		failed, done := timedOut(b, "b1"), timedOut(b, "b1")
		b.webhook(failed, jobs.OutcomeFailed)
		b.webhook(done, jobs.OutcomeDone)
		wantSame(b, "reason of the late failure", b.job(failed).Error, vendorError)
		wantSame(b, "reason of the late picture", b.job(done).Error, "")
		wantSame(b, "image of the late picture", b.job(done).ImageURL, imageURL)
		wantSame(b, "late jobs", b.batch("b1").Counts.Late, 2)
	}},
	{"a job named twice in one call closes once", func(b *book) {
		b.open("b1", pages(2)...)
		id := b.pending("b1", 1)[0]
		b.wantClosed(b.shut(timeOut(id), timeOut(id), cancel(id)),
			jobs.Closed{Job: id, Attempt: 1, State: jobs.TimedOut, By: jobs.ByDeadline})
	}},
	{"closings close in their order", func(b *book) {
		b.open("b1", pages(3)...)
		b.pending("b1", 2)
		b.wantClosed(b.shut(cancel(row("b1", 3)), timeOut(row("b1", 1)), cancel(row("b1", 2))),
			jobs.Closed{Job: row("b1", 3), State: jobs.Canceled, By: jobs.ByCancel},
			jobs.Closed{Job: row("b1", 1), Attempt: 1, State: jobs.TimedOut, By: jobs.ByDeadline},
			jobs.Closed{Job: row("b1", 2), Attempt: 1, State: jobs.Canceled, By: jobs.ByCancel})
	}},
	{"a kept webhook never loses to a clock", func(b *book) {
		b.open("b1", pages(4)...)
		ids := b.pending("b1", 3)
		b.deliver(shot(ids[0]), jobs.OutcomeDone)
		b.deliver(shot(ids[2]), jobs.OutcomeFailed)
		b.later(time.Hour)
		effects := b.shut(timeOut(ids[0]), timeOut(ids[1]))
		b.wantClosed(effects,
			jobs.Closed{Job: ids[0], Attempt: 1, State: jobs.Done, By: jobs.ByWebhook},
			jobs.Closed{Job: ids[2], Attempt: 1, State: jobs.Failed, By: jobs.ByWebhook},
			jobs.Closed{Job: ids[1], Attempt: 1, State: jobs.TimedOut, By: jobs.ByDeadline})
		wantSame(b, "late", b.wantState(ids[0], jobs.Done).Late, false)
		wantSame(b, "read again", b.apply().Read, 0)
	}},
	{"a kept webhook never loses to a cancel", func(b *book) {
		b.open("b1", pages(1)...)
		id := b.pending("b1", 1)[0]
		b.deliver(shot(id), jobs.OutcomeDone)
		b.shut(cancel(id))
		b.wantState(id, jobs.Done)
	}},
	{"a kept webhook comes before a poll, which corrects it", func(b *book) {
		b.open("b1", pages(3)...)
		ids := b.pending("b1", 2)
		b.deliver(shot(ids[0]), jobs.OutcomeFailed)
		e := b.observe(jobs.ByPoll, seen(ids[0], jobs.OutcomeDone), seen(ids[1], jobs.OutcomeDone))
		b.wantClosed(e,
			jobs.Closed{Job: ids[0], Attempt: 1, State: jobs.Failed, By: jobs.ByWebhook},
			jobs.Closed{Job: ids[1], Attempt: 1, State: jobs.Done, By: jobs.ByPoll},
			jobs.Closed{Job: ids[0], Attempt: 1, State: jobs.Done, By: jobs.ByPoll, Corrected: true})
		wantSame(b, "conflicts", e.Conflicts, 1)
		wantSame(b, "read again", b.apply().Read, 0)
	}},
	{"a long inbox is applied before a poll too", func(b *book) {
		b.bulk("b1", 300)
		crowd(b, 299, func(i int) error {
			_, err := b.AppendDelivery(b.ctx(), b.told(shot(row("b1", int64(i+1))), jobs.OutcomeDone))
			return err
		})
		e := b.observe(jobs.ByPoll, seen(row("b1", 300), jobs.OutcomeDone), seen(row("b1", 1), jobs.OutcomeDone))
		wantSame(b, "closed", len(e.Closed), 300)
		wantSame(b, "by webhook", b.batch("b1").Counts.ByProvenance[jobs.ByWebhook], 299)
	}},
	{"a long inbox is applied before a clock too", func(b *book) {
		b.bulk("b1", 300)
		crowd(b, 300, func(i int) error {
			_, err := b.AppendDelivery(b.ctx(), b.told(shot(row("b1", int64(i+1))), jobs.OutcomeDone))
			return err
		})
		e := b.shut(timeOut(row("b1", 300)), timeOut(row("b1", 1)))
		wantSame(b, "closed", len(e.Closed), 300)
		wantSame(b, "done", b.batch("b1").Counts.Of(jobs.Done), 300)
	}},
	{"a held webhook does not stop a closing", func(b *book) {
		b.open("b1", pages(2)...)
		id := b.doubted("b1", 1)[0].Job.ID
		b.later(time.Second)
		b.deliver(shot(id), jobs.OutcomeDone)
		b.shut(cancel(id))
		b.wantState(id, jobs.Canceled)
		e := b.observe(jobs.ByPoll, seen(id, jobs.OutcomeDone))
		b.wantClosed(e)
		b.wantState(id, jobs.Canceled)
	}},
}...)
