package storetest

import (
	"slices"
	"time"

	"shotline/jobs"
)

// This file holds the steps of model, one for each operation of the store.

func (m *model) lease(n int, owner string, expiry time.Time) (leased []jobs.ID) {
	byRank := slices.Clone(m.rows)
	slices.SortStableFunc(byRank, func(a, b *modelJob) int { return b.priority - a.priority })
	for _, l := range byRank {
		if m.state == jobs.BatchOpen && l.state == jobs.Queued && len(leased) < n {
			l.moveTo(jobs.Submitting)
			l.attempt = max(l.attempt, 1)
			l.leaseOwner, l.leaseExpiry = owner, expiry
			leased = append(leased, l.id)
		}
	}
	return leased
}

// holds reports whether the job is still under the lease.
func (l *modelJob) holds(lease jobs.Lease) bool {
	return l.state == jobs.Submitting && l.attempt == lease.Attempt && l.leaseOwner == lease.Owner && l.leaseOwner != ""
}

// intend returns 0 if the intent must not be committed. Otherwise it returns how
// often the submission might have been sent.
func (m *model) intend(lease jobs.Lease, at, expiry time.Time) (sends int) {
	l := m.job(lease.Job.ID)
	if !l.holds(lease) || !l.leaseExpiry.After(at) || l.createUnderWay() || m.state != jobs.BatchOpen {
		return 0
	}
	s := l.submission(l.attempt)
	if !s.mayExist {
		s.mayExist, s.openedAfter = true, m.newestDelivery
	}
	s.intent = true
	s.sends++
	l.leaseExpiry = expiry
	m.calls++
	return s.sends
}

// requeue hands a lease back. The create certainly had no effect, so nothing
// stays open unless an earlier create of the submission was lost.
func (m *model) requeue(lease jobs.Lease) {
	l := m.job(lease.Job.ID)
	if !l.holds(lease) || !l.leaseExpiry.Equal(lease.Expiry) {
		return
	}
	if l.createUnderWay() {
		s := l.submission(l.attempt)
		s.intent = false
		s.sends--
		s.mayExist = s.mayExist && s.sends > 0
		if !lease.Sent {
			m.calls--
		}
	}
	m.queueAgain(l)
}

// queueAgain queues a job in the same attempt, or cancels it if a cancel was
// requested.
func (m *model) queueAgain(l *modelJob) {
	l.moveTo(jobs.Queued)
	if l.cancelAsked {
		m.endJobs([]modelClosure{{modelJob: l, attempt: l.attempt, to: jobs.Canceled, by: jobs.ByCancel}})
		return
	}
	m.effects.Requeued++
}

func (m *model) doubt(lease jobs.Lease, at time.Time) {
	if l := m.job(lease.Job.ID); l.holds(lease) && l.leaseExpiry.Equal(lease.Expiry) && l.createUnderWay() {
		l.leaseOwner, l.leaseExpiry = "", time.Time{}
		l.submission(l.attempt).doubt = at
	}
}

func (m *model) expire(at time.Time) (requeued, doubted int) {
	for _, l := range m.rows {
		switch {
		case l.leaseOwner == "" || l.leaseExpiry.After(at):
		case l.createUnderWay():
			l.leaseOwner, l.leaseExpiry = "", time.Time{}
			l.submission(l.attempt).doubt = at
			doubted++
		default:
			l.moveTo(jobs.Queued)
			requeued++
		}
	}
	return requeued, doubted
}

// resend queues a job again whose submission has been in doubt since before
// settled.
func (m *model) resend(id jobs.ID, attempt int, settled time.Time) {
	l := m.job(id)
	s := l.submissions[attempt]
	if s == nil || s.doubt.IsZero() || !s.doubt.Before(settled) || s.shot != "" {
		return
	}
	s.intent, s.doubt = false, time.Time{}
	if l.state == jobs.Submitting && l.attempt == attempt && l.leaseOwner == "" {
		m.queueAgain(l)
	}
}

