package jobs

import "time"

// Conflict is a screenshot that was reported both as done and as failed. The
// first result stands until the vendor confirms one of them.
type Conflict struct {
	Job          ID
	Attempt      int // the attempt that the screenshot belongs to
	ScreenshotID string
	Recorded     Outcome       // the result that stands
	Says         Outcome       // the vendor's last response: none before the first; processing or unknown if it gave no result
	Since        time.Time     // when the contradiction was found
	Checks       int           // how often it was claimed before
	Timeout      time.Duration // overrides the batch's; 0: the batch's
}

// ConflictRecheck records a check of a conflict that gave no result. Says is none
// if the vendor could not be queried, processing if it is still working on the
// screenshot, and unknown if it does not know it.
type ConflictRecheck struct {
	Job     ID
	Attempt int
	Says    Outcome   // none, processing or unknown
	Next    time.Time // of the next check; zero ends the checks
}
