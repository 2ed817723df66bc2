package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"shotline/jobs"
)

// arrows are those of the drawing in package jobs, and no others: a state, and
// what may follow it. Back to queued from an end goes a retry alone.
var arrows = map[jobs.State]string{
	jobs.Queued:     "submitting canceled pending", // pending: a lost create showed up after all
	jobs.Submitting: "queued pending failed done timed_out canceled",
	jobs.Pending:    "done failed timed_out canceled",
	jobs.TimedOut:   "done failed queued",
	jobs.Failed:     "done queued",           // done: an older attempt's picture, or a correction
	jobs.Canceled:   "queued done pending",   // done, pending: what was paid for before the cancel
	jobs.Done:       "failed timed_out done", // by corrections alone
}

// lives is a model of one open batch: what design and contract say of the life
// of its jobs, in plain Go and without a look at any store. A step returns what
// the store has to say of it, and leaves the events that it has to log.
//
// Every screenshot belongs to one submission; that the vendor's cache may give
// one to several is not modeled.
type lives struct {
	batch    string
	url      string // to be called: for the job's events if it is single, else for the batch's
	single   bool
	state    jobs.BatchState
	reason   string // of an error that paused it
	revision int
	summed   int // the newest revision with a summary
	calls    int64
	rows     []*life
	at       time.Time // of the step
	place    int64     // of the newest delivery
	waiting  []arrival // kept and not applied, oldest first
	held     []arrival
	said     jobs.Effects
	log      []jobs.Event // of the step, without place and time
}

// life is one job.
type life struct {
	id        jobs.ID
	url       string // of its own, to be called
	priority  int
	state     jobs.State
	attempt   int
	owner     string // of its lease
	until     time.Time
	asked     bool // to be canceled once its create is settled
	shot      string
	closedBy  jobs.Provenance
	late      bool
	corrected bool
	doubles   int
	conflicts int
	cost      *float64
	subs      map[int]*sub // by attempt
}

// sub is a submission: what one attempt may have paid for.
type sub struct {
	shot    string // the wanted one
	extras  []string
	sends   int
	intent  bool  // a create may be under way, or has been answered
	open    bool  // a screenshot that we do not know may exist
	since   int64 // the newest delivery when it was opened
	doubt   time.Time
	results map[string]result // of each screenshot the one that stands
	priced  map[string]bool
	clash   *clash // of the wanted screenshot's results
}

// clash is a conflict. It is unsettled until the vendor says done or failed.
type clash struct {
	first, says jobs.Outcome
	due         time.Time // zero: the vendor is not asked any more
	checks      int
}

func (c *clash) unsettled() bool {
	return c != nil && (!c.due.IsZero() || c.says != jobs.OutcomeDone && c.says != jobs.OutcomeFailed)
}

type result struct {
	outcome jobs.Outcome
	by      jobs.Provenance
}

// arrival is a delivery of a screenshot's end.
type arrival struct {
	place   int64
	shot    string
	outcome jobs.Outcome
}

// finding is a result on its way to a job.
type finding struct {
	*life
	attempt int
	shot    string
	result
}

// ending is a job on its way to a final state.
type ending struct {
	*life
	attempt int
	to      jobs.State
	by      jobs.Provenance
	late    bool
	shot    string // it is to show; empty: the one it has

	correction bool
}

func newLives(spec jobs.BatchSpec, requests []jobs.Request) *lives {
	m := &lives{batch: spec.ID, url: spec.CallbackURL, single: spec.Single, state: jobs.BatchOpen}
	for i, r := range requests {
		l := &life{id: row(spec.ID, int64(i+1)), url: r.CallbackURL, priority: spec.Priority, state: jobs.Queued, subs: map[int]*sub{}}
		if r.Priority != nil {
			l.priority = *r.Priority
		}
		m.rows = append(m.rows, l)
	}
	return m
}

// begin begins a step.
func (m *lives) begin() { m.said, m.log = jobs.Effects{}, nil }

func (m *lives) of(id jobs.ID) *life { return m.rows[id.Row-1] }

func (l *life) sub(attempt int) *sub {
	if l.subs[attempt] == nil {
		l.subs[attempt] = &sub{results: map[string]result{}, priced: map[string]bool{}}
	}
	return l.subs[attempt]
}

// underWay is whether the create of the newest attempt may have been sent and
// is not settled.
func (l *life) underWay() bool {
	s := l.subs[l.attempt]
	return s != nil && s.intent && s.shot == ""
}

// move follows an arrow.
func (l *life) move(to jobs.State) {
	if !slices.Contains(strings.Fields(arrows[l.state]), string(to)) {
		panic(fmt.Sprintf("the drawing has no arrow from %s to %s", l.state, to))
	}
	l.state = to
	l.owner, l.until = "", time.Time{}
}

