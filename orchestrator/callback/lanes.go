package callback

import (
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// slowAnswer is from where on an attempt counts as slow.
	slowAnswer = 3 * time.Second
	// crowded is after how many failures in a row a lane's retries are left to the
	// store, since tasks for all of them would fill the queue.
	crowded = 100
	// maxLanes bounds what is remembered of lanes without an attempt under way.
	maxLanes = 10_000
	// maxWaiting bounds how many callbacks wait in line. Those that find no room
	// are claimed again by the store.
	maxWaiting = 2_500
)

// lanes hold targets apart. A lane is proven once an attempt has succeeded; a
// proven lane has a few attempts at a time. Lanes that are untried, fail or are
// slow share half of all slots, so that they leave the other half to proven ones.
// For the shared slots callbacks wait in line, group by group, so that each group
// gets its turn however many lanes another one has.
type lanes struct {
	each     int // attempts of a lane at a time
	shared   int // attempts at a time of all lanes that are not proven, fail or are slow
	ofShared int // of these, those of one group
	ofGroup  int // attempts of a group at a time

	mu        sync.Mutex
	lanes     map[string]*lane
	groups    map[string]*group
	sharedNow int // attempts under way that count against shared
	line      line
}

type lane struct {
	name     string
	group    *group
	isProven bool // an attempt succeeded
	underWay int
	failures int // in a row
	slow     bool
	waiting  []turn
}

// turn is a callback that wants an attempt.
type turn struct {
	seq, generation int64
	lane            string
}

func newLanes(each, slots int) *lanes {
	shared := max(slots/2, 1)
	return &lanes{
		each: each, shared: shared, ofShared: max(shared/2, 1), ofGroup: max(slots/2, 1),
		lanes: map[string]*lane{}, groups: map[string]*group{},
	}
}

// entry is what a lane says to an attempt.
type entry int

const (
	entered entry = iota
	busy          // soon
	waits         // in line; or the store asks again later
)

// isSingle is when a lane has no more than one attempt at a time.
func (l *lane) isSingle(each int) bool { return !l.isProven || l.failures >= each }

// shares is when the lane's attempts count against the shared slots.
func (l *lane) shares(each int) bool { return l.isSingle(each) || l.slow }

// hasRoom is whether an attempt may begin, as far as the lane is concerned.
func (l *lane) hasRoom(each int) bool {
	if l.isSingle(each) {
		return l.underWay == 0
	}
	return l.underWay < each
}

// enter begins an attempt. It may be that of another callback, which has waited
// for longer: see the place's turn. When it has entered, the place must be left.
func (l *lanes) enter(t turn) (*place, entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	in := l.lane(t.lane)
	if in.shares(l.each) {
		l.wait(in, t)
		if p := l.pop(); p != nil {
			return p, entered
		}
		return nil, waits
	}
	if !in.hasRoom(l.each) || in.group.underWay >= l.ofGroup {
		return nil, busy
	}
	return l.admit(in, t), entered
}

// next begins the attempt of the callback whose turn it is in the line, nil when
// there is none or no place for it.
func (l *lanes) next() *place {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.pop()
}

// lane is the one of that name. The operator's sinks need not be proven.
func (l *lanes) lane(name string) *lane {
	if in := l.lanes[name]; in != nil {
		return in
	}
	l.forget()
	of := groupOf(name)
	if l.groups[of] == nil {
		l.groups[of] = &group{name: of, lanes: map[string]*lane{}}
	}
	in := &lane{name: name, group: l.groups[of], isProven: strings.HasPrefix(name, sinkPrefix)}
	l.lanes[name], in.group.lanes[name] = in, in
	return in
}

func (l *lanes) admit(in *lane, t turn) *place {
	p := &place{of: l, in: in, turn: t, isShared: in.shares(l.each)}
	in.underWay++
	in.group.underWay++
	if p.isShared {
		in.group.shared++
		l.sharedNow++
	}
	return p
}

// wait puts a callback in line, unless it is there already. When the line is too
// long, one of the group that has most in it makes room.
func (l *lanes) wait(in *lane, t turn) {
	if i := slices.IndexFunc(in.waiting, func(w turn) bool { return w.seq == t.seq }); i >= 0 {
		in.waiting[i] = t // of the newest generation
		return
	}
	if len(in.waiting) < l.each && (l.line.waiting < maxWaiting || l.line.shorten(in.group)) {
		l.line.add(in, t)
	}
}

// pop takes the callback whose turn it is out of the line.
func (l *lanes) pop() *place {
	if l.sharedNow >= l.shared {
		return nil
	}
	in := l.line.first(func(in *lane) bool {
		return in.group.shared < l.ofShared && in.hasRoom(l.each)
	})
	if in == nil {
		return nil
	}
	return l.admit(in, l.line.take(in))
}

// place is that of one attempt in its lane. It belongs to the attempt.
type place struct {
	turn     turn
	of       *lanes
	in       *lane
	isShared bool
	isLeft   bool
}

// ended tells the lane how the attempt ended. A lane is crowded when it has been
// failing for long. When it has become a proven one, those of its callbacks that
// wait need not do so any more: they are to be woken.
func (p *place) ended(failed bool, took time.Duration) (isCrowded bool, woken []turn) {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	p.in.slow = took >= slowAnswer
	p.in.group.isAiling = failed || p.in.slow
	if failed {
		p.in.failures++
	} else {
		p.in.failures, p.in.isProven = 0, true
	}
	if !p.in.shares(p.of.each) {
		woken = p.of.line.empty(p.in)
	}
	return p.in.failures > crowded, woken
}

// leave gives the place to others; once is enough.
func (p *place) leave() {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	if p.isLeft {
		return
	}
	p.isLeft = true
	p.in.underWay--
	p.in.group.underWay--
	if p.isShared {
		p.in.group.shared--
		p.of.sharedNow--
	}
	if p.in.isIdle() && !p.in.isProven && p.in.failures == 0 && !p.in.slow {
		p.of.remove(p.in)
	}
}

// isIdle is when nobody needs the lane now.
func (l *lane) isIdle() bool { return l.underWay == 0 && len(l.waiting) == 0 }

func (l *lanes) remove(in *lane) {
	delete(l.lanes, in.name)
	if delete(in.group.lanes, in.name); len(in.group.lanes) == 0 {
		delete(l.groups, in.group.name)
	}
}

// forget makes room when there have been very many targets. Lanes of the largest
// groups go first: new names below one domain push out nobody else.
func (l *lanes) forget() {
	if len(l.lanes) < maxLanes {
		return
	}
	groups := make([]*group, 0, len(l.groups))
	for _, g := range l.groups {
		groups = append(groups, g)
	}
	slices.SortFunc(groups, largestFirst)
	for _, g := range groups {
		for _, in := range g.lanes {
			if in.isIdle() {
				l.remove(in)
			}
		}
		if len(l.lanes) <= maxLanes*9/10 {
			return
		}
	}
}
