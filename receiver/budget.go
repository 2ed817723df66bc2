package receiver

import (
	"sync"
	"sync/atomic"
)

// chunkSize is room for any documented payload.
const chunkSize = 4 << 10

// chunks are kept for the next body.
var chunks = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// budget bounds the memory of all bodies that are under way. It is safe for
// concurrent use.
//
// Its last quarter is for the first chunk of each body, so that a few strangers
// with large bodies cannot keep out the small ones that the vendor sends.
type budget struct {
	limit int64 // for first chunks
	bulk  int64 // for whatever a body needs beyond
	used  atomic.Int64
}

func newBudget(limit int64) *budget { return &budget{limit: limit, bulk: limit - limit/4} }

// take books n bytes and reports true, or books nothing if more than ceiling
// would be in use then.
func (b *budget) take(n, ceiling int64) bool {
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

func (b *budget) give(n int64) { b.used.Add(-n) }
