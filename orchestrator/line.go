package orchestrator

import (
	"context"
	"slices"
	"sync"
)

// line is where creates wait for something of which there is not enough: those
// of a higher priority go first, and among equals who came first, so that no
// batch waits for ever behind others of its kind.
type line struct {
	mu      *sync.Mutex // guards all of it, and is held when take and back are called
	take    func() bool // takes one, if one is free
	back    func()      // gives one back
	waiting []waiter
}

type waiter struct {
	priority int
	turn     chan struct{} // closed to give it
}

// enter waits for one.
func (l *line) enter(ctx context.Context, priority int) error {
	l.mu.Lock()
	if len(l.waiting) == 0 && l.take() {
		l.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	behind := len(l.waiting)
	for behind > 0 && l.waiting[behind-1].priority < priority {
		behind--
	}
	l.waiting = slices.Insert(l.waiting, behind, waiter{priority, turn})
	l.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.IndexFunc(l.waiting, func(w waiter) bool { return w.turn == turn }); i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
	} else {
		l.back() // it was given while we left
		l.give()
	}
	return ctx.Err()
}

// leave gives one back to those who wait.
func (l *line) leave() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.back()
	l.give()
}

// give lets those who wait have what is free. The lock is held.
func (l *line) give() {
	for len(l.waiting) > 0 && l.take() {
		close(l.waiting[0].turn)
		l.waiting = l.waiting[1:]
	}
}
