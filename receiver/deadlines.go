package receiver

import (
	"context"
	"sync"
	"time"
)

// deadlineShare of a timeout is how much earlier than it a wait may end.
const deadlineShare = 16

// deadlines bounds waits by a timeout. Requests that come within a part of it
// share one timer: one for each, and its ties to the context of the request, would
// cost as much as the decoding. It is safe for concurrent use.
type deadlines struct {
	timeout time.Duration

	mu    sync.Mutex
	ends  context.Context // when the timeout of those who share it is over
	until time.Time       // when the next one is due
}

// bound returns a context with the values of another, that ends by the timeout
// alone.
func (d *deadlines) bound(values context.Context) context.Context {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ends == nil || !now.Before(d.until) {
		ends, cancel := context.WithTimeout(context.Background(), d.timeout)
		time.AfterFunc(d.timeout+time.Second, cancel) // it ends by its deadline, long before
		d.ends, d.until = ends, now.Add(d.timeout/deadlineShare)
	}
	return ending{d.ends, values}
}

// ending is the end of one context with the values of another.
type ending struct {
	context.Context
	values context.Context
}

func (e ending) Value(key any) any { return e.values.Value(key) }
