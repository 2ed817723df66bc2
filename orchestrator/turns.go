package orchestrator

import "sync"

// turns keeps this process from doing the same twice at a time: tasks that
// come in while one of their kind is busy would only ask the vendor the same.
type turns struct {
	mu    sync.Mutex
	taken map[string]bool
}

// busy reports whether somebody is busy with key.
func (t *turns) busy(key string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.taken[key]
}

// take reports whether nobody is busy with key. If so, the caller is until it
// calls done.
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
