package feed

import (
	"slices"

	"shotline/jobs"
)

// recent holds the newest events that a feed has read, so that followers of the
// log do not each read the store.
type recent struct {
	from   int64 // it holds all events after this position
	upTo   int64 // and up to this one
	events []jobs.Event
	most   int // the number of events that are kept; add lets it grow to twice as many
}

func (r *recent) add(page []jobs.Event, upTo int64) {
	r.events = append(r.events, page...)
	r.upTo = upTo
	if len(r.events) <= 2*r.most {
		return
	}
	cut := len(r.events) - r.most
	r.from = r.events[cut-1].Seq
	r.events = slices.Delete(r.events, 0, cut)
}

// page returns a page of the log as Events of the store does. If the filter
// selects events that are no longer held, ok is false.
func (r *recent) page(f jobs.EventFilter) (page []jobs.Event, upTo int64, ok bool) {
	if f.After < r.from {
		return nil, 0, false
	}
	first, _ := slices.BinarySearchFunc(r.events, f.After+1, func(e jobs.Event, seq int64) int { return int(e.Seq - seq) })
	for _, e := range r.events[first:] {
		if !f.Selects(e) {
			continue
		}
		page = append(page, e)
		if len(page) == f.Limit {
			return page, e.Seq, true
		}
	}
	return page, max(f.After, r.upTo), true
}
