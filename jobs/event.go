package jobs

import (
	"fmt"
	"slices"
	"time"
)

// EventType names what an event tells.
type EventType string

// The types of events in the durable log.
const (
	EventJobDone       EventType = "job.done"
	EventJobFailed     EventType = "job.failed"
	EventJobTimedOut   EventType = "job.timed_out"
	EventJobLate       EventType = "job.late"
	EventJobCorrected  EventType = "job.corrected" // the vendor said that the first of two contradictory results was false
	EventJobCanceled   EventType = "job.canceled"
	EventJobRetried    EventType = "job.retried" // queued again; Attempt is the new one
	EventBatchFinished EventType = "batch.finished"
	EventBatchRevised  EventType = "batch.revised"
	// EventBatchPaused tells that an error paused a batch, such as a refused key.
	EventBatchPaused EventType = "batch.paused"
	// EventForeign tells of a delivery that no submission of ours can own.
	EventForeign EventType = "screenshot.foreign"
)

// EventTypes are all of them.
var EventTypes = []EventType{
	EventJobDone, EventJobFailed, EventJobTimedOut, EventJobLate, EventJobCorrected, EventJobCanceled, EventJobRetried,
	EventBatchFinished, EventBatchRevised, EventBatchPaused, EventForeign,
}

// Event is a row of the durable, ordered log of what happened. Seq grows
// without two events sharing it; gaps are possible.
type Event struct {
	Seq      int64
	At       time.Time
	Type     EventType
	Batch    string // empty for a foreign screenshot's
	Job      ID     // zero unless about a job
	Attempt  int
	State    State // that a late result or a correction brought; empty in events of older versions
	Revision int   // of a batch's event
	Delivery int64 // the place in the inbox, of a foreign screenshot's event
	// CallbackURL is to be called for this event; empty when nothing is. A batch of
	// a single job is called for the job's events, any other for its own; a row with
	// a URL of its own is called for its job's.
	CallbackURL string
}

// ID names the event towards other programs: the same each time it is told, and
// not given again by another database.
func (e Event) ID() string { return fmt.Sprintf("evt_%d_%d", e.At.UnixMilli(), e.Seq) }

// EventFilter selects events in the order of the log. The zero filter selects
// all.
type EventFilter struct {
	After int64       // exclusive
	Batch string      // of this batch alone, its jobs included
	Job   ID          // of this job alone
	Types []EventType // of these types alone; empty: of all
	Calls bool        // those with a CallbackURL alone
	Limit int         // at most 1000; 0 means 100
}

// Selects reports whether e is one of the events that f asks for. After and Limit
// are not looked at.
func (f EventFilter) Selects(e Event) bool {
	return (f.Batch == "" || f.Batch == e.Batch) && (f.Job.IsZero() || f.Job == e.Job) &&
		(len(f.Types) == 0 || slices.Contains(f.Types, e.Type)) && (!f.Calls || e.CallbackURL != "")
}
