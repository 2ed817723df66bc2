package orchestrator

import "sync"

// turns keeps this process from doing the same work twice at a time: a task that
// arrives while another one is doing the same would only send the vendor the same
// queries.
type turns struct {
	mu    sync.Mutex
	taken map[string]bool
}

// busy reports whether the turn with this key is taken.
func (t *turns) busy(key string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.taken[key]
}

// take takes the turn with this key until done is called. If it is taken, free is
// false.
func (t *turns) take(key string) (done func(), free bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.taken[key] {
		return nil, false
	}
	if t.taken == nil {
		t.taken = map[string]bool{}
	}
	t.taken[key] = true
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.taken, key)
	}, true
}
