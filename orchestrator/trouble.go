package orchestrator

import (
	"sync"
	"time"

	"shotline/jobs"
)

// troubles are the troubles with the vendor at the moment.
type troubles struct {
	mu     sync.Mutex
	vendor jobs.Trouble // Kind is empty if the vendor can be reached
	rate   jobs.Trouble // Kind is empty if the last create was not limited
}

// limited records that the vendor allows no creates until a time.
func (t *troubles) limited(now, until time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	since := now
	if t.rate.Kind != "" {
		since = t.rate.Since
	}
	t.rate = jobs.Trouble{Kind: jobs.TroubleRate, Since: since, Until: until}
	t.vendor = jobs.Trouble{}
}

// unreached records that the vendor could not be reached.
func (t *troubles) unreached(now, until time.Time, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	since := now
	if t.vendor.Kind != "" {
		since = t.vendor.Since
	}
	t.vendor = jobs.Trouble{Kind: jobs.TroubleVendor, Since: since, Until: until, Text: err.Error()}
}

// answered records that the vendor has answered a create.
func (t *troubles) answered() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.vendor, t.rate = jobs.Trouble{}, jobs.Trouble{}
}

// list returns the troubles that last at a time. A limit ends at its time, even if no
// create is waiting that could show it.
func (t *troubles) list(now time.Time) (list []jobs.Trouble) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.vendor.Kind != "" {
		list = append(list, t.vendor)
	}
	if t.rate.Kind != "" && t.rate.Until.After(now) {
		list = append(list, t.rate)
	}
	return list
}
