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

// copy returns a copy of the entries. It never returns nil, so that JSON has an
// empty list instead of null.
func (r *recent[T]) copy() []T { return append([]T{}, r.items...) }

// recordFault records a fault that happened and adds it to the plan f of the
// create, unless f is nil.
func (st *store) recordFault(c trial, f *faultPlan, fault string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.fired[fault]++
	st.faults.add(LedgerFault{Fault: fault, Subject: c.subject, Occurrence: c.occurrence})
	if f != nil {
		f.fired = append(f.fired, fault)
	}
}

// recordRefusal records a create that took no effect.
func (st *store) recordRefusal(o order, answer string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	entry := LedgerRefusal{At: ledgerTime(o.createdAt), URL: o.render.URL, Tags: o.tags, Answer: answer}
	if o.batch != nil {
		entry.Batch = o.batch.id
	}
	if o.plan != nil {
		entry.Faults = o.plan.fired // no more faults are added, so no copy is needed
	}
	st.refusals.add(entry)
}

// recordAnswer records the response to a create that took effect. An empty answer
// means 200.
func (st *store) recordAnswer(f *faultPlan, answer string) {
	if f == nil {
		return
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	f.answer = answer
}

// unlisted reports whether the list-lag fault still hides a screenshot from list
// and search. The caller must hold the lock.
func (st *store) unlisted(s *screenshot) bool {
	return s.plan != nil && st.now().Before(s.plan.listedAt)
}

// firedFaults returns how often each fault happened, by name.
func (st *store) firedFaults() map[string]int64 {
	st.mu.Lock()
	defer st.mu.Unlock()
	return maps.Clone(st.fired)
}
