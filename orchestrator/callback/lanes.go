package callback

import (
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
)

// lanes hold targets apart: each has a few attempts at a time, and those that
// fail or are slow leave half of all slots to the others.
type lanes struct {
	each   int // attempts of a lane at a time
	ailing int // attempts at a time of all lanes that fail or are slow

	mu        sync.Mutex
	lanes     map[string]*lane
	ailingNow int // attempts under way that count against ailing
}

type lane struct {
	underWay int
	failures int // in a row
	slow     bool
}

func newLanes(each, slots int) *lanes {
	return &lanes{each: each, ailing: max(slots/2, 1), lanes: map[string]*lane{}}
}

// entry is what a lane says to an attempt.
type entry int

const (
	entered  entry = iota
	busy           // soon
	troubled       // the store may ask again later
)

// fails is when a lane has no more than one attempt at a time.
func (l *lane) fails(each int) bool { return l.failures >= each }

// enter begins an attempt. When it has entered, the place must be left.
func (l *lanes) enter(name string) (*place, entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	in := l.lanes[name]
	if in == nil {
		in = &lane{}
	}
	fails := in.fails(l.each)
	isAiling := fails || in.slow
	switch {
	case fails && in.underWay > 0, isAiling && l.ailingNow >= l.ailing:
		return nil, troubled
	case in.underWay >= l.each:
		return nil, busy
	}
	if l.lanes[name] == nil {
		l.forget()
		l.lanes[name] = in
	}
	in.underWay++
	if isAiling {
		l.ailingNow++
	}
	return &place{l, name, in, isAiling, false}, entered
}

// place is that of one attempt in its lane. It belongs to the attempt.
type place struct {
	of       *lanes
	name     string
	in       *lane
	isAiling bool
	isLeft   bool
}

// ended tells the lane how the attempt ended. A lane is crowded when it has been
// failing for long.
func (p *place) ended(failed bool, took time.Duration) (isCrowded bool) {
	p.of.mu.Lock()
	defer p.of.mu.Unlock()
	p.in.slow = took >= slowAnswer
	if failed {
		p.in.failures++
	} else {
		p.in.failures = 0
	}
	return p.in.failures > crowded
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
	if p.isAiling {
		p.of.ailingNow--
	}
	if p.in.underWay == 0 && p.in.failures == 0 && !p.in.slow {
		delete(p.of.lanes, p.name)
	}
}

// forget makes room when very many targets have failed.
func (l *lanes) forget() {
	if len(l.lanes) < maxLanes {
		return
	}
	for name, in := range l.lanes {
		if in.underWay == 0 {
			delete(l.lanes, name)
		}
	}
}
