package jobs

import "time"

// History is everything that a store keeps about one job at one moment.
type History struct {
	Job         Job
	Batch       Batch
	LeaseUntil  time.Time        // when the lease of the job expires; zero if it has none
	Submissions []KeptSubmission // in the order of attempts, the wanted screenshot of each first
	Conflicts   []KeptConflict   // in the order of attempts
	Deliveries  []KeptDelivery   // of all its screenshots, oldest first, without their bodies
	Cursor      int64            // deliveries after this place are not applied yet
	Events      []Event          // oldest first
	Callbacks   []Callback       // of these events, oldest first, without their bodies
	Files       []File           // in the order of outputs and shots
	// SearchedTo is the time of the newest delivery or event that was looked at, if
	// the store keeps so many of them that it did not look at all. It is zero if it
	// did.
	SearchedTo time.Time
}

// KeptSubmission is a screenshot of an attempt as the store keeps it.
type KeptSubmission struct {
	Submission
	Extra   int       // 0 for the wanted screenshot; from 1 on for those that were charged in addition
	LostAt  time.Time // when the intent of the newest lost create was committed; zero if none was lost
	CheckAt time.Time // the next look-up, while in doubt
	Outcome Outcome
	By      Provenance // how the outcome became known
	Cost    *float64   // credits; nil if the vendor has not reported it
}

// KeptConflict is a conflict with its next check.
type KeptConflict struct {
	Conflict
	First   Outcome   // what was recorded first
	CheckAt time.Time // zero if the vendor is not queried again
}
