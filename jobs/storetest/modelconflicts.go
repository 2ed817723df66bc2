package storetest

import (
	"cmp"
	"slices"
	"time"

	"shotline/jobs"
)

// This file holds the conflicts of model.

// addConflict opens the conflict of a submission's wanted screenshot. If the
// vendor gave no result for an earlier conflict, it opens that one again.
func (m *model) addConflict(s *modelSubmission, f foundResult) {
	switch {
	case f.shot != s.shot:
	case s.conflict == nil:
		s.conflict = &modelConflict{first: s.results[f.shot].outcome, due: m.now}
	case s.conflict.due.IsZero() && s.conflict.unsettled():
		s.conflict.due, s.conflict.checks = m.now, 0
	}
}

// correct handles the vendor's answers to conflicts among the results. For each
// submission the last answer counts. If it refutes the recorded result, it might
// change the job: once, for the newest attempt with such an answer.
func (m *model) correct(found []foundResult) {
	answers := map[*modelSubmission]int{}
	for i, f := range found {
		if s := f.submission(f.attempt); f.by == jobs.ByPoll && f.shot == s.shot && s.conflict.unsettled() {
			answers[s] = i
		}
	}
	var refuted []int
	for s, i := range answers {
		s.conflict.says, s.conflict.due = found[i].outcome, time.Time{}
		if found[i].outcome != s.conflict.first {
			s.results[s.shot] = found[i].result
			refuted = append(refuted, i)
		}
	}
	slices.SortFunc(refuted, func(a, b int) int { return cmp.Compare(found[b].attempt, found[a].attempt) })
	corrections := map[int]modelClosure{}
	seen := map[*modelJob]bool{}
	for _, i := range refuted {
		f := found[i]
		brings := f.outcome == jobs.OutcomeDone && (f.state == jobs.Failed || f.state == jobs.TimedOut)
		takes := f.outcome == jobs.OutcomeFailed && f.state == jobs.Done && f.modelJob.shot == f.shot
		if f.attempt < f.modelJob.first || seen[f.modelJob] || !brings && !takes {
			continue
		}
		seen[f.modelJob] = true
		late := f.late || brings && f.attempt < f.modelJob.attempt
		corrections[i] = modelClosure{f.modelJob, f.attempt, jobs.State(f.outcome), jobs.ByPoll, late, f.shot, true}
	}
	var endings []modelClosure
	for i := range found {
		if e, corrected := corrections[i]; corrected {
			endings = append(endings, e)
		}
	}
	m.endJobs(endings)
}

// withoutOldImage returns the closure of a job that loses an older attempt's
// image and has no other image. The newest attempt decides it.
func (e modelClosure) withoutOldImage() modelClosure {
	newest := e.modelJob.attempt
	s := e.submission(newest)
	result, known := s.results[s.shot]
	switch {
	case known:
		return modelClosure{e.modelJob, newest, jobs.Failed, result.by, e.late, s.shot, true}
	case s.shot != "":
		return modelClosure{e.modelJob, newest, jobs.TimedOut, jobs.ByDeadline, false, s.shot, true}
	default:
		return modelClosure{e.modelJob, newest, jobs.Failed, jobs.BySubmit, e.late, "", true}
	}
}

// claimConflicts returns the conflicts that are due, one for each job.
func (m *model) claimConflicts(again time.Time) (claimed []jobs.Conflict) {
	var due []time.Time
	for _, l := range m.rows {
		for attempt := l.attempt; attempt > 0; attempt-- {
			s := l.submissions[attempt]
			if s == nil || s.conflict == nil || s.conflict.due.IsZero() || s.conflict.due.After(m.now) {
				continue
			}
			at, _ := slices.BinarySearchFunc(due, s.conflict.due.Add(1), time.Time.Compare) // rows with the same time stay in their order
			due = slices.Insert(due, at, s.conflict.due)
			claimed = slices.Insert(claimed, at, jobs.Conflict{
				Job: l.id, Attempt: attempt, ScreenshotID: s.shot, Recorded: s.results[s.shot].outcome, Says: s.conflict.says, Checks: s.conflict.checks,
			})
			s.conflict.due = again
			s.conflict.checks++
			break
		}
	}
	return claimed
}

func (m *model) recheck(r jobs.ConflictRecheck) {
	c := m.job(r.Job).submission(r.Attempt).conflict
	if c.due.IsZero() {
		return
	}
	c.due = r.Next
	if r.Says != jobs.OutcomeNone {
		c.says = r.Says
	}
}

// newestConflict returns the outcomes of the job's newest conflict.
func (l *modelJob) newestConflict() (first, says jobs.Outcome) {
	for attempt := l.attempt; attempt > 0; attempt-- {
		if s := l.submissions[attempt]; s != nil && s.conflict != nil {
			return s.conflict.first, s.conflict.says
		}
	}
	return "", ""
}
