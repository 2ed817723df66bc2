package api

import "sync"

// frameCache keeps the newest events as streams write them, so that an event is
// encoded once for many streams.
type frameCache struct {
	mu  sync.Mutex
	row [1024]cachedFrame // by the event's place in the log
}

// maxCachedFrame is the size in bytes up to which a frame is kept. A longer one,
// such as that of a job with a megabyte of metadata, is made again.
const maxCachedFrame = 16 << 10

type cachedFrame struct {
	seq   int64
	frame func() ([]byte, error)
}

// get returns what encode returns for this event, now or before. Errors are not
// kept.
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
