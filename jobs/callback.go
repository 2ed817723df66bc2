package jobs

import (
	"encoding/json"
	"time"
)

// CallbackState is where a callback stands.
type CallbackState string

// The states of a callback. A dead one is not tried any more unless somebody
// replays it.
const (
	CallbackOwed      CallbackState = "owed"
	CallbackDelivered CallbackState = "delivered"
	CallbackDead      CallbackState = "dead"
)

// CallbackStates are all of them.
var CallbackStates = []CallbackState{CallbackOwed, CallbackDelivered, CallbackDead}

// Target is where callbacks go: a sink of the configuration by its name, or a
// URL that came with a batch. Exactly one is set. The address of a sink may be
// a secret: it is not kept.
type Target struct {
	Sink string
	URL  string
}

// Callback is one event that is owed to one target.
type Callback struct {
	Seq        int64 // its place, given by the store
	EventID    string
	Type       EventType
	Event      int64 // the event's place in the log
	Batch      string
	Job        ID // zero for an event that is not about a job
	Target     Target
	Lane       string // callbacks of one lane share its concurrency: the sink, or the URL's scheme and host
	State      CallbackState
	Body       []byte // what is sent, the same bytes each time; nil once delivered
	Generation int64  // grows with every claim
	Attempts   int    // begun, since it became owed or was replayed
	Status     int    // of the last attempt's answer; 0 when there was none
	Error      string // why the last attempt failed
	CreatedAt  time.Time
	FirstAt    time.Time // the first attempt since it became owed or was replayed
	DueAt      time.Time // the next attempt; zero unless owed
	SettledAt  time.Time // when it was delivered or given up
}

// MarshalJSON writes the callback's Form.
func (c Callback) MarshalJSON() ([]byte, error) { return json.Marshal(c.Form()) }

// CallbackEnd is how an attempt ended: State Delivered or Dead, or Owed, to be
// tried again at DueAt.
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
	Seqs   []int64 // these only, at most 1000
	Before int64   // exclusive; pages come newest first. 0: from the newest
	Limit  int     // at most 1000; 0 means 100
}
