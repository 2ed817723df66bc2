package storetest

import (
	"slices"
	"time"

	"shotline/jobs"
)

// The steps of lives, one for each operation of the store.

func (m *lives) lease(n int, owner string, until time.Time) (leased []jobs.ID) {
	byRank := slices.Clone(m.rows)
	slices.SortStableFunc(byRank, func(a, b *life) int { return b.priority - a.priority })
	for _, l := range byRank {
		if m.state == jobs.BatchOpen && l.state == jobs.Queued && len(leased) < n {
			l.move(jobs.Submitting)
			l.attempt = max(l.attempt, 1)
			l.owner, l.until = owner, until
			leased = append(leased, l.id)
		}
	}
	return leased
}

// holds is whether a lease is still what its job is under.
func (l *life) holds(lease jobs.Lease) bool {
	return l.state == jobs.Submitting && l.attempt == lease.Attempt && l.owner == lease.Owner && l.owner != ""
}

// intend is 0 when the intent must not be committed, else how often the
// submission may have been sent.
func (m *lives) intend(lease jobs.Lease, at, until time.Time) (sends int) {
	l := m.of(lease.Job.ID)
	if !l.holds(lease) || !l.until.After(at) || l.underWay() || m.state != jobs.BatchOpen {
		return 0
	}
	s := l.sub(l.attempt)
	if !s.open {
		s.open, s.since = true, m.place
	}
	s.intent = true
	s.sends++
	l.until = until
	m.calls++
	return s.sends
}

// requeue hands a lease back. A create that surely had no effect leaves nothing
// open, unless an earlier one of the submission was lost.
func (m *lives) requeue(lease jobs.Lease) {
	l := m.of(lease.Job.ID)
	if !l.holds(lease) || !l.until.Equal(lease.Expiry) {
		return
	}
	if l.underWay() {
		s := l.sub(l.attempt)
		s.intent = false
		s.sends--
		s.open = s.open && s.sends > 0
		if !lease.Sent {
			m.calls--
		}
	}
	m.queueAgain(l)
}

// queueAgain queues a job in the same attempt, or cancels it if that was asked.
func (m *lives) queueAgain(l *life) {
	l.move(jobs.Queued)
	if l.asked {
		m.end([]ending{{life: l, attempt: l.attempt, to: jobs.Canceled, by: jobs.ByCancel}})
		return
	}
	m.said.Requeued++
}

func (m *lives) doubt(lease jobs.Lease, at time.Time) {
	if l := m.of(lease.Job.ID); l.holds(lease) && l.until.Equal(lease.Expiry) && l.underWay() {
		l.owner, l.until = "", time.Time{}
		l.sub(l.attempt).doubt = at
	}
}

func (m *lives) expire(at time.Time) (requeued, doubted int) {
	for _, l := range m.rows {
		switch {
		case l.owner == "" || l.until.After(at):
		case l.underWay():
			l.owner, l.until = "", time.Time{}
			l.sub(l.attempt).doubt = at
			doubted++
		default:
			l.move(jobs.Queued)
			requeued++
		}
	}
	return requeued, doubted
}

// resend sends anew what has been in doubt since before settled.
func (m *lives) resend(id jobs.ID, attempt int, settled time.Time) {
	l := m.of(id)
	s := l.subs[attempt]
	if s == nil || s.doubt.IsZero() || !s.doubt.Before(settled) || s.shot != "" {
		return
	}
	s.intent, s.doubt = false, time.Time{}
	if l.state == jobs.Submitting && l.attempt == attempt && l.owner == "" {
		m.queueAgain(l)
	}
}

