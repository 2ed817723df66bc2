package storetest

import (
	"cmp"
	"slices"
	"time"

	"shotline/jobs"
)

// The conflicts of lives.

// clash opens the conflict of a submission's wanted screenshot, or opens it again
// if the vendor could not tell.
func (m *lives) clash(s *sub, f finding) {
	switch {
	case f.shot != s.shot:
	case s.clash == nil:
		s.clash = &clash{first: s.results[f.shot].outcome, due: m.at}
	case s.clash.due.IsZero() && s.clash.unsettled():
		s.clash.due, s.clash.checks = m.at, 0
	}
}

// correct takes the vendor's words among the results, of each submission the
// last. A word that the recorded result is false may change the job: once, for
// the newest attempt that it is about.
func (m *lives) correct(found []finding) {
	words := map[*sub]int{}
	for i, f := range found {
		if s := f.sub(f.attempt); f.by == jobs.ByPoll && f.shot == s.shot && s.clash.unsettled() {
			words[s] = i
		}
	}
	var refuted []int
	for s, i := range words {
		s.clash.says, s.clash.due = found[i].outcome, time.Time{}
		if found[i].outcome != s.clash.first {
			s.results[s.shot] = found[i].result
			refuted = append(refuted, i)
		}
	}
	slices.SortFunc(refuted, func(a, b int) int { return cmp.Compare(found[b].attempt, found[a].attempt) })
	corrections := map[int]ending{}
	seen := map[*life]bool{}
	for _, i := range refuted {
		f := found[i]
		brings := f.outcome == jobs.OutcomeDone && (f.state == jobs.Failed || f.state == jobs.TimedOut)
		takes := f.outcome == jobs.OutcomeFailed && f.state == jobs.Done && f.life.shot == f.shot
		if seen[f.life] || !brings && !takes {
			continue
		}
		seen[f.life] = true
		late := f.late || brings && f.attempt < f.life.attempt
		corrections[i] = ending{f.life, f.attempt, jobs.State(f.outcome), jobs.ByPoll, late, f.shot, true}
	}
	var endings []ending
	for i := range found {
		if e, corrected := corrections[i]; corrected {
			endings = append(endings, e)
		}
	}
	m.end(endings)
}

// asNewest is for a job that loses an older attempt's picture and has no other.
func (e ending) asNewest() ending {
	newest := e.life.attempt
	s := e.sub(newest)
	result, known := s.results[s.shot]
	switch {
	case known:
		return ending{e.life, newest, jobs.Failed, result.by, e.late, s.shot, true}
	case s.shot != "":
		return ending{e.life, newest, jobs.TimedOut, jobs.ByDeadline, false, s.shot, true}
	default:
		return ending{e.life, newest, jobs.Failed, jobs.BySubmit, e.late, "", true}
	}
}

// claimClashes are the conflicts that are due, of each job one.
func (m *lives) claimClashes(again time.Time) (claimed []jobs.Conflict) {
	var due []time.Time
	for _, l := range m.rows {
		for attempt := l.attempt; attempt > 0; attempt-- {
			s := l.subs[attempt]
			if s == nil || s.clash == nil || s.clash.due.IsZero() || s.clash.due.After(m.at) {
				continue
			}
			at, _ := slices.BinarySearchFunc(due, s.clash.due.Add(1), time.Time.Compare) // rows go on in their order
			due = slices.Insert(due, at, s.clash.due)
			claimed = slices.Insert(claimed, at, jobs.Conflict{
				Job: l.id, Attempt: attempt, ScreenshotID: s.shot, Recorded: s.results[s.shot].outcome, Says: s.clash.says, Checks: s.clash.checks,
			})
			s.clash.due = again
			s.clash.checks++
			break
		}
	}
	return claimed
}

func (m *lives) recheck(r jobs.ConflictRecheck) {
	c := m.of(r.Job).sub(r.Attempt).clash
	if c.due.IsZero() {
		return
	}
	c.due = r.Next
	if r.Says != jobs.OutcomeNone {
		c.says = r.Says
	}
}

// words are those of the job's newest conflict.
func (l *life) words() (first, says jobs.Outcome) {
	for attempt := l.attempt; attempt > 0; attempt-- {
		if s := l.subs[attempt]; s != nil && s.clash != nil {
			return s.clash.first, s.clash.says
		}
	}
	return "", ""
}
