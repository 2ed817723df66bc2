package jobs

import "time"

// Conflict is a screenshot that was reported both as done and as failed. The
// first result stands until the vendor is asked which one is true.
type Conflict struct {
	Job          ID
	Attempt      int // whose screenshot it is
	ScreenshotID string
	Recorded     Outcome       // the result that stands
	Says         Outcome       // the vendor's last answer: none before the first, processing or unknown while it cannot tell
	Since        time.Time     // when the contradiction was noticed
	Checks       int           // how often it was claimed before
	Timeout      time.Duration // the job's own; 0: its batch's
}

// ConflictRecheck is what a check of a conflict brought when the vendor gave no
// result: it could not be asked (Says is none), is still processing the
// screenshot, or does not know it.
type ConflictRecheck struct {
	Job     ID
	Attempt int
	Says    Outcome   // none, processing or unknown
	Next    time.Time // of the next check; zero ends the checks
}
