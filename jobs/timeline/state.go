package timeline

import (
	"slices"

	"shotline/jobs"
)

// state adds where the job stands and what comes next.
func (b *builder) state() {
	b.present = Entry{At: b.now, Kind: KindNow, State: b.Job.State, Attempt: b.Job.Attempt, Error: b.Job.Error}
	text := ""
	switch j := b.Job; j.State {
	case jobs.Queued:
		text = b.queued()
	case jobs.Submitting:
		text = b.submitting()
	case jobs.Pending:
		text = b.pending()
	case jobs.Done:
		text = "its image is screenshot " + j.ScreenshotID
	case jobs.Duplicate:
		text = "shows the outcome of " + jobs.ID{Batch: j.ID.Batch, Row: j.DuplicateOf}.String()
	case jobs.TimedOut:
		text = because("a late result still counts", j.Error)
	default:
		text = j.Error
	}
	b.present.Text = because(stateText(b.Job.State), text)
	if len(b.next) > 0 && !b.worked() {
		b.present.Text += "; no serve is running to do what comes next"
	}
}

// queued says what a queued job waits for.
func (b *builder) queued() string {
	switch {
	case b.Batch.State == jobs.BatchImporting:
		return "its batch is still being imported"
	case b.Batch.State == jobs.BatchPaused && b.Batch.PauseReason != "":
		return "its batch is paused because of an error: " + b.Batch.PauseReason
	case b.Batch.State == jobs.BatchPaused:
		return "its batch is paused by hand"
	case !b.worked():
		return "no serve is running"
	}
	return "waits for its turn to be submitted"
}

// worked reports whether a process works on the batch.
func (b *builder) worked() bool {
	return slices.ContainsFunc(b.workers, func(w jobs.Worker) bool { return w.WorksOn(b.Job.ID.Batch) })
}

// submitting says how far the create is.
func (b *builder) submitting() string {
	s := b.current()
	canceled := ""
	if !b.Job.CancelAskedAt.IsZero() {
		canceled = "; canceled as soon as the create is settled"
	}
	switch {
	case !s.DoubtSince.IsZero():
		b.expect(s.CheckAt, "the vendor is queried for the tag %s; if it is not found in time, the create is sent again", s.Tag())
		return "in doubt, because the create had no answer" + canceled
	case !s.IntentAt.IsZero():
		b.expect(b.LeaseUntil, "the job is in doubt, if the create has no answer by then")
		return "the create is under way" + canceled
	}
	b.expect(b.LeaseUntil, "the job is queued again, if its create was not sent by then")
	return "a submitter is about to send the create" + canceled
}

// pending says what a pending job waits for.
func (b *builder) pending() string {
	text := "waits for the result of screenshot " + b.Job.ScreenshotID
	if slices.ContainsFunc(b.workers, func(w jobs.Worker) bool { return w.Receives && w.WorksOn(b.Job.ID.Batch) }) {
		text = "waits for the webhook of screenshot " + b.Job.ScreenshotID
	}
	b.expect(b.Job.Deadline, "its deadline, at which the vendor is queried at the latest")
	return text
}

// current returns the submission of the present attempt.
func (b *builder) current() jobs.KeptSubmission {
	for _, s := range b.Submissions {
		if s.Attempt == b.Job.Attempt && s.Extra == 0 {
			return s
		}
	}
	return jobs.KeptSubmission{Submission: jobs.Submission{Job: b.Job.ID, Attempt: b.Job.Attempt}}
}
