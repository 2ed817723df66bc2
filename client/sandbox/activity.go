package sandbox

import "sync"

// activity counts what is still to be done and tells when nothing is.
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

// quiet returns a channel that is closed once nothing is open; more may have
// been added by the time the reader looks again.
func (a *activity) quiet() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.zero
}
