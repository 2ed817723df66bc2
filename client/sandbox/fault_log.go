package sandbox

import "maps"

// recent keeps the latest entries of a log.
type recent[T any] struct {
	max   int
	items []T // oldest first
}

func (r *recent[T]) add(item T) {
	if len(r.items) >= r.max {
		r.items = r.items[1:]
	}
	r.items = append(r.items, item)
}

// copy is never nil, so that JSON shows an empty list.
func (r *recent[T]) copy() []T { return append([]T{}, r.items...) }

// fire enters a fault that happened, also with the create whose fate it is;
// f may be nil.
func (b *books) fire(c chance, f *fate, fault string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fired[fault]++
	b.faults.add(LedgerFault{Fault: fault, Subject: c.subject, Occurrence: c.occurrence})
	if f != nil {
		f.fired = append(f.fired, fault)
	}
}

// turnAway enters a create that took no effect.
func (b *books) turnAway(o order, answer string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	entry := LedgerRefusal{At: exactStamp(o.createdAt), URL: o.render.URL, Tags: o.tags, Answer: answer}
	if o.batch != nil {
		entry.Batch = o.batch.id
	}
	if o.fate != nil {
		entry.Faults = o.fate.fired // nothing more happens to it
	}
	b.turnedAway.add(entry)
}

// answered records how a create that took effect was answered; empty is a 200.
func (b *books) answered(f *fate, answer string) {
	if f == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	f.answer = answer
}

// lags reports whether list and search do not show a screenshot yet. The
// caller holds the lock.
func (b *books) lags(s *screenshot) bool {
	return s.fate != nil && b.now().Before(s.fate.listedAt)
}

// firedFaults counts the faults that happened, by name.
func (b *books) firedFaults() map[string]int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.fired)
}
