package orchestrator

import (
	"sync"
	"time"
)

// buckets remembers which deadline buckets this process has enqueued, so that ten
// thousand jobs of one bucket call the queue once.
type buckets struct {
	mu   sync.Mutex
	seen map[time.Time]bool
}

// add reports whether the bucket is new. It removes those that are over.
func (b *buckets) add(bucket, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.seen[bucket] {
		return false
	}
	for old := range b.seen {
		if old.Before(now) {
			delete(b.seen, old)
		}
	}
	if b.seen == nil {
		b.seen = map[time.Time]bool{}
	}
	b.seen[bucket] = true
	return true
}
