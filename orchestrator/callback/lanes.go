package callback

import (
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	// An attempt is slow if it takes slowAttempt or longer.
	slowAttempt = 3 * time.Second
	// longFailing is the number of consecutive failures after which the retries of a
	// lane are left to the store. Tasks for all of them would fill the queue.
	longFailing = 100
	// maxLanes bounds the number of remembered lanes without an attempt under way.
	maxLanes = 10_000
	// maxWaiting bounds the number of waiting callbacks. If a callback finds no
	// room, the store claims it again.
	maxWaiting = 2_500
)

// lanes limits the attempts of each target, so that no target delays another. A lane
// is proven once an attempt has succeeded. A proven lane may make a few attempts at
// a time. Lanes that are unproven, failing or slow share half of all slots, which
// leaves the other half to healthy ones. Callbacks wait for the shared slots in a
// queue that is fair to groups: a group gets its turn however many lanes another one
// has.
type lanes struct {
	perLane        int // maximum of attempts of a lane at a time
	perGroup       int // maximum of attempts of a group at a time
	shared         int // number of shared slots
	sharedPerGroup int // maximum of shared slots that one group uses

	mu             sync.Mutex
	lanes          map[string]*lane
	groups         map[string]*group
	sharedUnderWay int // attempts under way in shared slots
	queue          fairQueue
}

// lane is a sink, or the scheme and host of a callback URL.
type lane struct {
	name     string
	group    *group
	isProven bool // an attempt has succeeded
	underWay int
	failures int // consecutive ones
	slow     bool
	waiting  []task
}

// task identifies a callback for which an attempt is requested.
type task struct {
	seq, generation int64
	lane            string
}

func newLanes(perLane, slots int) *lanes {
	shared := max(slots/2, 1)
	return &lanes{
		perLane: perLane, perGroup: max(slots/2, 1), shared: shared, sharedPerGroup: max(shared/2, 1),
		lanes: map[string]*lane{}, groups: map[string]*group{},
	}
}

// admission is the answer to a request for a slot.
type admission int

const (
	admitted admission = iota
	busy               // try again soon
	queued             // the callback waits in the queue, or the store claims it again
)

// isSingle reports whether the lane is limited to one attempt at a time.
func (l *lane) isSingle(perLane int) bool { return !l.isProven || l.failures >= perLane }

// isShared reports whether the lane's attempts use shared slots.
func (l *lane) isShared(perLane int) bool { return l.isSingle(perLane) || l.slow }

// hasRoom reports whether the lane's own limit allows another attempt.
func (l *lane) hasRoom(perLane int) bool {
	if l.isSingle(perLane) {
		return l.underWay == 0
	}
	return l.underWay < perLane
}

// acquire returns a slot for an attempt, which the caller must release. The slot
// might be for another callback that has waited longer: see its task.
func (l *lanes) acquire(t task) (*slot, admission) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ln := l.lane(t.lane)
	if ln.isShared(l.perLane) {
		l.enqueue(ln, t)
		if s := l.acquireQueued(); s != nil {
			return s, admitted
		}
		return nil, queued
	}
	if !ln.hasRoom(l.perLane) || ln.group.underWay >= l.perGroup {
		return nil, busy
	}
	return l.newSlot(ln, t), admitted
}

// next returns a slot for the first waiting callback that may be attempted. It
// returns nil if there is none, or no slot for it.
func (l *lanes) next() *slot {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acquireQueued()
}

// lane returns the lane with the name, and creates it if needed. Sinks count as
// proven, since the operator configures them.
func (l *lanes) lane(name string) *lane {
	if ln := l.lanes[name]; ln != nil {
		return ln
	}
	l.evict()
	groupName := groupOf(name)
	if l.groups[groupName] == nil {
		l.groups[groupName] = &group{name: groupName, lanes: map[string]*lane{}}
	}
	ln := &lane{name: name, group: l.groups[groupName], isProven: strings.HasPrefix(name, sinkPrefix)}
	l.lanes[name], ln.group.lanes[name] = ln, ln
	return ln
}

