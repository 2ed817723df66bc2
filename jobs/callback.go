package jobs

import "time"

// CallbackState is the state of a callback.
type CallbackState string

// The states of a callback. A dead callback is tried again only if somebody
// replays it.
const (
	CallbackOwed      CallbackState = "owed"
	CallbackDelivered CallbackState = "delivered"
	CallbackDead      CallbackState = "dead"
)

// CallbackStates lists every state.
var CallbackStates = []CallbackState{CallbackOwed, CallbackDelivered, CallbackDead}

// Target is the recipient of callbacks: a sink of the configuration by its name,
// or a URL that came with a batch. Exactly one is set. The address of a sink can
// be a secret and is not stored.
type Target struct {
	Sink string
	URL  string
}

// Callback is one event to send to one target.
type Callback struct {
	Seq        int64 // its place, assigned by the store
	EventID    string
	Type       EventType
	Event      int64 // the event's place in the log
	Batch      string
	Job        ID // zero if the event is not about a job
	Target     Target
	Lane       string // the sink, or the URL's scheme and host; callbacks of one lane share a concurrency limit
	State      CallbackState
	Body       []byte // the request body, the same at each attempt; nil once delivered
	Generation int64  // grows with each claim
	Attempts   int    // begun since the callback was created or replayed
	Status     int    // of the last response; 0 if there was none
	Error      string // why the last attempt failed
	CreatedAt  time.Time
	FirstAt    time.Time // the first attempt since the callback was created or replayed
	DueAt      time.Time // the next attempt; zero unless owed
	SettledAt  time.Time // when it was delivered or given up
}

// CallbackEnd is the result of an attempt. State is Delivered or Dead, or Owed if
// the callback is to be tried again at DueAt.
type CallbackEnd struct {
	State  CallbackState
	DueAt  time.Time
	Status int
	Error  string
}

// CallbackFilter selects callbacks. The zero filter selects all.
type CallbackFilter struct {
	States []CallbackState
	Sink   string
	Batch  string
	Seqs   []int64 // only these, at most 1000
	Before int64   // exclusive; pages come newest first; 0: begin with the newest
	Limit  int     // at most 1000; 0 means 100
}
