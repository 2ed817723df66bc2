package sandbox

import "sync"

// activity counts pending work and lets callers wait until none is left. Its
// methods are safe for concurrent use.
type activity struct {
	mu   sync.Mutex
	open int
	zero chan struct{} // closed while open is 0
}

func newActivity() *activity {
	a := &activity{zero: make(chan struct{})}
	close(a.zero)
	return a
}

func (a *activity) add(n int) {
	if n == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open == 0 {
		a.zero = make(chan struct{})
	}
	a.open += n
}

func (a *activity) done() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open--; a.open == 0 {
		close(a.zero)
	}
}

// idle returns a channel that is closed when no work is pending. New work might
// have been added by the time the caller checks again.
func (a *activity) idle() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.zero
}
