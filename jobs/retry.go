package jobs

// Retriable lists the final states that a retry can leave: those without the
// picture that was asked for.
var Retriable = []State{Failed, TimedOut, Canceled}

// Retry asks to queue an ended job again, as its next attempt. It has effect
// only while the job is in one of From, all of them Retriable, and in exactly
// that attempt: of two that saw the same end, one wins.
type Retry struct {
	Job     ID
	Attempt int
	From    []State
	// Waits: the vendor is still working on the screenshot of this canceled job.
	Waits bool
}

// RetryCounts says what became of the jobs that were to be retried.
type RetryCounts struct {
	Queued  int // again, as their next attempt
	Done    int // after all: their picture was found, or came meanwhile
	Left    int // alone: by now in no state that is retried
	Unasked int // with a screenshot about which the vendor gave no answer
	Waiting int // again for their screenshot, on which the vendor is still working; counted in none of the others
}

// CancelCounts says what became of the jobs that were to be canceled.
type CancelCounts struct {
	Canceled  int // at once
	Canceling int // as soon as their create is settled
	Ended     int // otherwise, before
}
