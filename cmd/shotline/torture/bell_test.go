package torture

import (
	"sync"
	"time"
)

// bell tells whoever waits that something is happening just now.
type bell struct {
	mu   sync.Mutex
	rung chan struct{} // closed at the next ring; nil when nobody waits
}

func (b *bell) ring() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rung != nil {
		close(b.rung)
		b.rung = nil
	}
}

// wait returns at the next ring, or after most.
func (b *bell) wait(most time.Duration) {
	b.mu.Lock()
	if b.rung == nil {
		b.rung = make(chan struct{})
	}
	rung := b.rung
	b.mu.Unlock()
	timer := time.NewTimer(most)
	defer timer.Stop()
	select {
	case <-rung:
	case <-timer.C:
	}
}
