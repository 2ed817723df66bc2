package jobs

// State is the state of a job. A final state changes only by one recorded late
// result, by a correction, or by an explicit retry.
type State string

// The states of a job. Duplicate and Rejected are rows that never became work.
const (
	Queued     State = "queued"
	Submitting State = "submitting"
	Pending    State = "pending"
	Done       State = "done"
	Failed     State = "failed"
	TimedOut   State = "timed_out"
	Canceled   State = "canceled"
	Duplicate  State = "duplicate"
	Rejected   State = "rejected"
)

// States lists every state in the order in which reports show them.
var States = []State{Queued, Submitting, Pending, Done, Failed, TimedOut, Canceled, Duplicate, Rejected}

// Valid reports whether s is one of the known states.
func (s State) Valid() bool {
	for _, known := range States {
		if s == known {
			return true
		}
	}
	return false
}

// Open reports whether a job in this state has not ended.
func (s State) Open() bool { return s == Queued || s == Submitting || s == Pending }

// Provenance is the way by which a job was closed.
type Provenance string

// The ways to a final state.
const (
	ByWebhook  Provenance = "webhook"  // a signed delivery
	ByPoll     Provenance = "poll"     // the vendor's response to a query
	ByCreate   Provenance = "create"   // the create's response was already final
	ByDeadline Provenance = "deadline" // the deadline passed and the vendor had no result
	BySubmit   Provenance = "submit"   // the vendor refused the create
	ByCancel   Provenance = "cancel"   // a request to cancel
)

// Provenances lists every provenance in the order in which reports show them.
var Provenances = []Provenance{ByWebhook, ByPoll, ByCreate, ByDeadline, BySubmit, ByCancel}

// Outcome is the known result of one screenshot at the vendor.
type Outcome string

// The outcomes of a screenshot. A delivery that does not report the end of a
// screenshot has the empty outcome.
const (
	OutcomeNone       Outcome = ""
	OutcomeProcessing Outcome = "processing"
	OutcomeDone       Outcome = "done"
	OutcomeFailed     Outcome = "failed"
	// OutcomeUnknown means that the vendor was queried and does not know the
	// screenshot.
	OutcomeUnknown Outcome = "unknown"
)
