package orchestrator

import (
	"cmp"

	"shotline/client"
	"shotline/jobs"
)

// observe returns the observation of a screenshot.
func observe(id jobs.ID, attempt int, shot client.Screenshot) jobs.Observation {
	return jobs.Observation{
		Job:          id,
		Attempt:      attempt,
		ScreenshotID: shot.ID,
		Outcome:      outcomeOf(shot.Status),
		ImageURL:     cmp.Or(shot.ImageURL, shot.StorageURL),
		Error:        shot.Error,
		Cost:         shot.Cost,
	}
}

// outcomeOf treats an unknown status as one that is not final: the vendor is
// queried again at the deadline.
func outcomeOf(s client.Status) jobs.Outcome {
	switch s {
	case client.StatusFinished:
		return jobs.OutcomeDone
	case client.StatusError:
		return jobs.OutcomeFailed
	default:
		return jobs.OutcomeProcessing
	}
}

// matcher turns the screenshots of any listing into observations of our
// submissions: by their tag, exactly, and, for jobs whose screenshot is known, by
// its id, since the vendor's cache can answer a create with a screenshot that has
// another submission's tags.
type matcher struct {
	wanted  map[string][]jobs.Job // by screenshot id
	missing map[jobs.ID]bool      // wanted and not seen yet
}

func newMatcher(wanted []jobs.Job) *matcher {
	m := &matcher{wanted: make(map[string][]jobs.Job, len(wanted)), missing: make(map[jobs.ID]bool, len(wanted))}
	for _, j := range wanted {
		m.wanted[j.ScreenshotID] = append(m.wanted[j.ScreenshotID], j)
		m.missing[j.ID] = true
	}
	return m
}

func (m *matcher) match(shots []client.Screenshot) []jobs.Observation {
	var found []jobs.Observation
	for _, shot := range shots {
		if shot.ReadError != nil { // a row that could not be read
			continue
		}
		for _, j := range m.wanted[shot.ID] {
			found = append(found, observe(j.ID, j.Attempt, shot))
			delete(m.missing, j.ID)
		}
		for _, tag := range shot.Tags {
			id, attempt, ok := jobs.ParseSubmissionTag(tag)
			if ok && !m.isWanted(shot.ID, id) {
				found = append(found, observe(id, attempt, shot))
			}
		}
	}
	return found
}

func (m *matcher) isWanted(screenshot string, id jobs.ID) bool {
	for _, j := range m.wanted[screenshot] {
		if j.ID == id {
			return true
		}
	}
	return false
}
