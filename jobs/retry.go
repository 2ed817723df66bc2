package jobs

// Retriable lists the final states that a retry can leave: those without an
// image.
var Retriable = []State{Failed, TimedOut, Canceled}

// Retry queues an ended job again as its next attempt. It takes effect only if
// the job is in one of From, all of them Retriable, and in exactly this attempt.
// If two callers saw the same end, only one of them wins.
type Retry struct {
	Job     ID
	Attempt int
	From    []State
	// Waits means that the vendor is still working on the screenshot of this
	// canceled job.
	Waits bool
}

// RetryCounts counts jobs by the result of a retry.
type RetryCounts struct {
	Queued    int // queued as their next attempt
	Done      int // done after all: their image was found or arrived in the meantime
	Skipped   int // skipped: no longer in a state that can be retried
	Unchecked int // skipped: they have a screenshot, and the vendor gave no answer about it
	Waiting   int // wait again for their screenshot, which the vendor is still working on; counted nowhere else
}

// CancelCounts counts jobs by the result of a cancellation.
type CancelCounts struct {
	Canceled  int // canceled at once
	Canceling int // will be canceled when their create is settled
	Ended     int // had ended before
}
