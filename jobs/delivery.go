package jobs

import "time"

// DefaultMaxHeld is the default limit of deliveries that a store holds.
const DefaultMaxHeld = 10_000

// Delivery is one webhook POST with a valid signature.
type Delivery struct {
	Seq          int64 // place in the inbox, assigned by the store
	ReceivedAt   time.Time
	Event        string // the vendor's name for it
	ScreenshotID string // empty if the event is not about one screenshot
	Outcome      Outcome
	ImageURL     string
	Error        string
	Body         []byte // raw signed bytes
}

// Disposition says how a delivery was handled if it did not change a job at once.
type Disposition string

// The dispositions. Applied deliveries and repeats have the empty one.
const (
	DispositionApplied Disposition = ""
	DispositionHeld    Disposition = "held"    // might belong to a submission that lacks its id
	DispositionForeign Disposition = "foreign" // cannot belong to a submission of ours
	DispositionNoted   Disposition = "noted"   // reports nothing that closes a job
	DispositionAside   Disposition = "aside"   // made its transaction fail; kept with the error
)

// Unapplied lists the dispositions of deliveries that changed no job.
var Unapplied = []Disposition{DispositionHeld, DispositionForeign, DispositionNoted, DispositionAside}

// DeliveryFilter selects deliveries that changed no job. The zero filter selects
// all of them.
type DeliveryFilter struct {
	Dispositions []Disposition // of Unapplied; empty: all of these
	Before       int64         // exclusive; pages come newest first; 0: begin with the newest
	Limit        int           // at most 1000; 0 means 100
}

// Applied is the result of one step of the closer.
type Applied struct {
	Effects
	Read    int // deliveries read from the inbox
	Held    int // newly held
	Foreign int // found to be foreign, at once or after being held
	Noted   int // events that close nothing
	Aside   int // set aside because they made the transaction fail
	More    bool

	Repaired []string // batches with wrong counters that had prevented a result from being applied
}
