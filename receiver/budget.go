package receiver

import (
	"sync"
	"sync/atomic"
)

// chunkSize is enough for every documented payload.
const chunkSize = 4 << 10

// chunks are reused for later bodies.
var chunks = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// budget limits the memory of all bodies in flight. It is safe for concurrent
// use.
//
// The last quarter is available only for the first chunk of each body. Otherwise
// a few unknown senders with large bodies could block the small bodies that the
// vendor sends.
type budget struct {
	limit int64 // for first chunks
	bulk  int64 // for further chunks
	used  atomic.Int64
}

func newBudget(limit int64) *budget { return &budget{limit: limit, bulk: limit - limit/4} }

// reserve reserves n bytes and reports whether it did. It reserves nothing if
// more than ceiling bytes would be in use.
func (b *budget) reserve(n, ceiling int64) bool {
	for {
		used := b.used.Load()
		if n > ceiling-used {
			return false
		}
		if b.used.CompareAndSwap(used, used+n) {
			return true
		}
	}
}

func (b *budget) release(n int64) { b.used.Add(-n) }
