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
}
