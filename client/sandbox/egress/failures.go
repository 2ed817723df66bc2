package egress

import "sync"

// maxFailures limits how many addresses with failures are stored.
const maxFailures = 1024

// failures stores the latest failure of each address.
type failures struct {
	mu   sync.Mutex
	last map[string]error
}

// set records the result of a connection attempt. If err is nil, it removes an
// earlier failure.
func (r *failures) set(address string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		delete(r.last, address)
		return
	}
	if r.last == nil || len(r.last) >= maxFailures {
		r.last = make(map[string]error)
	}
	r.last[address] = err
}

func (r *failures) get(address string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last[address]
}
