package jobs

import (
	"fmt"
	"slices"
	"time"
)

// Event is a row of the durable, ordered log of what happened. Seq is unique and
// grows; gaps are possible.
type Event struct {
	Seq     int64
	At      time.Time
	Type    EventType
	Batch   string // empty in the event of a foreign screenshot
	Job     ID     // zero unless the event is about a job
	Attempt int    // of the job; after a retry, the new one
	// State is the state that a late result, a correction or an amendment brought. It
	// is empty in events of older versions, and in events of other types unless a
	// retried job waits again for the screenshot that it had.
	State    State
	Revision int   // of the batch
	Delivery int64 // place of a foreign delivery in the inbox
	// CallbackURL receives the event; empty if no callback URL does. The URL of a
	// batch with a single job receives the events of the job, that of any other batch
	// the events of the batch. The URL of a row receives the events of its job.
	CallbackURL string
}

// ID returns the name of the event for other programs. It is the same in every
// message about the event, and no other database gives it again.
func (e Event) ID() string { return fmt.Sprintf("evt_%d_%d", e.At.UnixMilli(), e.Seq) }

// EventFilter selects events in the order of the log. The zero filter selects
// all.
type EventFilter struct {
	After int64       // exclusive
	Batch string      // only of this batch and its jobs
	Job   ID          // only of this job
	Types []EventType // only of these types; empty means all
	Calls bool        // only events with a CallbackURL
	Limit int         // at most 1000; 0 means 100
}

// Selects reports whether f selects e. It ignores After and Limit.
func (f EventFilter) Selects(e Event) bool {
	return (f.Batch == "" || f.Batch == e.Batch) && (f.Job.IsZero() || f.Job == e.Job) &&
		(len(f.Types) == 0 || slices.Contains(f.Types, e.Type)) && (!f.Calls || e.CallbackURL != "")
}
