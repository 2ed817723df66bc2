package receiver

import (
	"context"
	"sync"
	"time"
)

// deadlineShare is the divisor of the timeout that gives the maximum by which a
// deadline can be early.
const deadlineShare = 16

// deadlines creates contexts that end after a timeout. Requests that arrive
// shortly after each other share one timer. A timer per request that is linked to
// the request's context would cost as much as decoding. It is safe for concurrent
// use.
type deadlines struct {
	timeout time.Duration

	mu      sync.Mutex
	shared  context.Context // shared by recent requests; ends after the timeout
	renewAt time.Time       // when to create the next shared context
}

// bound returns a context with the given context's values that ends only after
// the timeout.
func (d *deadlines) bound(values context.Context) context.Context {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shared == nil || !now.Before(d.renewAt) {
		shared, cancel := context.WithTimeout(context.Background(), d.timeout)
		time.AfterFunc(d.timeout+time.Second, cancel) // releases resources; the context has ended by its deadline before
		d.shared, d.renewAt = shared, now.Add(d.timeout/deadlineShare)
	}
	return mergedContext{d.shared, values}
}

// mergedContext has the deadline of one context and the values of another.
type mergedContext struct {
	context.Context
	values context.Context
}

func (c mergedContext) Value(key any) any { return c.values.Value(key) }
