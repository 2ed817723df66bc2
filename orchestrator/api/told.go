package api

import "sync"

// told keeps the data of the newest events that were told, so that many streams
// do not each make it.
type told struct {
	mu  sync.Mutex
	row [1024]tale // by the event's place in the log
}

// longestTale is how many bytes are kept of an event: of a longer one, such as of
// a job with a megabyte of metadata, nothing is.
const longestTale = 16 << 10

type tale struct {
	seq  int64
	data func() ([]byte, error)
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
	data, err := kept.data()
	if err != nil || len(data) > longestTale {
		t.mu.Lock()
		if at.seq == seq {
			*at = tale{} // to be made again
		}
		t.mu.Unlock()
	}
	return data, err
}
