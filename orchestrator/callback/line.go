package callback

import "slices"

// line is where callbacks wait for a shared slot. Groups take turns: those whose
// last attempt was fine, or that had none yet, and those that are ailing have a
// queue each, and these are served alternately. Within a group its lanes take
// turns. So nobody waits for more than one attempt of each group before it.
type line struct {
	waiting int
	groups  []*group // those with a lane that waits
	ailing  bool     // whether the last one taken was ailing
}

// add puts a callback at the end of its lane, and the lane, when it was not
// waiting, at the end of its group.
func (l *line) add(in *lane, t turn) {
	if len(in.waiting) == 0 {
		in.group.waiting = append(in.group.waiting, in)
	}
	if !slices.Contains(l.groups, in.group) {
		l.groups = append(l.groups, in.group)
	}
	in.waiting = append(in.waiting, t)
	l.waiting++
}

// first is the lane whose turn it is among those that may enter.
func (l *line) first(mayEnter func(*lane) bool) *lane {
	var other *lane // the first one of the kind that was served last
	for _, g := range l.groups {
		if other != nil && g.isAiling == l.ailing {
			continue
		}
		i := slices.IndexFunc(g.waiting, mayEnter)
		if i < 0 {
			continue
		}
		if g.isAiling != l.ailing {
			return g.waiting[i]
		}
		other = g.waiting[i]
	}
	return other
}

// take takes the first callback of a lane. The lane and its group go to the end.
func (l *line) take(in *lane) turn {
	l.ailing = in.group.isAiling
	taken := l.empty(in)
	for _, t := range taken[1:] {
		l.add(in, t)
	}
	if g := in.group; len(g.waiting) > 0 {
		l.groups = append(without(l.groups, g), g)
	}
	return taken[0]
}

// empty takes all callbacks of a lane.
func (l *line) empty(in *lane) []turn {
	if len(in.waiting) == 0 {
		return nil
	}
	taken := in.waiting
	in.waiting = nil
	l.waiting -= len(taken)
	in.group.waiting = without(in.group.waiting, in)
	if len(in.group.waiting) == 0 {
		l.groups = without(l.groups, in.group)
	}
	return taken
}

// shorten takes the last lane of the largest group out, for one of a smaller group.
func (l *line) shorten(by *group) bool {
	largest := by
	for _, g := range l.groups {
		if len(g.waiting) > len(largest.waiting)+1 {
			largest = g
		}
	}
	if largest == by {
		return false
	}
	l.empty(largest.waiting[len(largest.waiting)-1])
	return true
}

// without is s without one element.
func without[T comparable](s []T, one T) []T {
	return slices.DeleteFunc(s, func(each T) bool { return each == one })
}
