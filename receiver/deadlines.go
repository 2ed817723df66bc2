package receiver

import (
	"context"
	"sync"
	"time"
)

// deadlineShare of a timeout is how much earlier than it a wait may end.
const deadlineShare = 16

// deadlines hands out contexts that end after a timeout. Requests that come
// within a part of it share one: a timer for each, and its ties to the context
// of the request, would cost as much as the decoding. It is safe for concurrent
// use.
type deadlines struct {
	timeout time.Duration

	mu    sync.Mutex
	ctx   context.Context
	until time.Time // when the next one is due
}

func (d *deadlines) next() context.Context {
	now := time.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ctx == nil || !now.Before(d.until) {
		ctx, cancel := context.WithTimeout(context.Background(), d.timeout)
		time.AfterFunc(d.timeout, cancel) // which lets its timer go
		d.ctx, d.until = ctx, now.Add(d.timeout/deadlineShare)
	}
	return d.ctx
}
