package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"shotline/jobs"
)

// allowedMoves are the arrows of the state chart in package jobs: for each state,
// those that can follow it. Only a retry leads from a final state back to queued.
// An amendment leads from each final state to queued, duplicate or rejected; see
// amendTo.
var allowedMoves = map[jobs.State]string{
	jobs.Queued:     "submitting canceled pending", // pending: a lost create was found
	jobs.Duplicate:  "",                            // amendments only
	jobs.Rejected:   "",
	jobs.Submitting: "queued pending failed done timed_out canceled",
	jobs.Pending:    "done failed timed_out canceled",
	jobs.TimedOut:   "done failed queued",
	jobs.Failed:     "done queued",           // done: an older attempt's image, or a correction
	jobs.Canceled:   "queued done pending",   // done, pending: a screenshot that was paid for before the cancel
	jobs.Done:       "failed timed_out done", // by corrections only
}

// model is a model of one open batch. It implements the contract for the life of
// its jobs in plain Go, without a store. A step of the model returns what the
// store must return, and sets the events that the store must log. In the model
// every screenshot belongs to one submission. It leaves out that the vendor's
// cache can give a screenshot to several submissions.
type model struct {
	batch          string
	callbackURL    string // for the job's events if the batch is single, otherwise for the batch's events
	single         bool
	priority       int
	ranked         bool // rows have priorities
	state          jobs.BatchState
	pauseReason    string // of the error that paused it
	revision       int
	summarized     int // the newest revision with a summary
	calls          int64
	rows           []*modelJob
	now            time.Time       // time of the step
	newestDelivery int64           // seq of the newest delivery
	inbox          []modelDelivery // kept and not yet applied, oldest first
	held           []modelDelivery
	effects        jobs.Effects
	events         []jobs.Event // of the step, without seq and time
}

// modelJob is one job.
type modelJob struct {
	id            jobs.ID
	callbackURL   string // of its row
	equalCallback string // the callback URL of equal requests; not callbackURL if a retry changed that
	priority      int
	url           string
	reason        string // of a rejected row
	first         int    // the attempt that began with this request; 0 if it was not amended
	original      *modelJob
	state         jobs.State
	attempt       int
	leaseOwner    string // of its lease
	leaseExpiry   time.Time
	cancelAsked   bool // to be canceled once its create is settled
	shot          string
	closedBy      jobs.Provenance
	late          bool
	corrected     bool
	doubleCharges int
	conflicts     int
	cost          *float64
	submissions   map[int]*modelSubmission // by attempt
}

// modelSubmission is a submission: the screenshots of one attempt that might be
// paid for.
type modelSubmission struct {
	shot        string // the wanted one
	extras      []string
	sends       int
	intent      bool  // a create might be under way, or was answered
	mayExist    bool  // a screenshot with an unknown id might exist
	openedAfter int64 // the newest delivery when mayExist was set
	doubt       time.Time
	results     map[string]result // by screenshot: the result that is recorded
	priced      map[string]bool
	conflict    *modelConflict // of the results of the wanted screenshot
}

// modelConflict is a conflict. It is unsettled until the vendor reports done or
// failed.
type modelConflict struct {
	first, says jobs.Outcome
	due         time.Time // zero: the vendor is not queried again
	checks      int
}

func (c *modelConflict) unsettled() bool {
	return c != nil && (!c.due.IsZero() || c.says != jobs.OutcomeDone && c.says != jobs.OutcomeFailed)
}

type result struct {
	outcome jobs.Outcome
	by      jobs.Provenance
}

// modelDelivery is a delivery of a screenshot's result.
type modelDelivery struct {
	place   int64
	shot    string
	outcome jobs.Outcome
}

// foundResult is a result that is to be applied to a job.
type foundResult struct {
	*modelJob
	attempt int
	shot    string
	result
}

// modelClosure is the move of a job into a final state.
type modelClosure struct {
	*modelJob
	attempt int
	to      jobs.State
	by      jobs.Provenance
	late    bool
	shot    string // the screenshot to set; empty: keep the job's screenshot

	correction bool
}

func newModel(spec jobs.BatchSpec, requests []jobs.Request) *model {
	m := &model{batch: spec.ID, callbackURL: spec.CallbackURL, single: spec.Single, priority: spec.Priority, state: jobs.BatchOpen}
	for i, r := range requests {
		l := &modelJob{id: row(spec.ID, int64(i+1)), callbackURL: r.CallbackURL, equalCallback: r.CallbackURL, priority: spec.Priority, url: r.URL, state: jobs.Queued, submissions: map[int]*modelSubmission{}}
		if r.Priority != nil {
			l.priority, m.ranked = *r.Priority, true
		}
		m.rows = append(m.rows, l)
	}
	return m
}

// begin begins a step.
func (m *model) begin() { m.effects, m.events = jobs.Effects{}, nil }

func (m *model) job(id jobs.ID) *modelJob { return m.rows[id.Row-1] }

func (l *modelJob) submission(attempt int) *modelSubmission {
	if l.submissions[attempt] == nil {
		l.submissions[attempt] = &modelSubmission{results: map[string]result{}, priced: map[string]bool{}}
	}
	return l.submissions[attempt]
}

// createUnderWay reports whether the create of the newest attempt might have been
// sent and is not settled.
func (l *modelJob) createUnderWay() bool {
	s := l.submissions[l.attempt]
	return s != nil && s.intent && s.shot == ""
}

