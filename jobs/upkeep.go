package jobs

import "time"

// Repair is what Recount found wrong with a batch, and put right. The zero
// value says that all was well.
type Repair struct {
	Wrong    []string // each difference in words, such as "pending is 3, the rows say 2"
	Reopened bool     // the batch had finished and holds open jobs
	Finished bool     // the batch was open without an open job; its summary is owed
	Revised  bool     // the stored summary told the wrong counters; a new one is owed
}

// Retention says what Prune lets go: what is older than a time. A zero time
// keeps everything of its kind, and a zero number sets no bound.
type Retention struct {
	// Foreign is for deliveries that moved no job: foreign, noted and aside
	// ones. Of each of these kinds, at most the newest MaxForeign stay.
	// Events of foreign ones go with them, unless a reader has not got to them.
	Foreign    time.Time
	MaxForeign int
	Deliveries time.Time // applied ones
	Events     time.Time // those of batches that had finished by then, and older revisions of summaries
	Keys       time.Time // of requests that made their batch by then
	Callbacks  time.Time // delivered by then
	Dead       time.Time // callbacks given up by then
	Workers    time.Time // by when they were last seen
	Ticks      time.Time // by when they were due
}

// Pruned counts what Prune has removed.
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

// Outstanding is what has not ended in the whole store.
type Outstanding struct {
	// Unfinished are the batches that are open or paused, and those that say
	// that they have finished but hold an open job.
	Unfinished   []string
	Unsummarized []string // batches whose newest revision has no summary yet
	Queued       int64    // jobs of open batches
	Paused       int64    // queued jobs of paused batches
	Submitting   int64    // jobs, those in doubt included
	InDoubt      int64
	Pending      int64
	Held         int64 // deliveries
}
