package simulation

import (
	"slices"
	"time"
)

// move is one thing that may happen next.
type move struct {
	weight int
	able   bool
	do     func()
}

// move does one thing at random: mostly somebody goes on by a step.
func (w *world) move() {
	waiting := w.stops.waiting()
	if len(waiting) > 0 {
		if first := oldest(waiting); time.Since(first.since) >= longestWait {
			w.release(first)
			return
		}
		if w.dice.chance(0.7) {
			w.release(oneOf(w.dice, waiting))
			return
		}
	}
	if w.disaster() {
		return
	}
	serving := w.serving()
	tasks, posts := w.queue.ready(), w.courier.due()
	working := len(serving) > 0
	moves := []move{
		{6, len(serving) < w.profile.processes, func() { w.launch("serve") }},
		{12, working && len(tasks) > 0, func() { w.queue.run(oneOf(w.dice, tasks), oneOf(w.dice, serving)) }},
		{14, len(posts) > 0, func() { w.post(oneOf(w.dice, posts), serving) }},
		{8, working, func() { oneOf(w.dice, serving).closeInbox() }},
		{5, working, func() { oneOf(w.dice, serving).watch() }},
		{5, working && w.profile.calls, func() { oneOf(w.dice, serving).tell() }},
		{5, working, func() { w.sweepBy(oneOf(w.dice, serving)) }},
		{1, working, func() { oneOf(w.dice, serving).poll() }},
		{1, working, func() { p := oneOf(w.dice, serving); p.once("recount", p.RecountOnce) }},
		{3, true, w.clerk.act},
		{1, true, w.courier.stray},
		{5, w.profile.crowd && w.vendor.strays < mostStrays, w.courier.stranger},
		{10, true, func() { w.pass(w.dice.span(5*time.Millisecond, 400*time.Millisecond)) }},
		{2, len(waiting) == 0, func() { w.pass(w.dice.span(time.Second, 8*time.Second)) }},
	}
	moves = slices.DeleteFunc(moves, func(m move) bool { return !m.able })
	total := 0
	for _, m := range moves {
		total += m.weight
	}
	n := w.dice.upTo(total)
	for _, m := range moves {
		if n -= m.weight; n < 0 {
			m.do()
			return
		}
	}
}

// disaster strikes rarely: a process dies or is asked to end, Redis, the disk
// or the vendor goes away or comes back.
func (w *world) disaster() bool {
	d, p := w.dice, w.profile
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
	case p.calls && d.chance(p.outages):
		w.audience.leave()
	default:
		return false
	}
	return true
}

// post delivers a webhook to somebody who listens, if anybody does.
func (w *world) post(p *post, serving []*process) {
	w.figures.Webhooks++
	if len(serving) == 0 {
		w.courier.deliver(p, nil)
		return
	}
	w.courier.deliver(p, oneOf(w.dice, serving))
}

// sweepBy keeps a process's own pace.
func (w *world) sweepBy(p *process) {
	if time.Since(p.swept) >= sweepEvery {
		p.sweep()
	}
}
