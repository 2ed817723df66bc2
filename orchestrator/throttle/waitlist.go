package throttle

import (
	"context"
	"slices"
	"sync"
)

// waitlist is where creates wait for a scarce resource. Those of higher priority
// come first; those of equal priority come in the order of their arrival, so that
// no batch waits forever behind others of its priority.
type waitlist struct {
	mu      *sync.Mutex // guards the waitlist; held when take and back are called
	take    func() bool // takes one, if one is free
	back    func()      // gives one back
	waiting []waiter
}

type waiter struct {
	priority int
	granted  chan struct{} // closed when the waiter has got one
}

// enter waits for one. After an error the caller has none.
func (l *waitlist) enter(ctx context.Context, priority int) error {
	l.mu.Lock()
	if len(l.waiting) == 0 && l.take() {
		l.mu.Unlock()
		return nil
	}
	granted := make(chan struct{})
	place := len(l.waiting)
	for place > 0 && l.waiting[place-1].priority < priority {
		place--
	}
	l.waiting = slices.Insert(l.waiting, place, waiter{priority, granted})
	l.mu.Unlock()
	select {
	case <-granted:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.IndexFunc(l.waiting, func(w waiter) bool { return w.granted == granted }); i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
	} else { // it was granted at the same moment
		l.back()
		l.grant()
	}
	return ctx.Err()
}

// leave gives one back and grants it to the next waiter.
func (l *waitlist) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.back()
	l.grant()
}

// grant gives what is free to the first waiters. The caller holds the lock.
func (l *waitlist) grant() {
	for len(l.waiting) > 0 && l.take() {
		close(l.waiting[0].granted)
		l.waiting = l.waiting[1:]
	}
}