// moveTo changes the state. It panics if the state chart does not allow that.
func (l *modelJob) moveTo(to jobs.State) {
	if !slices.Contains(strings.Fields(allowedMoves[l.state]), string(to)) {
		panic(fmt.Sprintf("the state chart has no arrow from %s to %s", l.state, to))
	}
	l.state = to
	l.leaseOwner, l.leaseExpiry = "", time.Time{}
}

// ownerOf returns the job and attempt that own a screenshot.
func (m *model) ownerOf(shot string) (l *modelJob, attempt int) {
	for _, l := range m.rows {
		for attempt, s := range l.submissions {
			if s.shot == shot || slices.Contains(s.extras, shot) {
				return l, attempt
			}
		}
	}
	return nil, 0
}

// settle applies the results of one transaction. A screenshot has one result, its
// first. If the same result comes again, it is a repeat. A different result is a
// conflict, unless it is the vendor's answer to an open conflict. In a
// transaction a job is closed once, by the first result that may close it, and
// corrected after that.
func (m *model) settle(found []foundResult) {
	var endings []modelClosure
	answers := make([]bool, len(found))
	for i, f := range found {
		s := f.submission(f.attempt)
		answers[i] = f.by == jobs.ByPoll && f.shot == s.shot && s.conflict.unsettled()
	}
	for i, f := range found {
		s := f.submission(f.attempt)
		if first, known := s.results[f.shot]; known {
			if first.outcome != f.outcome {
				if !answers[i] {
					f.conflicts++
					m.effects.Conflicts++
				}
				m.addConflict(s, f)
			}
			continue
		}
		s.results[f.shot] = f.result
		if f.shot != s.shot || !f.mayClose(f.attempt, f.outcome) || closesJob(endings, f.modelJob) {
			continue
		}
		open := f.state == jobs.Pending || f.state == jobs.Submitting
		endings = append(endings, modelClosure{f.modelJob, f.attempt, jobs.State(f.outcome), f.by, !open, f.shot, false})
	}
	m.endJobs(endings)
	m.correct(found)
}

// mayClose is the guard of jobs.Closures, written as code.
func (l *modelJob) mayClose(attempt int, outcome jobs.Outcome) bool {
	switch {
	case attempt < l.first:
		return false
	case attempt == l.attempt:
		return l.state == jobs.Pending || l.state == jobs.Submitting || l.state == jobs.TimedOut ||
			l.state == jobs.Failed && l.closedBy == jobs.BySubmit && outcome == jobs.OutcomeDone
	case attempt < l.attempt && outcome == jobs.OutcomeDone:
		return l.state == jobs.Failed || l.state == jobs.TimedOut
	}
	return false
}

func closesJob(endings []modelClosure, l *modelJob) bool {
	return slices.ContainsFunc(endings, func(e modelClosure) bool { return e.modelJob == l })
}

// endJobs closes jobs, and finishes the batch with the last of them. If the
// newest attempt ends without an image and an older one has one, the older one
// closes the job as late. If several older ones have an image, the newest of them
// closes it.
func (m *model) endJobs(endings []modelClosure) {
	late := false
	for _, e := range endings {
		for one := e.modelJob.attempt; one > 0 && one >= e.first && (e.to == jobs.Failed || e.to == jobs.TimedOut); one-- {
			if s := e.submissions[one]; s != nil && s.results[s.shot].outcome == jobs.OutcomeDone {
				e = modelClosure{e.modelJob, one, jobs.Done, s.results[s.shot].by, true, s.shot, e.correction}
			}
		}
		if e.correction && e.to == jobs.Failed && e.attempt < e.modelJob.attempt {
			e = e.withoutOldImage()
		}
		if e.state == jobs.Queued || e.state == jobs.Submitting {
			for _, s := range e.submissions {
				s.mayExist, s.doubt = false, time.Time{}
			}
		}
		e.moveTo(e.to)
		e.closedBy, e.modelJob.late = e.by, e.late
		if e.shot != "" {
			e.modelJob.shot = e.shot
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
		m.logEvent(event)
		m.effects.Closed = append(m.effects.Closed, jobs.Closed{Job: e.id, Attempt: e.attempt, State: e.to, By: e.by, Late: e.late, Corrected: e.correction})
	}
	switch {
	case m.state == jobs.BatchFinished && late:
		m.revise(jobs.EventBatchRevised)
		m.effects.Revised = append(m.effects.Revised, m.batch)
	case len(endings) > 0 && m.state != jobs.BatchFinished && !slices.ContainsFunc(m.rows, func(l *modelJob) bool { return l.state.Open() }):
		m.state = jobs.BatchFinished
		m.revise(jobs.EventBatchFinished)
		m.effects.Finished = append(m.effects.Finished, m.batch)
	}
}

func (m *model) revise(kind jobs.EventType) {
	m.revision++
	m.pauseReason = ""
	m.logEvent(jobs.Event{Type: kind, Batch: m.batch, Revision: m.revision})
}

// logEvent logs an event.
func (m *model) logEvent(e jobs.Event) {
	e.CallbackURL = m.callbackOf(e)
	m.events = append(m.events, e)
}

func (m *model) callbackOf(e jobs.Event) string {
	switch {
	case e.Batch == "":
	case m.single == (e.Job != jobs.ID{}):
		return m.callbackURL
	case e.Job != jobs.ID{}:
		return m.job(e.Job).callbackURL
	}
	return ""
}
