package jobs

import "time"

// Trouble is what keeps a worker from some of its work. Workers announce theirs, so
// that every process on the store can show them.
type Trouble struct {
	Kind  TroubleKind `json:"kind"`
	Since time.Time   `json:"since,omitzero"`
	Until time.Time   `json:"until,omitzero"` // when the worker tries again; zero if that is not known
	Count int64       `json:"count,omitempty"`
	Text  string      `json:"text,omitempty"` // the error
}

// TroubleKind is a kind of trouble.
type TroubleKind string

// The kinds of trouble.
const (
	TroubleRate      TroubleKind = "rate_limited"       // the vendor allows no creates now
	TroubleVendor    TroubleKind = "vendor_unreachable" // the vendor cannot be reached
	TroubleQueue     TroubleKind = "queue"              // the queue does not answer
	TroubleDisk      TroubleKind = "disk"               // the disk is nearly full
	TroubleSignature TroubleKind = "signatures_refused" // Count webhooks had no valid signature since the last good one
	TroublePath      TroubleKind = "wrong_paths"        // Count requests looked like webhooks, but went to another path
)
