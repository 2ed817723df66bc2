package storetest

import (
	"fmt"
	"strings"
	"time"

	"shotline/jobs"
)

// transitions is the state chart of package jobs as a table, for a job in its
// second attempt whose first attempt timed out. The rows are the states of the
// job. The columns are the inputs: a result of the own attempt's screenshot, of
// the older attempt's, of an attempt that has not begun, or of a double charge of
// the own attempt; or a closing of the own attempt. Closings of other attempts
// must do nothing.
//
//	=      nothing
//	!      nothing but a conflict, which is counted
//	done   closes as done, in the own attempt; done* is recorded as late
//	done<  closes with the image of the older attempt, as late
//	!done^ a conflict; if a poll has the result, the job is corrected in the own
//	       attempt; !done*^ stays late
//	?done  the same if a poll or the create's response has the result; a webhook
//	       is of an unknown screenshot and closes nothing
//
// Each result comes once by webhook, once by poll and once in a create's
// response.
const transitions = `
             own-done own-failed older-done older-failed newer-done newer-failed extra-done extra-failed time      refuse cancel
queued       ?done    ?failed    =          =            =          =            ?done      ?failed      =         =      canceled
leased       ?done    ?failed    =          =            =          =            ?done      ?failed      =         failed canceled
intent       ?done    ?failed    =          =            =          =            ?done      ?failed      =         failed canceled
doubt        ?done    ?failed    =          =            =          =            ?done      ?failed      =         failed canceled
pending      done     failed     =          =            =          =            =          =            timed_out =      canceled
done         =        !failed^   =          =            =          =            =          =            =         =      =
failed       !done^   =          done<      =            =          =            =          =            =         =      =
refused      ?done*   =          done<      =            =          =            ?done*      =            =         =      =
timed-out    done*    failed*    done<      =            =          =            =          =            =         =      =
late-done    =        !failed*^  =          =            =          =            =          =            =         =      =
late-failed  !done*^  =          done<      =            =          =            =          =            =         =      =
canceled     =        =          =          =            =          =            =          =            =         =      =
paid-queued  ?done    ?done<     =          !            =          =            ?done      ?done<       =         =      canceled
paid-intent  ?done    ?done<     =          !            =          =            ?done      ?done<       =         done<  canceled
paid-pending done     done<      =          !            =          =            =          =            done<     =      canceled
old-image    !        =          =          !failed*^    =          =            =          =            =         =      =
`

// secondStandings bring all jobs of a batch, which are queued in their second
// attempt, into a state.
var secondStandings = map[string]func(f *fixture, ids []jobs.ID){
	"queued":  func(*fixture, []jobs.ID) {},
	"leased":  func(f *fixture, ids []jobs.ID) { f.lease(ids[0].Batch, len(ids)) },
	"intent":  func(f *fixture, ids []jobs.ID) { f.leaseAndIntend(ids[0].Batch, len(ids)) },
	"doubt":   func(f *fixture, ids []jobs.ID) { f.leaseAndDoubt(ids[0].Batch, len(ids)) },
	"pending": pendingAgain,
	"done":    func(f *fixture, ids []jobs.ID) { pendingAgain(f, ids); f.observeAll(ids, 2, jobs.OutcomeDone) },
	"failed":  func(f *fixture, ids []jobs.ID) { pendingAgain(f, ids); f.observeAll(ids, 2, jobs.OutcomeFailed) },
	"refused": func(f *fixture, ids []jobs.ID) {
		f.leaseAndIntend(ids[0].Batch, len(ids))
		f.closeAll(ids, refuse)
	},
	"timed-out":   timedOutAgain,
	"late-done":   func(f *fixture, ids []jobs.ID) { timedOutAgain(f, ids); f.observeAll(ids, 2, jobs.OutcomeDone) },
	"late-failed": func(f *fixture, ids []jobs.ID) { timedOutAgain(f, ids); f.observeAll(ids, 2, jobs.OutcomeFailed) },
	"canceled":    func(f *fixture, ids []jobs.ID) { pendingAgain(f, ids); f.closeAll(ids, cancel) },
	"paid-queued": func(f *fixture, ids []jobs.ID) { f.observeAll(ids, 1, jobs.OutcomeDone) },
	"paid-intent": func(f *fixture, ids []jobs.ID) {
		f.leaseAndIntend(ids[0].Batch, len(ids))
		f.observeAll(ids, 1, jobs.OutcomeDone)
	},
	"paid-pending": func(f *fixture, ids []jobs.ID) { pendingAgain(f, ids); f.observeAll(ids, 1, jobs.OutcomeDone) },
	"old-image": func(f *fixture, ids []jobs.ID) {
		pendingAgain(f, ids)
		f.observeAll(ids, 1, jobs.OutcomeDone)
		f.observeAll(ids, 2, jobs.OutcomeFailed)
	},
}

// observeAll records a poll's result for one attempt of all jobs.
func (f *fixture) observeAll(ids []jobs.ID, attempt int, outcome jobs.Outcome) {
	f.t.Helper()
	observations := make([]jobs.Observation, len(ids))
	for i, id := range ids {
		observations[i] = seenIn(id, attempt, outcome)
	}
	f.observe(jobs.ByPoll, observations...)
}

