package storetest

import (
	"fmt"
	"strings"
	"time"

	"shotline/jobs"
)

// transitions is the drawing in package jobs as a table, for a job in its
// second attempt whose first one timed out. Rows are where it stands, columns
// what comes: a result of the own attempt's screenshot, of the older attempt's,
// of an attempt that has not begun, of a screenshot paid for beyond the own one;
// and a closing for the own attempt. Closings for others must do nothing.
//
//	=      nothing
//	!      nothing but a conflict, counted
//	done   closes so, in the own attempt; done* is recorded as late
//	done<  closes with the picture of the older attempt, as late
//	!done^ a conflict, and if the result is a poll's the job is corrected, in the
//	       own attempt; !done*^ stays late
//	?done  the same from a poll or the create's answer; a webhook is of a
//	       screenshot that nobody knows yet, and closes nothing
//
// Each result comes once by webhook, by poll and in a create's answer.
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
picture      !        =          =          !failed*^    =          =            =          =            =         =      =
`

// secondStandings bring jobs that are queued as their second attempt to where
// they stand, all of a batch side by side.
var secondStandings = map[string]func(b *book, ids []jobs.ID){
	"queued":  func(*book, []jobs.ID) {},
	"leased":  func(b *book, ids []jobs.ID) { b.lease(ids[0].Batch, len(ids)) },
	"intent":  func(b *book, ids []jobs.ID) { b.sent(ids[0].Batch, len(ids)) },
	"doubt":   func(b *book, ids []jobs.ID) { b.doubted(ids[0].Batch, len(ids)) },
	"pending": pendingAgain,
	"done":    func(b *book, ids []jobs.ID) { pendingAgain(b, ids); b.seeAll(ids, 2, jobs.OutcomeDone) },
	"failed":  func(b *book, ids []jobs.ID) { pendingAgain(b, ids); b.seeAll(ids, 2, jobs.OutcomeFailed) },
	"refused": func(b *book, ids []jobs.ID) {
		b.sent(ids[0].Batch, len(ids))
		b.shutAll(ids, refuse)
	},
	"timed-out":    timedOutAgain,
	"late-done":    func(b *book, ids []jobs.ID) { timedOutAgain(b, ids); b.seeAll(ids, 2, jobs.OutcomeDone) },
	"late-failed":  func(b *book, ids []jobs.ID) { timedOutAgain(b, ids); b.seeAll(ids, 2, jobs.OutcomeFailed) },
	"canceled":     func(b *book, ids []jobs.ID) { pendingAgain(b, ids); b.shutAll(ids, cancel) },
	"paid-queued":  func(b *book, ids []jobs.ID) { b.seeAll(ids, 1, jobs.OutcomeDone) },
	"paid-intent":  func(b *book, ids []jobs.ID) { b.sent(ids[0].Batch, len(ids)); b.seeAll(ids, 1, jobs.OutcomeDone) },
	"paid-pending": func(b *book, ids []jobs.ID) { pendingAgain(b, ids); b.seeAll(ids, 1, jobs.OutcomeDone) },
	"picture": func(b *book, ids []jobs.ID) {
		pendingAgain(b, ids)
		b.seeAll(ids, 1, jobs.OutcomeDone)
		b.seeAll(ids, 2, jobs.OutcomeFailed)
	},
}

// seeAll records what a poll says of one attempt of all jobs.
func (b *book) seeAll(ids []jobs.ID, attempt int, outcome jobs.Outcome) {
	b.t.Helper()
	said := make([]jobs.Observation, len(ids))
	for i, id := range ids {
		said[i] = seenIn(id, attempt, outcome)
	}
	b.observe(jobs.ByPoll, said...)
}

// shutAll closes the newest attempt of all jobs.
func (b *book) shutAll(ids []jobs.ID, closing func(jobs.ID) jobs.Closing) {
	b.t.Helper()
	closings := make([]jobs.Closing, len(ids))
	for i, id := range ids {
		closings[i] = closing(id)
		closings[i].Attempt = b.job(id).Attempt
	}
	b.shut(closings...)
}

func pendingAgain(b *book, ids []jobs.ID) {
	b.sent(ids[0].Batch, len(ids))
	b.seeAll(ids, 2, jobs.OutcomeProcessing)
}

func timedOutAgain(b *book, ids []jobs.ID) {
	pendingAgain(b, ids)
	b.shutAll(ids, timeOut)
}

// incoming is one thing that may come for a job: a cell of transitions by one of
// its ways.
type incoming struct {
	name string
	want string
	by   jobs.Provenance
	come func(b *book, id jobs.ID) jobs.Effects
}

// incomings are all of a row of transitions.
func incomings(columns, cells []string) []incoming {
	var all []incoming
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
			all = append(all, incoming{column + " by " + string(by), want, by, func(b *book, id jobs.ID) jobs.Effects {
				o := seenIn(id, map[string]int{"own": 2, "older": 1, "newer": 3, "extra": 2}[what], jobs.Outcome(result))
				if what == "extra" {
					o.ScreenshotID += "extra"
				}
				if by != jobs.ByWebhook {
					return b.observe(by, o)
				}
				b.deliver(o.ScreenshotID, o.Outcome)
				return b.apply().Effects
			}})
		}
	}
	return all
}

// closingsOf are a closing for the own attempt, and those for others.
func closingsOf(column, cell string) []incoming {
	closing := map[string]func(jobs.ID) jobs.Closing{"time": timeOut, "refuse": refuse, "cancel": cancel}[column]
	var all []incoming
	for attempt, want := range map[int]string{1: "=", 2: cell, 3: "="} {
		all = append(all, incoming{fmt.Sprintf("%s of attempt %d", column, attempt), want, provenances[column], func(b *book, id jobs.ID) jobs.Effects {
			c := closing(id)
			c.Attempt = attempt
			return b.shut(c)
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
		tests = append(tests, test{cells[0], func(b *book) {
			b.quiet = true
			all := incomings(columns, cells[1:])
			b.open("b1", pages(len(all))...)
			ids := b.pending("b1", len(all))
			b.shutAll(ids, timeOut)
			b.retried(ids...)
			secondStandings[cells[0]](b, ids)
			for i, in := range all {
				b.transition(cells[0], in, ids[i])
			}
			b.audit()
		}})
	}
	return tests
}

// transition asserts what one thing does to a job.
func (b *book) transition(standing string, in incoming, id jobs.ID) {
	b.t.Helper()
	before := b.job(id)
	b.later(time.Second)
	effects := in.come(b, id)
	after := b.job(id)

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
			b.t.Fatalf("%s: it is %s by %q now, closed %+v; want that nothing moves", cell, after.State, after.ClosedBy, effects.Closed)
		}
	default:
		state, older := strings.CutSuffix(rest, "<")
		state, late := strings.CutSuffix(state, "*")
		want := jobs.Closed{Job: id, Attempt: 2, State: jobs.State(state), By: in.by, Late: late || older, Corrected: corrected}
		if older {
			want.Attempt = 1
		}
		if older && !strings.HasPrefix(in.name, "older") {
			want.By = jobs.ByPoll // as the picture came before
		}
		if len(effects.Closed) != 1 || effects.Closed[0] != want {
			b.t.Fatalf("%s: closed %+v, want %+v", cell, effects.Closed, want)
		}
		if after.State != want.State || after.ClosedBy != want.By || after.Late != want.Late || after.Corrected != corrected || older && after.ScreenshotID != shotOf(id, 1) {
			b.t.Fatalf("%s: the job is %+v, want %+v", cell, after, want)
		}
	}
	wantSame(b, cell+": attempt", after.Attempt, 2)
	wantSame(b, cell+": conflicts in this step", effects.Conflicts, conflicts)
	wantSame(b, cell+": conflicts on the job", after.Conflicts, before.Conflicts+conflicts)
}
