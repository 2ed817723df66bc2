package jobs

import "time"

// DefaultMaxHeld is how many deliveries a store holds unless it is told otherwise.
const DefaultMaxHeld = 10_000

// Delivery is one webhook POST whose signature held.
type Delivery struct {
	Seq          int64 // place in the inbox, given by the store
	ReceivedAt   time.Time
	Event        string // as the vendor named it
	ScreenshotID string // empty for events that are not about one screenshot
	Outcome      Outcome
	ImageURL     string
	Error        string
	Body         []byte // raw bytes as signed
}

// Disposition is what became of a delivery that did not move a job at once.
type Disposition string

// The dispositions. Applied deliveries, repeats included, have the empty one.
const (
	DispositionApplied Disposition = ""
	DispositionHeld    Disposition = "held"    // may belong to a submission that lacks its id
	DispositionForeign Disposition = "foreign" // no submission of ours can own it
	DispositionNoted   Disposition = "noted"   // an event that closes nothing
	DispositionAside   Disposition = "aside"   // made its transaction fail; kept with the error
)

// Applied is what one step of the closer did.
type Applied struct {
	Effects
	Read    int // deliveries taken from the inbox
	Held    int // newly held
	Foreign int // found to be foreign, newly or after being held
	Noted   int // events that close nothing
	Aside   int // put aside because they made the transaction fail
	More    bool

	Repaired []string // batches whose counters were wrong, so that a result could not be applied
}
