package jobs

import "time"

// Submission is one attempt of one job. It needs one paid create.
type Submission struct {
	Job          ID
	Attempt      int
	ScreenshotID string    // empty until known
	IntentAt     time.Time // when the newest intent was committed; zero before the first
	Sends        int       // intents committed; above 1 only if an earlier create was in doubt
	DoubtSince   time.Time // zero if not in doubt
}

// Tag returns the tag by which the vendor finds this submission.
func (s Submission) Tag() string { return SubmissionTag(s.Job, s.Attempt) }

// Lease is a submitter's right to work on one job. A lease costs nothing. Only an
// intent can cost money.
type Lease struct {
	Job     Job
	Attempt int
	Owner   string
	Expiry  time.Time
	// Options name the parameters of the create that can decide its cost. The caller
	// of OpenIntent sets them. Creates with equal Options should cost the same.
	Options string
	Sends   int  // intents of the submission, including this one; set by OpenIntent
	Sent    bool // the create of the open intent was sent to the vendor
}

// Observation is a report of the vendor about one screenshot: the response to a
// create, an item of a listing, or the response to a look-up.
type Observation struct {
	Job          ID // with Attempt, from the submission's tag
	Attempt      int
	ScreenshotID string
	Outcome      Outcome // processing, done or failed
	ImageURL     string
	Error        string
	Cost         *float64
}

// Closing moves a job into a final state without a result from the vendor:
// timed_out by deadline, failed by submit, or canceled. It takes effect only if
// the job is in one of From and, if Attempt is not 0, in that attempt.
type Closing struct {
	Job     ID
	Attempt int
	From    []State
	To      State
	By      Provenance
	Error   string
}

// Closed describes one job that reached a final state in a transaction.
type Closed struct {
	Job       ID
	Attempt   int
	State     State
	By        Provenance
	Late      bool
	Corrected bool // the closure is a correction: the job had ended before
}

// Effects are the changes that a transaction made, for logs, metrics and waiters.
type Effects struct {
	Closed        []Closed // in the order of closing
	Finished      []string // batches whose last open job closed
	Revised       []string // finished batches changed by a late result, a correction or an amendment
	Retried       []ID     // jobs queued again as their next attempt, in order
	Amended       []ID     // rows that got another request, in order
	Separated     []ID     // duplicates of amended rows that became jobs
	Reopened      []string // finished batches that a retry or an amendment opened again
	Requeued      int      // jobs queued again in the same attempt
	Canceling     int      // jobs that will be canceled when their create is settled
	Adopted       int      // submissions whose screenshot id became known
	DoubleCharged []ID     // jobs, once for each screenshot in addition to the wanted one
	Conflicts     int      // results that contradicted a recorded one
}
