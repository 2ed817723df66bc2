package jobs

import "slices"

// EventType names what an event reports.
type EventType string

// The types of events in the durable log. EventTable describes each of them.
const (
	EventJobDone       EventType = "job.done"
	EventJobFailed     EventType = "job.failed"
	EventJobTimedOut   EventType = "job.timed_out"
	EventJobLate       EventType = "job.late"
	EventJobCorrected  EventType = "job.corrected"
	EventJobCanceled   EventType = "job.canceled"
	EventJobRetried    EventType = "job.retried"
	EventJobAmended    EventType = "job.amended"
	EventBatchFinished EventType = "batch.finished"
	EventBatchRevised  EventType = "batch.revised"
	EventBatchPaused   EventType = "batch.paused"
	EventForeign       EventType = "screenshot.foreign"
)

// EventTable describes all types of events, in the order in which documentation
// lists them. It is the only list: messages, the selection of sinks, the texts
// for people, the event stream and the HTTP contract are made from it. A new type
// of event needs a constant above, a row here, and code that writes it into the
// log. Every type can be followed on the event stream.
var EventTable = []EventInfo{
	{
		Type: EventJobDone, Subject: SubjectJob, State: Done, Sinks: SinksAll,
		Doc:  "A job is done: its image is available",
		Text: "Screenshot done",
	},
	{
		Type: EventJobFailed, Subject: SubjectJob, State: Failed, Sinks: SinksFailures,
		Doc:  "A job failed",
		Text: "Screenshot failed",
	},
	{
		Type: EventJobTimedOut, Subject: SubjectJob, State: TimedOut, Sinks: SinksFailures,
		Doc:  "A job timed out: the vendor has no result for it",
		Text: "Screenshot timed out",
	},
	{
		Type: EventJobLate, Subject: SubjectJob, Late: true, Sinks: SinksAll,
		Doc:  "A job that had ended got a result after all",
		Text: "Screenshot came late",
	},
	{
		// A recipient that was notified of a failure must also learn that it was none.
		Type: EventJobCorrected, Subject: SubjectJob, Corrected: true, Sinks: SinksFailures,
		Doc:  "A job changed its result: of two contradictory webhooks the vendor confirmed the other one",
		Text: "Screenshot corrected to {state}",
	},
	{
		Type: EventJobCanceled, Subject: SubjectJob, State: Canceled, Sinks: SinksAll,
		Doc:  "A job was canceled",
		Text: "Screenshot canceled",
	},
	{
		Type: EventJobRetried, Subject: SubjectJob, State: Queued, Sinks: SinksAll,
		Doc:  "An ended job is queued again",
		Text: "Screenshot tried again",
	},
	{
		// The event carries the state: also a duplicate or a rejected row can result.
		Type: EventJobAmended, Subject: SubjectJob, State: Queued, Sinks: SinksAll,
		Doc:  "An ended row got another request: it is queued, a duplicate or rejected",
		Text: "Screenshot amended: {state}",
	},
	{
		Type: EventBatchFinished, Subject: SubjectBatch, BatchState: BatchFinished, Sinks: SinksFailuresIfFlawed,
		Doc:  "All jobs of a batch have ended",
		Text: "finished: {counts}",
	},
	{
		Type: EventBatchRevised, Subject: SubjectBatch, BatchState: BatchFinished, Sinks: SinksFailuresIfFlawed,
		Doc:  "A finished batch got late or corrected results, or charges",
		Text: "got late or corrected results: {counts}",
	},
	{
		Type: EventBatchPaused, Subject: SubjectBatch, BatchState: BatchPaused, Sinks: SinksFailures,
		Doc:  "An error paused a batch: pause_reason says which",
		Text: "is paused: {reason}",
	},
	{
		Type: EventForeign, Subject: SubjectForeign, Sinks: SinksNamed,
		Doc:  "A webhook arrived for a screenshot that belongs to no job",
		Text: "A screenshot that is not ours",
	},
}

// EventInfo describes a type of event.
type EventInfo struct {
	Type    EventType
	Subject Subject
	// State is the state that a job's event reports, if it is the same for all events
	// of the type and the event itself does not carry one.
	State State
	// BatchState is the state that a batch's event reports.
	BatchState BatchState
	// Late and Corrected report that the event marks its job so. Such an event can be
	// about an older attempt of the job.
	Late, Corrected bool
	Sinks           SinkRule
	// Doc is the sentence of the documentation about the type, without its final stop.
	Doc string
	// Text is what a message for people says of the subject. {state} stands for the
	// state of the job, {counts} for the counts of the batch, and {reason} for the
	// error that paused it.
	Text string
}

// Subject is the object of an event. It decides which callback URL receives the
// event.
type Subject string

// The subjects of events. A type of event begins with its subject.
const (
	SubjectJob     Subject = "job"        // the callback URL of the job, or of its row in a batch
	SubjectBatch   Subject = "batch"      // the callback URL of the batch
	SubjectForeign Subject = "screenshot" // no callback URL: the screenshot belongs to other programs
)

// SinkRule says which sinks receive events of a type. A sink that names the type
// receives all of them.
type SinkRule int

// The rules for sinks. Each adds recipients to those of the rule before it. Sinks of
// failures receive no event of a batch with a single job: there can be thousands,
// and the job has its own events.
const (
	SinksNamed            SinkRule = iota + 1 // only sinks that name the type
	SinksAll                                  // sinks of all events
	SinksFailuresIfFlawed                     // sinks of failures if a row of the batch ended without an image
	SinksFailures                             // sinks of failures
)

// EventTypes lists the types in the order of EventTable.
var EventTypes = eventTypes()

func eventTypes() []EventType {
	types := make([]EventType, len(EventTable))
	for i, info := range EventTable {
		types[i] = info.Type
	}
	return types
}

// Info returns the row of EventTable. A type that a later version wrote has a row
// of zero values except for its name.
func (t EventType) Info() EventInfo {
	i := slices.Index(EventTypes, t)
	if i < 0 {
		return EventInfo{Type: t}
	}
	return EventTable[i]
}