func (m *model) observe(observations []jobs.Observation, by jobs.Provenance) {
	if by == jobs.ByPoll {
		m.apply(len(m.inbox))
	}
	var found []foundResult
	var toCancel []*modelJob
	charged := false
	for _, o := range observations {
		l := m.job(o.Job)
		if o.Attempt > l.attempt {
			continue
		}
		s := l.submission(o.Attempt)
		if s.shot != o.ScreenshotID && !slices.Contains(s.extras, o.ScreenshotID) {
			if s.shot == "" {
				if l.adopt(o.Attempt, o.ScreenshotID) {
					toCancel = append(toCancel, l)
				}
				m.effects.Adopted++
			} else {
				s.extras = append(s.extras, o.ScreenshotID)
				l.doubleCharges++
				charged = true
				m.effects.DoubleCharged = append(m.effects.DoubleCharged, l.id)
			}
			m.held = slices.DeleteFunc(m.held, func(a modelDelivery) bool {
				if a.shot == o.ScreenshotID {
					found = append(found, foundResult{l, o.Attempt, a.shot, result{a.outcome, jobs.ByWebhook}})
				}
				return a.shot == o.ScreenshotID
			})
		}
		if o.Cost != nil && !s.priced[o.ScreenshotID] {
			s.priced[o.ScreenshotID] = true
			charged = true
			sum := *o.Cost
			if l.cost != nil {
				sum += *l.cost
			}
			l.cost = &sum
		}
		if o.Outcome == jobs.OutcomeDone || o.Outcome == jobs.OutcomeFailed {
			found = append(found, foundResult{l, o.Attempt, o.ScreenshotID, result{o.Outcome, by}})
		}
	}
	m.settle(found)
	m.cancelAdopted(toCancel)
	if charged && m.state == jobs.BatchFinished && m.summarized >= m.revision {
		m.revise(jobs.EventBatchRevised)
		m.effects.Revised = append(m.effects.Revised, m.batch)
	}
}

// cancelAdopted cancels jobs whose cancel waited only for the id of their
// screenshot.
func (m *model) cancelAdopted(toCancel []*modelJob) {
	if len(toCancel) == 0 {
		return
	}
	m.apply(len(m.inbox))
	var endings []modelClosure
	for _, l := range toCancel {
		if l.state == jobs.Pending {
			endings = append(endings, modelClosure{modelJob: l, attempt: l.attempt, to: jobs.Canceled, by: jobs.ByCancel})
		}
	}
	m.endJobs(endings)
}

// adopt gives a submission its screenshot. It reports whether the job, which
// became pending by that, is to be canceled.
func (l *modelJob) adopt(attempt int, shot string) (cancel bool) {
	s := l.submission(attempt)
	s.shot, s.mayExist, s.doubt = shot, false, time.Time{}
	switch {
	case attempt != l.attempt:
	case l.state == jobs.Queued || l.state == jobs.Submitting:
		l.moveTo(jobs.Pending)
		l.shot = shot
		return l.cancelAsked
	case l.shot == "":
		l.shot = shot
	}
	return false
}

func (m *model) deliver(shot string, outcome jobs.Outcome) {
	m.newestDelivery++
	m.inbox = append(m.inbox, modelDelivery{m.newestDelivery, shot, outcome})
}

// apply applies up to n deliveries. A delivery of an unknown screenshot is held
// if a submission that was opened before it has no screenshot yet. Otherwise it
// is foreign.
func (m *model) apply(n int) (read, held, foreign int) {
	n = min(n, len(m.inbox))
	var found []foundResult
	for _, a := range m.inbox[:n] {
		if l, attempt := m.ownerOf(a.shot); l != nil {
			found = append(found, foundResult{l, attempt, a.shot, result{a.outcome, jobs.ByWebhook}})
		} else if m.canBeOurs(a) {
			m.held = append(m.held, a)
			held++
		} else {
			m.logForeign(a)
			foreign++
		}
	}
	m.inbox = m.inbox[n:]
	m.settle(found)
	m.held = slices.DeleteFunc(m.held, func(a modelDelivery) bool {
		if !m.canBeOurs(a) {
			m.logForeign(a)
			foreign++
			return true
		}
		return false
	})
	return n, held, foreign
}

func (m *model) logForeign(a modelDelivery) {
	m.logEvent(jobs.Event{Type: jobs.EventForeign, Delivery: a.place})
}

