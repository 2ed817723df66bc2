package simulation

import (
	"slices"
	"time"
)

// move is a possible next move.
type move struct {
	weight int
	able   bool
	do     func()
}

// move makes one random move. Most of the time a waiting goroutine makes its next
// step.
func (w *world) move() {
	waiting := w.stops.waiting()
	if len(waiting) > 0 {
		if first := oldest(waiting); time.Since(first.since) >= longestWait {
			w.release(first)
			return
		}
		if w.random.chance(0.7) {
			w.release(oneOf(w.random, waiting))
			return
		}
	}
	if w.injectFault() {
		return
	}
	serving := w.serving()
	tasks, hooks := w.queue.ready(), w.webhooks.due()
	working := len(serving) > 0
	moves := []move{
		{6, len(serving) < w.profile.processes, func() { w.launch("serve") }},
		{12, working && len(tasks) > 0, func() { w.queue.run(oneOf(w.random, tasks), oneOf(w.random, serving)) }},
		{14, len(hooks) > 0, func() { w.sendWebhook(oneOf(w.random, hooks), serving) }},
		{8, working, func() { oneOf(w.random, serving).closeInbox() }},
		{5, working, func() { oneOf(w.random, serving).watch() }},
		{5, working && w.profile.calls, func() { oneOf(w.random, serving).watchEvents() }},
		{12, working && w.profile.files, func() { oneOf(w.random, serving).watchFiles() }},
		{5, working, func() { w.sweepWhenDue(oneOf(w.random, serving)) }},
		{1, working && !w.profile.unpolled, func() { oneOf(w.random, serving).poll() }},
		{1, working, func() { p := oneOf(w.random, serving); p.once("recount", p.RecountOnce) }},
		{3, true, w.operator.giveCommand},
		{1, true, w.webhooks.addOther},
		{5, w.profile.crowd && w.vendor.foreignShots < maxForeign, w.webhooks.addForeign},
		{10, true, func() { w.advance(w.random.span(5*time.Millisecond, 400*time.Millisecond)) }},
		{2, len(waiting) == 0, func() { w.advance(w.random.span(time.Second, 8*time.Second)) }},
	}
	moves = slices.DeleteFunc(moves, func(m move) bool { return !m.able })
	total := 0
	for _, m := range moves {
		total += m.weight
	}
	n := w.random.upTo(total)
	for _, m := range moves {
		if n -= m.weight; n < 0 {
			m.do()
			return
		}
	}
}

// injectFault causes a fault, which is rare: a process dies or drains, or Redis,
// the disk, the vendor or a target fails or comes back.
func (w *world) injectFault() bool {
	d, p := w.random, w.profile
	if len(w.processes) > 0 && d.chance(p.crashes*4) {
		victim := oneOf(d, w.processes)
		if d.chance(0.15) {
			victim.drain()
			return true
		}
		victim.dead.Store(true)
		w.trace.add("%s dies", victim.name)
		return true
	}
	back := func(chance float64, away bool) bool { return away && d.chance(chance) }
	switch {
	case back(0.05, w.queue.away), d.chance(p.outages) && !w.queue.away:
		if w.queue.away {
			w.trace.add("the queue is back")
			w.queue.setAway(false)
		} else {
			w.figures.Outages++
			w.trace.add("the queue goes away")
			w.queue.setAway(true)
		}
	case d.chance(p.outages):
		w.figures.Outages++
		w.trace.add("the queue is flushed")
		w.queue.flush()
	case back(0.08, w.diskFull.Load()), d.chance(p.outages) && !w.diskFull.Load():
		w.figures.Outages++
		w.diskFull.Store(!w.diskFull.Load())
		w.trace.add("disk full: %v", w.diskFull.Load())
	case back(0.05, w.vendor.away), d.chance(p.outages) && !w.vendor.away:
		w.figures.Outages++
		w.vendor.away = !w.vendor.away
		w.trace.add("vendor away: %v", w.vendor.away)
	case p.files && (back(0.08, w.folders.away) || d.chance(p.outages) && !w.folders.away):
		w.figures.Outages++
		w.folders.setAway(!w.folders.away)
		w.trace.add("folders away: %v", w.folders.away)
	case p.calls && d.chance(p.outages):
		w.targets.takeDown()
	default:
		return false
	}
	return true
}

// sendWebhook sends a webhook to a random serving process, or to none if there is
// none.
func (w *world) sendWebhook(hook *webhook, serving []*process) {
	w.figures.Webhooks++
	if len(serving) == 0 {
		w.webhooks.send(hook, nil)
		return
	}
	w.webhooks.send(hook, oneOf(w.random, serving))
}

// sweepWhenDue sweeps if the sweep interval of the process has passed.
func (w *world) sweepWhenDue(p *process) {
	if time.Since(p.swept) >= sweepEvery {
		p.sweep()
	}
}