// ownerOf finds whose screenshot it is.
func (m *lives) ownerOf(shot string) (l *life, attempt int) {
	for _, l := range m.rows {
		for attempt, s := range l.subs {
			if s.shot == shot || slices.Contains(s.extras, shot) {
				return l, attempt
			}
		}
	}
	return nil, 0
}

// settle lets the results of one transaction do what they may. A screenshot has
// one result, its first: the same again is a repeat, another one a conflict,
// unless it is the vendor's answer to an open one. A job closes once in a
// transaction, by the first result that may close it, and is corrected after that.
func (m *lives) settle(found []finding) {
	var endings []ending
	answers := make([]bool, len(found))
	for i, f := range found {
		s := f.sub(f.attempt)
		answers[i] = f.by == jobs.ByPoll && f.shot == s.shot && s.clash.unsettled()
	}
	for i, f := range found {
		s := f.sub(f.attempt)
		if first, known := s.results[f.shot]; known {
			if first.outcome != f.outcome {
				if !answers[i] {
					f.conflicts++
					m.said.Conflicts++
				}
				m.clash(s, f)
			}
			continue
		}
		s.results[f.shot] = f.result
		if f.shot != s.shot || !f.mayClose(f.attempt, f.outcome) || hasLife(endings, f.life) {
			continue
		}
		open := f.state == jobs.Pending || f.state == jobs.Submitting
		endings = append(endings, ending{f.life, f.attempt, jobs.State(f.outcome), f.by, !open, f.shot, false})
	}
	m.end(endings)
	m.correct(found)
}

// mayClose is the guard of jobs.Closures, in its words.
func (l *life) mayClose(attempt int, outcome jobs.Outcome) bool {
	switch {
	case attempt == l.attempt:
		return l.state == jobs.Pending || l.state == jobs.Submitting || l.state == jobs.TimedOut ||
			l.state == jobs.Failed && l.closedBy == jobs.BySubmit && outcome == jobs.OutcomeDone
	case attempt < l.attempt && outcome == jobs.OutcomeDone:
		return l.state == jobs.Failed || l.state == jobs.TimedOut
	}
	return false
}

func hasLife(endings []ending, l *life) bool {
	return slices.ContainsFunc(endings, func(e ending) bool { return e.life == l })
}

// end closes jobs, and the batch with the last of them. Where the newest attempt
// ends without a picture and an older one has brought one, it is that which
// closes the job, as late; of several the newest.
func (m *lives) end(endings []ending) {
	late := false
	for _, e := range endings {
		for one := e.life.attempt; one > 0 && (e.to == jobs.Failed || e.to == jobs.TimedOut); one-- {
			if s := e.subs[one]; s != nil && s.results[s.shot].outcome == jobs.OutcomeDone {
				e = ending{e.life, one, jobs.Done, s.results[s.shot].by, true, s.shot, e.correction}
			}
		}
		if e.correction && e.to == jobs.Failed && e.attempt < e.life.attempt {
			e = e.asNewest()
		}
		if e.state == jobs.Queued || e.state == jobs.Submitting {
			for _, s := range e.subs {
				s.open, s.doubt = false, time.Time{}
			}
		}
		e.move(e.to)
		e.closedBy, e.life.late = e.by, e.late
		if e.shot != "" {
			e.life.shot = e.shot
		}
		e.corrected = e.corrected || e.correction
		late = late || e.late || e.correction
		event := jobs.Event{Type: jobs.EventType("job." + string(e.to)), Batch: m.batch, Job: e.id, Attempt: e.attempt}
		if e.late {
			event.Type, event.State = jobs.EventJobLate, e.to
		}
		if e.correction {
			event.Type, event.State = jobs.EventJobCorrected, e.to
		}
		m.tell(event)
		m.said.Closed = append(m.said.Closed, jobs.Closed{Job: e.id, Attempt: e.attempt, State: e.to, By: e.by, Late: e.late, Corrected: e.correction})
	}
	switch {
	case m.state == jobs.BatchFinished && late:
		m.revise(jobs.EventBatchRevised)
		m.said.Revised = append(m.said.Revised, m.batch)
	case len(endings) > 0 && m.state != jobs.BatchFinished && !slices.ContainsFunc(m.rows, func(l *life) bool { return l.state.Open() }):
		m.state = jobs.BatchFinished
		m.revise(jobs.EventBatchFinished)
		m.said.Finished = append(m.said.Finished, m.batch)
	}
}

func (m *lives) revise(kind jobs.EventType) {
	m.revision++
	m.reason = ""
	m.tell(jobs.Event{Type: kind, Batch: m.batch, Revision: m.revision})
}

// tell logs an event.
func (m *lives) tell(e jobs.Event) {
	switch {
	case e.Batch == "":
	case m.single == (e.Job != jobs.ID{}):
		e.CallbackURL = m.url
	case e.Job != jobs.ID{}:
		e.CallbackURL = m.of(e.Job).url
	}
	m.log = append(m.log, e)
}
