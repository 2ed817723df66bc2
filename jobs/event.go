package jobs

import "time"

// EventType names what an event tells.
type EventType string

// The types of events in the durable log.
const (
	EventJobDone       EventType = "job.done"
	EventJobFailed     EventType = "job.failed"
	EventJobTimedOut   EventType = "job.timed_out"
	EventJobLate       EventType = "job.late"
	EventJobCanceled   EventType = "job.canceled"
	EventJobRetried    EventType = "job.retried" // queued again; Attempt is the new one
	EventBatchFinished EventType = "batch.finished"
	EventBatchRevised  EventType = "batch.revised"
)

// Event is a row of the durable, ordered log of what happened. Seq grows
// without two events sharing it; gaps are possible.
type Event struct {
	Seq      int64
	At       time.Time
	Type     EventType
	Batch    string
	Job      ID // zero for a batch's event
	Attempt  int
	Revision int // of a batch's event
}
