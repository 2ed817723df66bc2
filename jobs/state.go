package jobs

// State is where a job stands. A final state changes only by the one recorded
// late result, by a correction, or by an explicit retry.
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

// Open reports whether work is still owed for a job in this state.
func (s State) Open() bool { return s == Queued || s == Submitting || s == Pending }

// Provenance says by which way a job was closed.
type Provenance string

// The ways to a final state.
const (
	ByWebhook  Provenance = "webhook"  // a signed delivery
	ByPoll     Provenance = "poll"     // the vendor said so when asked
	ByCreate   Provenance = "create"   // the create's answer was finished already
	ByDeadline Provenance = "deadline" // time was up and the vendor had no result
	BySubmit   Provenance = "submit"   // the vendor refused the create
	ByCancel   Provenance = "cancel"   // somebody asked for it
)

// Provenances lists every provenance in the order in which reports show them.
var Provenances = []Provenance{ByWebhook, ByPoll, ByCreate, ByDeadline, BySubmit, ByCancel}

// Outcome is what is known of one screenshot at the vendor.
type Outcome string

// The outcomes of a screenshot. The empty outcome is that of a delivery which
// tells of something else than a screenshot's end.
const (
	OutcomeNone       Outcome = ""
	OutcomeProcessing Outcome = "processing"
	OutcomeDone       Outcome = "done"
	OutcomeFailed     Outcome = "failed"
	// OutcomeUnknown: the vendor was asked and does not know the screenshot.
	OutcomeUnknown Outcome = "unknown"
)
