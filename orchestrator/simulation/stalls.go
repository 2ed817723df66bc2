package simulation

import (
	"slices"
	"strings"
	"time"
)

// Stalls last for less than a lease, or for much longer.
const (
	shortestStall = time.Second
	mediumStall   = 12 * time.Second
	longestStall  = 70 * time.Second
)

// stall suspends a process where it stands, as a laptop's lid or a starved
// machine does: what it held may be another's when it goes on. One moment is
// left out because nothing is promised for it: between the look at the lease
// and the send.
func (w *world) stall() {
	w.wake(false)
	chance := w.profile.stalls
	// Most is at stake where a lease is used, or handed back, which is rare.
	returns, leases := w.waitingAt(": store: requeue "), w.waitingAt(": kept: intent of ", ": store: intent of ")
	if len(returns) > 0 {
		leases, chance = returns, min(20*chance, 1)
	}
	if len(w.processes) == 0 || !w.dice.chance(chance) {
		return
	}
	p := oneOf(w.dice, w.processes)
	if len(leases) > 0 && w.dice.chance(0.7) {
		p = oneOf(w.dice, leases).process
	}
	sends := func(s *stop) bool { return s.process == p && strings.Contains(s.name, ": send create of") }
	if p.isDead() || !p.stalled.IsZero() || slices.ContainsFunc(w.stops.all(), sends) {
		return
	}
	span := oneOf(w.dice, []time.Duration{w.dice.span(shortestStall, mediumStall), w.dice.span(mediumStall, longestStall)})
	p.stalled = time.Now().Add(span)
	w.trace.add("%s stalls for %s", p.name, span)
}

// waitingAt are the stops whose name has one of these parts.
func (w *world) waitingAt(parts ...string) []*stop {
	return slices.DeleteFunc(w.stops.waiting(), func(s *stop) bool {
		return !slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(s.name, part) })
	})
}

// wake lets processes go on whose stall is over, or all of them.
func (w *world) wake(all bool) {
	for _, p := range w.processes {
		if !p.stalled.IsZero() && (all || !time.Now().Before(p.stalled)) {
			p.stalled = time.Time{}
			w.stops.restart(p)
			w.trace.add("%s goes on", p.name)
		}
	}
}