func (m *model) canBeOurs(a modelDelivery) bool {
	for _, l := range m.rows {
		for _, s := range l.submissions {
			if s.mayExist && s.openedAfter < a.place {
				return true
			}
		}
	}
	return false
}

func (m *model) close(closings []jobs.Closing) {
	m.apply(len(m.inbox))
	var endings []modelClosure
	for _, c := range closings {
		l := m.job(c.Job)
		if slices.Contains(c.From, l.state) && (c.Attempt == 0 || c.Attempt == l.attempt) && !closesJob(endings, l) {
			endings = append(endings, modelClosure{modelJob: l, attempt: l.attempt, to: c.To, by: c.By})
		}
	}
	m.endJobs(endings)
}

func (m *model) cancel(ids []jobs.ID) {
	m.apply(len(m.inbox))
	var endings []modelClosure
	for _, id := range ids {
		l := m.job(id)
		switch {
		case !l.state.Open() || closesJob(endings, l):
		case l.state == jobs.Submitting && l.createUnderWay():
			l.cancelAsked = true
			m.effects.Canceling++
		default:
			endings = append(endings, modelClosure{modelJob: l, attempt: l.attempt, to: jobs.Canceled, by: jobs.ByCancel})
		}
	}
	m.endJobs(endings)
}

// saveSummary reports whether the summary of a revision is stored.
func (m *model) saveSummary(revision int) bool {
	stored := m.summarized < revision
	m.summarized = max(m.summarized, revision)
	return stored
}

// retry first ends, as done, the canceled jobs that have paid for an image.
func (m *model) retry(retries []jobs.Retry) {
	m.apply(len(m.inbox))
	m.retryJobs(retries)
}

func (m *model) retryJobs(retries []jobs.Retry) {
	var paid []modelClosure
	for _, r := range retries {
		l := m.job(r.Job)
		if l.state != jobs.Canceled || !slices.Contains(r.From, l.state) || r.Attempt != l.attempt || closesJob(paid, l) {
			continue
		}
		for attempt := l.attempt; attempt > 0 && attempt >= l.first; attempt-- {
			if s := l.submissions[attempt]; s != nil && s.results[s.shot].outcome == jobs.OutcomeDone {
				paid = append(paid, modelClosure{l, attempt, jobs.Done, s.results[s.shot].by, true, s.shot, false})
				break
			}
		}
	}
	m.endJobs(paid)
	for _, r := range retries {
		l := m.job(r.Job)
		if !slices.Contains(r.From, l.state) || r.Attempt != l.attempt {
			continue
		}
		s, state := l.submissions[l.attempt], jobs.State("")
		if waits := r.Waits && l.state == jobs.Canceled && s != nil && s.shot != "" && s.results[s.shot].outcome == ""; waits {
			l.moveTo(jobs.Pending)
			state = jobs.Pending
		} else {
			l.moveTo(jobs.Queued)
			l.attempt++
			l.shot = ""
		}
		l.closedBy, l.late, l.corrected, l.cancelAsked = "", false, false, false
		m.logEvent(jobs.Event{Type: jobs.EventJobRetried, State: state, Batch: m.batch, Job: l.id, Attempt: l.attempt})
		m.effects.Retried = append(m.effects.Retried, l.id)
	}
	if len(m.effects.Retried) > 0 && m.state == jobs.BatchFinished {
		m.state = jobs.BatchOpen
		m.effects.Reopened = append(m.effects.Reopened, m.batch)
	}
}

// pause and resume report whether the batch can be paused or resumed.
func (m *model) pause(reason string) bool {
	if m.state == jobs.BatchFinished {
		return false
	}
	if reason != "" && m.pauseReason == "" {
		m.logEvent(jobs.Event{Type: jobs.EventBatchPaused, Batch: m.batch, Revision: m.revision})
	}
	m.state, m.pauseReason = jobs.BatchPaused, reason
	return true
}

func (m *model) resume() bool {
	if m.state == jobs.BatchPaused {
		m.state, m.pauseReason = jobs.BatchOpen, ""
	}
	return m.state == jobs.BatchOpen
}