func (l *lanes) newSlot(ln *lane, t task) *slot {
	s := &slot{task: t, lanes: l, lane: ln, isShared: ln.isShared(l.perLane)}
	ln.underWay++
	ln.group.underWay++
	if s.isShared {
		ln.group.shared++
		l.sharedUnderWay++
	}
	return s
}

// enqueue adds a callback to the queue. If it is already there, enqueue only updates
// its generation. If the queue is full, the largest group makes room.
func (l *lanes) enqueue(ln *lane, t task) {
	if i := slices.IndexFunc(ln.waiting, func(w task) bool { return w.seq == t.seq }); i >= 0 {
		ln.waiting[i] = t
		return
	}
	if len(ln.waiting) < l.perLane && (l.queue.size < maxWaiting || l.queue.makeRoom(ln.group)) {
		l.queue.add(ln, t)
	}
}

// acquireQueued returns a slot for the next callback of the queue, or nil.
func (l *lanes) acquireQueued() *slot {
	if l.sharedUnderWay >= l.shared {
		return nil
	}
	ln := l.queue.first(func(ln *lane) bool {
		return ln.group.shared < l.sharedPerGroup && ln.hasRoom(l.perLane)
	})
	if ln == nil {
		return nil
	}
	return l.newSlot(ln, l.queue.take(ln))
}

// slot is the permission to make one attempt. It is not safe for concurrent use.
type slot struct {
	task       task
	lanes      *lanes
	lane       *lane
	isShared   bool
	isReleased bool
}

// record updates the lane with the result of the attempt. It reports whether the lane
// has been failing for long. If the lane no longer uses shared slots, record returns
// the callbacks that waited for one: the caller must enqueue them as tasks again.
func (s *slot) record(failed bool, took time.Duration) (isLongFailing bool, ready []task) {
	s.lanes.mu.Lock()
	defer s.lanes.mu.Unlock()
	s.lane.slow = took >= slowAttempt
	s.lane.group.isUnhealthy = failed || s.lane.slow
	if failed {
		s.lane.failures++
	} else {
		s.lane.failures, s.lane.isProven = 0, true
	}
	if !s.lane.isShared(s.lanes.perLane) {
		ready = s.lanes.queue.takeAll(s.lane)
	}
	return s.lane.failures > longFailing, ready
}

// release frees the slot. Repeated calls have no effect.
func (s *slot) release() {
	s.lanes.mu.Lock()
	defer s.lanes.mu.Unlock()
	if s.isReleased {
		return
	}
	s.isReleased = true
	s.lane.underWay--
	s.lane.group.underWay--
	if s.isShared {
		s.lane.group.shared--
		s.lanes.sharedUnderWay--
	}
	if s.lane.isIdle() && !s.lane.isProven && s.lane.failures == 0 && !s.lane.slow {
		s.lanes.remove(s.lane)
	}
}

// isIdle reports whether the lane has neither attempts under way nor waiting
// callbacks.
func (l *lane) isIdle() bool { return l.underWay == 0 && len(l.waiting) == 0 }

func (l *lanes) remove(ln *lane) {
	delete(l.lanes, ln.name)
	if delete(ln.group.lanes, ln.name); len(ln.group.lanes) == 0 {
		delete(l.groups, ln.group.name)
	}
}

// evict removes idle lanes if there are too many lanes. It begins with the largest
// groups, so that new names below one domain do not displace other targets.
func (l *lanes) evict() {
	if len(l.lanes) < maxLanes {
		return
	}
	groups := make([]*group, 0, len(l.groups))
	for _, g := range l.groups {
		groups = append(groups, g)
	}
	slices.SortFunc(groups, largestFirst)
	for _, g := range groups {
		for _, ln := range g.lanes {
			if ln.isIdle() {
				l.remove(ln)
			}
		}
		if len(l.lanes) <= maxLanes*9/10 {
			return
		}
	}
}
