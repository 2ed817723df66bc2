package api

import "sync"

// told keeps the newest events as streams write them, so that many streams do not
// each make them.
type told struct {
	mu  sync.Mutex
	row [1024]tale // by the event's place in the log
}

// longestTale is how many bytes are kept of an event: of a longer one, such as of
// a job with a megabyte of metadata, nothing is.
const longestTale = 16 << 10

type tale struct {
	seq   int64
	frame func() ([]byte, error)
}

// get returns what tell made for this event, now or before.
func (t *told) get(seq int64, tell func() ([]byte, error)) ([]byte, error) {
	at := &t.row[seq%int64(len(t.row))]
	t.mu.Lock()
	if at.seq != seq {
		*at = tale{seq, sync.OnceValues(tell)}
	}
	kept := *at
	t.mu.Unlock()
	frame, err := kept.frame()
	if err != nil || len(frame) > longestTale {
		t.mu.Lock()
		if at.seq == seq {
			*at = tale{} // to be made again
		}
		t.mu.Unlock()
	}
	return frame, err
}
