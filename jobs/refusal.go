package jobs

import "time"

// MaxRefusals is how many refusals a store keeps.
const MaxRefusals = 200

// Refusal is a webhook that the receiver did not accept. It has neither the body nor
// the value of any header.
type Refusal struct {
	Seq     int64 // its place, assigned by the store
	At      time.Time
	Path    string   // that the webhook was sent to, without its query
	Result  string   // such as signature or path
	Status  int      // of the response
	Reason  string   // why
	Headers []string // the names of its headers, in order
	More    int      // further webhooks that were refused soon after this one, and are not recorded
}
