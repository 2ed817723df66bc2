package jobs

import "time"

// Repair is what Recount corrected in a batch. The zero value means that nothing
// was wrong.
type Repair struct {
	Wrong    []string // each difference in words, such as "pending is 3, the rows say 2"
	Reopened bool     // the batch had finished but holds open jobs
	Finished bool     // the batch was open without an open job; its summary is due
	Revised  bool     // the stored summary had wrong counters; a new one is due
}

// Retention limits what Prune keeps. Records older than the time of their kind
// are removed. A zero time keeps everything of its kind, and a zero number sets
// no limit.
type Retention struct {
	// Foreign applies to deliveries that changed no job: foreign, noted and aside
	// ones. Of each of these kinds at most the newest MaxForeign stay. The events
	// of foreign deliveries are removed with them, unless a reader has not read
	// them yet.
	Foreign    time.Time
	MaxForeign int
	Deliveries time.Time // applied deliveries
	Events     time.Time // of batches that had finished by then; also older revisions of summaries
	Keys       time.Time // of requests that created their batch by then
	Callbacks  time.Time // delivered by then
	Dead       time.Time // callbacks given up by then
	Workers    time.Time // last seen by then
	Ticks      time.Time // due by then
}

// Pruned counts the records that Prune removed.
type Pruned struct {
	Foreign    int64 // foreign, noted and aside deliveries
	Deliveries int64
	Events     int64
	Summaries  int64
	Keys       int64
	Callbacks  int64
	Workers    int64
	Ticks      int64
}

// Outstanding is the work in the whole store that has not ended.
type Outstanding struct {
	// Unfinished are the batches that are open or paused, and those that are marked
	// as finished but hold an open job.
	Unfinished   []string
	Unsummarized []string // batches without a summary of their newest revision
	Queued       int64    // jobs of open batches
	Paused       int64    // queued jobs of paused batches
	Submitting   int64    // jobs, including those in doubt
	InDoubt      int64
	Pending      int64
	Held         int64 // deliveries
}