// closeAll closes the newest attempt of all jobs.
func (f *fixture) closeAll(ids []jobs.ID, closing func(jobs.ID) jobs.Closing) {
	f.t.Helper()
	closings := make([]jobs.Closing, len(ids))
	for i, id := range ids {
		closings[i] = closing(id)
		closings[i].Attempt = f.job(id).Attempt
	}
	f.closeJobs(closings...)
}

func pendingAgain(f *fixture, ids []jobs.ID) {
	f.leaseAndIntend(ids[0].Batch, len(ids))
	f.observeAll(ids, 2, jobs.OutcomeProcessing)
}

func timedOutAgain(f *fixture, ids []jobs.ID) {
	pendingAgain(f, ids)
	f.closeAll(ids, timeOut)
}

// input is one input of a job: a cell of transitions with one provenance.
type input struct {
	name  string
	want  string
	by    jobs.Provenance
	apply func(f *fixture, id jobs.ID) jobs.Effects
}

// inputs returns all inputs of a row of transitions.
func inputs(columns, cells []string) []input {
	var all []input
	for i, column := range columns {
		what, result, isResult := strings.Cut(column, "-")
		if !isResult {
			all = append(all, closingsOf(column, cells[i])...)
			continue
		}
		for _, by := range []jobs.Provenance{jobs.ByWebhook, jobs.ByPoll, jobs.ByCreate} {
			want, mayBeUnknown := strings.CutPrefix(cells[i], "?")
			if mayBeUnknown && by == jobs.ByWebhook {
				want = "="
			}
			all = append(all, input{column + " by " + string(by), want, by, func(f *fixture, id jobs.ID) jobs.Effects {
				o := seenIn(id, map[string]int{"own": 2, "older": 1, "newer": 3, "extra": 2}[what], jobs.Outcome(result))
				if what == "extra" {
					o.ScreenshotID += "extra"
				}
				if by != jobs.ByWebhook {
					return f.observe(by, o)
				}
				f.deliver(o.ScreenshotID, o.Outcome)
				return f.apply().Effects
			}})
		}
	}
	return all
}

// closingsOf returns a closing of the own attempt, and closings of other
// attempts.
func closingsOf(column, cell string) []input {
	closing := map[string]func(jobs.ID) jobs.Closing{"time": timeOut, "refuse": refuse, "cancel": cancel}[column]
	var all []input
	for attempt, want := range map[int]string{1: "=", 2: cell, 3: "="} {
		all = append(all, input{fmt.Sprintf("%s of attempt %d", column, attempt), want, provenances[column], func(f *fixture, id jobs.ID) jobs.Effects {
			c := closing(id)
			c.Attempt = attempt
			return f.closeJobs(c)
		}})
	}
	return all
}

// transitionTests makes one test of each row of transitions.
func transitionTests() []test {
	lines := strings.Split(strings.TrimSpace(transitions), "\n")
	columns := strings.Fields(lines[0])
	var tests []test
	for _, line := range lines[1:] {
		cells := strings.Fields(line)
		tests = append(tests, test{cells[0], func(f *fixture) {
			f.uncheckedSteps = true
			all := inputs(columns, cells[1:])
			f.open("b1", pages(len(all))...)
			ids := f.pending("b1", len(all))
			f.closeAll(ids, timeOut)
			f.retryJobs(ids...)
			secondStandings[cells[0]](f, ids)
			for i, in := range all {
				f.transition(cells[0], in, ids[i])
			}
			f.audit()
		}})
	}
	return tests
}

// transition tests the effect of one input on a job.
func (f *fixture) transition(standing string, in input, id jobs.ID) {
	f.t.Helper()
	before := f.job(id)
	f.later(time.Second)
	effects := in.apply(f, id)
	after := f.job(id)

	cell := standing + " + " + in.name
	rest, conflict := strings.CutPrefix(in.want, "!")
	rest, corrected := strings.CutSuffix(rest, "^")
	conflicts := 0
	if conflict {
		conflicts = 1
	}
	switch {
	case rest == "" || rest == "=" || corrected && in.by != jobs.ByPoll:
		if len(effects.Closed) > 0 || after.State != before.State || after.ClosedBy != before.ClosedBy || after.Late != before.Late || !after.ClosedAt.Equal(before.ClosedAt) {
			f.t.Fatalf("%s: it is %s by %q now, closed %+v; want no change", cell, after.State, after.ClosedBy, effects.Closed)
		}
	default:
		state, older := strings.CutSuffix(rest, "<")
		state, late := strings.CutSuffix(state, "*")
		want := jobs.Closed{Job: id, Attempt: 2, State: jobs.State(state), By: in.by, Late: late || older, Corrected: corrected}
		if older {
			want.Attempt = 1
		}
		if older && !strings.HasPrefix(in.name, "older") {
			want.By = jobs.ByPoll // a poll had found the image before
		}
		if len(effects.Closed) != 1 || effects.Closed[0] != want {
			f.t.Fatalf("%s: closed %+v, want %+v", cell, effects.Closed, want)
		}
		if after.State != want.State || after.ClosedBy != want.By || after.Late != want.Late || after.Corrected != corrected || older && after.ScreenshotID != shotOf(id, 1) {
			f.t.Fatalf("%s: the job is %+v, want %+v", cell, after, want)
		}
	}
	wantSame(f, cell+": attempt", after.Attempt, 2)
	wantSame(f, cell+": conflicts in this step", effects.Conflicts, conflicts)
	wantSame(f, cell+": conflicts on the job", after.Conflicts, before.Conflicts+conflicts)
}
