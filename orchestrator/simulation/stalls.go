package simulation

import (
	"slices"
	"strings"
	"time"
)

// Stalls last less than a lease, or much longer.
const (
	shortestStall = time.Second
	mediumStall   = 12 * time.Second
	longestStall  = 70 * time.Second
)

// stall suspends a process at its current point, as a closed laptop or a machine
// without free CPU time does. When it continues, another process might own its
// leases. A process never stalls between its check of a lease and the send,
// because nothing is promised for that case.
func (w *world) stall() {
	w.endStalls(false)
	chance := w.profile.stalls
	// A stall is most dangerous where a lease is used or handed back, which is
	// rare.
	handedBack, leases := w.waitingAt(": store: requeue "), w.waitingAt(": kept: intent of ", ": store: intent of ")
	if len(handedBack) > 0 {
		leases, chance = handedBack, min(20*chance, 1)
	}
	if len(w.processes) == 0 || !w.random.chance(chance) {
		return
	}
	p := oneOf(w.random, w.processes)
	if len(leases) > 0 && w.random.chance(0.7) {
		p = oneOf(w.random, leases).process
	}
	sends := func(s *stop) bool { return s.process == p && strings.Contains(s.name, ": send create of") }
	if p.isDead() || !p.stalled.IsZero() || slices.ContainsFunc(w.stops.all(), sends) {
		return
	}
	span := oneOf(w.random, []time.Duration{w.random.span(shortestStall, mediumStall), w.random.span(mediumStall, longestStall)})
	p.stalled = time.Now().Add(span)
	w.trace.add("%s stalls for %s", p.name, span)
}

// waitingAt returns the stops whose name contains one of the parts.
func (w *world) waitingAt(parts ...string) []*stop {
	return slices.DeleteFunc(w.stops.waiting(), func(s *stop) bool {
		return !slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(s.name, part) })
	})
}

// endStalls ends the stalls whose time is over, or all of them.
func (w *world) endStalls(all bool) {
	for _, p := range w.processes {
		if !p.stalled.IsZero() && (all || !time.Now().Before(p.stalled)) {
			p.stalled = time.Time{}
			w.stops.restart(p)
			w.trace.add("%s goes on", p.name)
		}
	}
}
