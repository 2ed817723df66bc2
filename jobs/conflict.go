package jobs

// Conflict is a job whose screenshot was told of as done and as failed. The
// first result stands; the vendor is asked which one is true.
type Conflict struct {
	Job          ID
	Attempt      int // whose screenshot it is
	ScreenshotID string
	Recorded     Outcome // the result that stands
	Says         Outcome // the vendor's word: done or failed; none while it cannot tell
}
