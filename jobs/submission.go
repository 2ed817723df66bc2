package jobs

import "time"

// Submission is one attempt of one job: at most one wanted, paid create.
type Submission struct {
	Job          ID
	Attempt      int
	ScreenshotID string    // empty until known
	IntentAt     time.Time // when the newest intent was committed; zero before the first
	Sends        int       // intents committed; above 1 only after a settled doubt
	DoubtSince   time.Time // zero when not in doubt
}

// Tag is the tag by which the vendor can be asked for this submission.
func (s Submission) Tag() string { return SubmissionTag(s.Job, s.Attempt) }

// Lease is a submitter's right to work on one job. Holding it costs nothing;
// money is at stake only after an intent.
type Lease struct {
	Job     Job
	Attempt int
	Owner   string
	Until   time.Time
	Sends   int  // intents of the submission, this one included; set by OpenIntent
	Sent    bool // the create of the open intent went out to the vendor
}

// Observation is what the vendor said of one screenshot, by whatever way we
// heard it: a create's answer, a listing, a single look-up.
type Observation struct {
	Job          ID // with Attempt, from the submission's tag
	Attempt      int
	ScreenshotID string
	Outcome      Outcome // processing, done or failed
	ImageURL     string
	Error        string
	Cost         *float64
}

// Closing asks to move a job into a final state without a word from the
// vendor about a result: timed_out by deadline, failed by submit, canceled.
// It has effect only while the job is in one of From and, when Attempt is not
// 0, in that attempt.
type Closing struct {
	Job     ID
	Attempt int
	From    []State
	To      State
	By      Provenance
	Error   string
}

// Closed tells of one job that reached a final state in a transaction.
type Closed struct {
	Job       ID
	Attempt   int
	State     State
	By        Provenance
	Late      bool
	Corrected bool // by a correction: the job had ended
}

// Effects is what a transaction brought about, for logs, metrics and waiters.
type Effects struct {
	Closed        []Closed // in the order of closing
	Finished      []string // batches whose last open job closed
	Revised       []string // finished batches that a late result or a correction changed
	Retried       []ID     // jobs that were queued again as their next attempt, in order
	Reopened      []string // finished batches that a retry opened again
	Requeued      int      // jobs that went back into the queue in the same attempt
	Canceling     int      // jobs that are canceled as soon as their create is settled
	Adopted       int      // submissions that got their screenshot id
	DoubleCharged []ID     // jobs, once for each screenshot found beyond the wanted one
	Conflicts     int      // results that contradicted a recorded one
}
