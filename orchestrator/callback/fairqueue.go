package callback

import "slices"

// fairQueue holds the callbacks that wait for a shared slot. Healthy groups, or
// those without an attempt so far, form one round-robin list, and unhealthy groups
// another; the two lists are served alternately. Within a group, the lanes take
// turns. So a callback waits for at most one attempt of each group ahead of it.
type fairQueue struct {
	size          int      // callbacks
	groups        []*group // groups with a waiting lane
	lastUnhealthy bool     // the group that was served last is unhealthy
}

// add appends a callback to its lane. If the lane was not waiting, add appends the
// lane to its group.
func (q *fairQueue) add(ln *lane, t task) {
	if len(ln.waiting) == 0 {
		ln.group.waiting = append(ln.group.waiting, ln)
	}
	if !slices.Contains(q.groups, ln.group) {
		q.groups = append(q.groups, ln.group)
	}
	ln.waiting = append(ln.waiting, t)
	q.size++
}

// first returns the next lane among those for which hasSlot is true. It returns nil
// if there is none.
func (q *fairQueue) first(hasSlot func(*lane) bool) *lane {
	var fallback *lane // the first lane of the list that was served last
	for _, g := range q.groups {
		if fallback != nil && g.isUnhealthy == q.lastUnhealthy {
			continue
		}
		i := slices.IndexFunc(g.waiting, hasSlot)
		if i < 0 {
			continue
		}
		if g.isUnhealthy != q.lastUnhealthy {
			return g.waiting[i]
		}
		fallback = g.waiting[i]
	}
	return fallback
}

// take removes and returns the first callback of a lane. The lane and its group move
// to the end.
func (q *fairQueue) take(ln *lane) task {
	q.lastUnhealthy = ln.group.isUnhealthy
	taken := q.takeAll(ln)
	for _, t := range taken[1:] {
		q.add(ln, t)
	}
	if g := ln.group; len(g.waiting) > 0 {
		q.groups = append(without(q.groups, g), g)
	}
	return taken[0]
}

// takeAll removes and returns all callbacks of a lane.
func (q *fairQueue) takeAll(ln *lane) []task {
	if len(ln.waiting) == 0 {
		return nil
	}
	taken := ln.waiting
	ln.waiting = nil
	q.size -= len(taken)
	ln.group.waiting = without(ln.group.waiting, ln)
	if len(ln.group.waiting) == 0 {
		q.groups = without(q.groups, ln.group)
	}
	return taken
}

// makeRoom drops the last lane of the largest group, so that a callback of another
// group can be added. It reports false if no group is larger than that one.
func (q *fairQueue) makeRoom(newcomer *group) bool {
	largest := newcomer
	for _, g := range q.groups {
		if len(g.waiting) > len(largest.waiting)+1 {
			largest = g
		}
	}
	if largest == newcomer {
		return false
	}
	q.takeAll(largest.waiting[len(largest.waiting)-1])
	return true
}

// without removes an element from s.
func without[T comparable](s []T, element T) []T {
	return slices.DeleteFunc(s, func(e T) bool { return e == element })
}
