package api

import "sync"

// frameCache keeps the newest encoded events, so that an event is encoded once
// for many streams.
type frameCache struct {
	mu  sync.Mutex
	row [1024]cachedFrame // by the event's position in the log
}

// maxCachedFrame is the maximum size of a cached frame, in bytes. A longer one,
// such as that of a job with a megabyte of metadata, is encoded each time.
const maxCachedFrame = 16 << 10

type cachedFrame struct {
	seq   int64
	frame func() ([]byte, error)
}

// get returns the encoded event, from the cache if possible. Errors are not
// cached.
func (c *frameCache) get(seq int64, encode func() ([]byte, error)) ([]byte, error) {
	at := &c.row[seq%int64(len(c.row))]
	c.mu.Lock()
	if at.seq != seq {
		*at = cachedFrame{seq, sync.OnceValues(encode)}
	}
	kept := *at
	c.mu.Unlock()
	frame, err := kept.frame()
	if err != nil || len(frame) > maxCachedFrame {
		c.mu.Lock()
		if at.seq == seq {
			*at = cachedFrame{}
		}
		c.mu.Unlock()
	}
	return frame, err
}
