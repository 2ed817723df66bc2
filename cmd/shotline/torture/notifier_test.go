package torture

import (
	"sync"
	"time"
)

// notifier wakes waiting goroutines when an event occurs.
type notifier struct {
	mu   sync.Mutex
	next chan struct{} // closed at the next event; nil if no goroutine waits
}

func (n *notifier) notify() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.next != nil {
		close(n.next)
		n.next = nil
	}
}

// wait waits for the next event, at most for the given time.
func (n *notifier) wait(limit time.Duration) {
	n.mu.Lock()
	if n.next == nil {
		n.next = make(chan struct{})
	}
	next := n.next
	n.mu.Unlock()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-next:
	case <-timer.C:
	}
}