func (m *lives) observe(said []jobs.Observation, by jobs.Provenance) {
	if by == jobs.ByPoll {
		m.apply(len(m.waiting))
	}
	var found []finding
	var toCancel []*life
	charged := false
	for _, o := range said {
		l := m.of(o.Job)
		if o.Attempt > l.attempt {
			continue
		}
		s := l.sub(o.Attempt)
		if s.shot != o.ScreenshotID && !slices.Contains(s.extras, o.ScreenshotID) {
			if s.shot == "" {
				if l.adopt(o.Attempt, o.ScreenshotID) {
					toCancel = append(toCancel, l)
				}
				m.said.Adopted++
			} else {
				s.extras = append(s.extras, o.ScreenshotID)
				l.doubles++
				charged = true
				m.said.DoubleCharged = append(m.said.DoubleCharged, l.id)
			}
			m.held = slices.DeleteFunc(m.held, func(a arrival) bool {
				if a.shot == o.ScreenshotID {
					found = append(found, finding{l, o.Attempt, a.shot, result{a.outcome, jobs.ByWebhook}})
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
			found = append(found, finding{l, o.Attempt, o.ScreenshotID, result{o.Outcome, by}})
		}
	}
	m.settle(found)
	m.cancelAdopted(toCancel)
	if charged && m.state == jobs.BatchFinished && m.summed >= m.revision {
		m.revise(jobs.EventBatchRevised)
		m.said.Revised = append(m.said.Revised, m.batch)
	}
}

// cancelAdopted ends jobs that were only waiting for their screenshot's id.
func (m *lives) cancelAdopted(toCancel []*life) {
	if len(toCancel) == 0 {
		return
	}
	m.apply(len(m.waiting))
	var endings []ending
	for _, l := range toCancel {
		if l.state == jobs.Pending {
			endings = append(endings, ending{life: l, attempt: l.attempt, to: jobs.Canceled, by: jobs.ByCancel})
		}
	}
	m.end(endings)
}

// adopt gives a submission its screenshot; it reports whether its job, which is
// pending by that, was to be canceled.
func (l *life) adopt(attempt int, shot string) (cancel bool) {
	s := l.sub(attempt)
	s.shot, s.open, s.doubt = shot, false, time.Time{}
	switch {
	case attempt != l.attempt:
	case l.state == jobs.Queued || l.state == jobs.Submitting:
		l.move(jobs.Pending)
		l.shot = shot
		return l.asked
	case l.shot == "":
		l.shot = shot
	}
	return false
}

func (m *lives) deliver(shot string, outcome jobs.Outcome) {
	m.place++
	m.waiting = append(m.waiting, arrival{m.place, shot, outcome})
}

// apply takes up to n deliveries. One whose screenshot nobody has is held while
// a submission that was opened before it lacks its own, and foreign otherwise.
func (m *lives) apply(n int) (read, held, foreign int) {
	n = min(n, len(m.waiting))
	var found []finding
	for _, a := range m.waiting[:n] {
		if l, attempt := m.ownerOf(a.shot); l != nil {
			found = append(found, finding{l, attempt, a.shot, result{a.outcome, jobs.ByWebhook}})
		} else if m.mayBeOurs(a) {
			m.held = append(m.held, a)
			held++
		} else {
			m.tellForeign(a)
			foreign++
		}
	}
	m.waiting = m.waiting[n:]
	m.settle(found)
	m.held = slices.DeleteFunc(m.held, func(a arrival) bool {
		if !m.mayBeOurs(a) {
			m.tellForeign(a)
			foreign++
			return true
		}
		return false
	})
	return n, held, foreign
}

func (m *lives) tellForeign(a arrival) {
	m.tell(jobs.Event{Type: jobs.EventForeign, Delivery: a.place})
}

func (m *lives) mayBeOurs(a arrival) bool {
	for _, l := range m.rows {
		for _, s := range l.subs {
			if s.open && s.since < a.place {
				return true
			}
		}
	}
	return false
}

func (m *lives) close(closings []jobs.Closing) {
	m.apply(len(m.waiting))
	var endings []ending
	for _, c := range closings {
		l := m.of(c.Job)
		if slices.Contains(c.From, l.state) && (c.Attempt == 0 || c.Attempt == l.attempt) && !hasLife(endings, l) {
			endings = append(endings, ending{life: l, attempt: l.attempt, to: c.To, by: c.By})
		}
	}
	m.end(endings)
}

func (m *lives) cancel(ids []jobs.ID) {
	m.apply(len(m.waiting))
	var endings []ending
	for _, id := range ids {
		l := m.of(id)
		switch {
		case !l.state.Open() || hasLife(endings, l):
		case l.state == jobs.Submitting && l.underWay():
			l.asked = true
			m.said.Canceling++
		default:
			endings = append(endings, ending{life: l, attempt: l.attempt, to: jobs.Canceled, by: jobs.ByCancel})
		}
	}
	m.end(endings)
}

// save reports whether the summary of a revision is stored.
func (m *lives) save(revision int) bool {
	stored := m.summed < revision
	m.summed = max(m.summed, revision)
	return stored
}

// retry first ends, as done, the canceled jobs that have paid for their picture.
func (m *lives) retry(retries []jobs.Retry) {
	m.apply(len(m.waiting))
	var paid []ending
	for _, r := range retries {
		l := m.of(r.Job)
		if l.state != jobs.Canceled || !slices.Contains(r.From, l.state) || r.Attempt != l.attempt || hasLife(paid, l) {
			continue
		}
		for attempt := l.attempt; attempt > 0; attempt-- {
			if s := l.subs[attempt]; s != nil && s.results[s.shot].outcome == jobs.OutcomeDone {
				paid = append(paid, ending{l, attempt, jobs.Done, s.results[s.shot].by, true, s.shot, false})
				break
			}
		}
	}
	m.end(paid)
	for _, r := range retries {
		l := m.of(r.Job)
		if !slices.Contains(r.From, l.state) || r.Attempt != l.attempt {
			continue
		}
		s, state := l.subs[l.attempt], jobs.State("")
		if waits := r.Waits && l.state == jobs.Canceled && s != nil && s.shot != "" && s.results[s.shot].outcome == ""; waits {
			l.move(jobs.Pending)
			state = jobs.Pending
		} else {
			l.move(jobs.Queued)
			l.attempt++
			l.shot = ""
		}
		l.closedBy, l.late, l.corrected, l.asked = "", false, false, false
		m.tell(jobs.Event{Type: jobs.EventJobRetried, State: state, Batch: m.batch, Job: l.id, Attempt: l.attempt})
		m.said.Retried = append(m.said.Retried, l.id)
	}
	if len(m.said.Retried) > 0 && m.state == jobs.BatchFinished {
		m.state = jobs.BatchOpen
		m.said.Reopened = append(m.said.Reopened, m.batch)
	}
}

// pause and resume report whether the batch can be.
func (m *lives) pause(reason string) bool {
	if m.state == jobs.BatchFinished {
		return false
	}
	if reason != "" && m.reason == "" {
		m.tell(jobs.Event{Type: jobs.EventBatchPaused, Batch: m.batch, Revision: m.revision})
	}
	m.state, m.reason = jobs.BatchPaused, reason
	return true
}

func (m *lives) resume() bool {
	if m.state == jobs.BatchPaused {
		m.state, m.reason = jobs.BatchOpen, ""
	}
	return m.state == jobs.BatchOpen
}
