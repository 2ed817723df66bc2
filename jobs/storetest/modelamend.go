package storetest

import (
	"slices"

	"shotline/jobs"
)

// amend is the step of an amendment. In the model a request is a URL. Rows with
// different callback URLs are not duplicates.
func (m *model) amend(amendments []jobs.Amendment) {
	amendments = slices.Clone(amendments)
	for i := range amendments {
		if r := &amendments[i].Request; r.CallbackURL == "" {
			r.CallbackURL = m.job(amendments[i].Job).callbackURL
		}
	}
	m.apply(len(m.inbox))
	defer func() { // an event is sent to the callback URL that its job has when the event is read
		for i, e := range m.events {
			m.events[i].CallbackURL = m.callbackOf(e)
		}
	}()
	var same []jobs.Retry
	var others []jobs.Amendment
	for _, a := range amendments {
		switch l := m.job(a.Job); {
		case !l.fits(a):
		case !l.asks(a.Request):
			others = append(others, a)
		case slices.Contains(jobs.Retriable, l.state):
			retry := a.Retry
			retry.From = jobs.Retriable
			same = append(same, retry)
		}
	}
	m.retryJobs(same)
	for _, a := range amendments {
		if l := m.job(a.Job); slices.Contains(m.effects.Retried, l.id) && l.asks(a.Request) {
			l.priority, l.callbackURL = m.priorityOf(a.Request), a.Request.CallbackURL
		}
	}
	var changed []*modelJob
	for _, a := range others {
		l := m.job(a.Job)
		if !l.fits(a) {
			continue
		}
		if l.isJob() {
			changed = append(changed, l)
		}
		l.url, l.callbackURL, l.reason = a.Request.URL, a.Request.CallbackURL, a.Request.Reject
		l.equalCallback = l.callbackURL
		l.priority = m.priorityOf(a.Request)
		original := m.jobLike(l)
		switch {
		case l.reason != "":
			m.amendTo(l, jobs.Rejected)
		case original != nil:
			m.amendTo(l, jobs.Duplicate)
		default:
			m.amendTo(l, jobs.Queued)
		}
		l.original = original
		m.effects.Amended = append(m.effects.Amended, l.id)
	}
	for _, l := range changed {
		m.separate(l)
	}
	if len(m.effects.Amended) == 0 || m.state != jobs.BatchFinished {
		return
	}
	if slices.ContainsFunc(m.rows, func(l *modelJob) bool { return l.state.Open() }) {
		m.state = jobs.BatchOpen
		m.effects.Reopened = append(m.effects.Reopened, m.batch)
		return
	}
	m.revise(jobs.EventBatchRevised)
	m.effects.Revised = append(m.effects.Revised, m.batch)
}

func (m *model) priorityOf(r jobs.Request) int {
	if r.Priority != nil {
		return *r.Priority
	}
	return m.priority
}

func (l *modelJob) isJob() bool { return l.state != jobs.Duplicate && l.state != jobs.Rejected }

// fits reports whether the guards of an amendment hold.
func (l *modelJob) fits(a jobs.Amendment) bool {
	return slices.Contains(a.From, l.state) && a.Attempt == l.attempt
}

// asks reports whether the row has this request.
func (l *modelJob) asks(r jobs.Request) bool {
	return l.url == r.URL && l.reason == r.Reject
}

// jobLike returns another row that is a job with the same request.
func (m *model) jobLike(l *modelJob) *modelJob {
	for _, o := range m.rows {
		if o != l && o.isJob() && o.url == l.url && o.equalCallback == l.equalCallback {
			return o
		}
	}
	return nil
}

// amendTo moves a row that has ended to the state that follows from its new
// request. The row loses its end.
func (m *model) amendTo(l *modelJob, to jobs.State) {
	if l.state.Open() {
		panic("an open job is amended")
	}
	l.state = to
	if to == jobs.Queued || l.attempt > 0 {
		l.attempt++
	}
	l.first = l.attempt
	l.shot, l.closedBy, l.late, l.corrected, l.cancelAsked, l.original = "", "", false, false, false, nil
	m.logEvent(jobs.Event{Type: jobs.EventJobAmended, State: to, Batch: m.batch, Job: l.id, Attempt: l.attempt})
}

// separate gives the duplicates of a row that changed another original.
func (m *model) separate(from *modelJob) {
	var left []*modelJob
	for _, l := range m.rows {
		if l.original == from && (l.url != from.url || l.equalCallback != from.equalCallback) {
			left = append(left, l)
		}
	}
	if len(left) == 0 {
		return
	}
	original := m.jobLike(left[0])
	if original == nil {
		original = left[0]
		m.amendTo(original, jobs.Queued)
		m.effects.Separated = append(m.effects.Separated, original.id)
	}
	for _, l := range left {
		if l != original {
			l.original = original
		}
	}
}
