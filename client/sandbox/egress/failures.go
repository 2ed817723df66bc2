package egress

import "sync"

// maxReasons bounds what is remembered of addresses that could not be reached.
const maxReasons = 1024

// reasons remembers the last failure of each address.
type reasons struct {
	mu   sync.Mutex
	last map[string]error
}

// set notes how a dial ended; nil takes an earlier failure back.
func (r *reasons) set(address string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil {
		delete(r.last, address)
		return
	}
	if r.last == nil || len(r.last) >= maxReasons {
		r.last = make(map[string]error)
	}
	r.last[address] = err
}

func (r *reasons) get(address string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last[address]
}
