package receiver

import (
	"errors"
	"io"
	"slices"
	"sync"
)

const (
	smallBody  = 4 << 10  // room for any documented payload
	pooledBody = 64 << 10 // buffers that grew beyond this are not kept
)

var errTooLarge = errors.New("too large")

// buffer holds a body until its signature has been checked, so that unsigned
// requests leave no garbage behind.
type buffer struct{ data []byte }

var buffers = sync.Pool{New: func() any { return &buffer{data: make([]byte, 0, smallBody)} }}

func (b *buffer) release() {
	if cap(b.data) <= pooledBody {
		b.data = b.data[:0]
		buffers.Put(b)
	}
}

// read fills the buffer with a body of at most limit bytes, else errTooLarge
// as soon as that is known. It grows with what has really come: a sender that
// only announces a large body costs nothing.
func (b *buffer) read(body io.Reader, announced, limit int64) error {
	if announced > limit {
		return errTooLarge
	}
	for {
		n, err := body.Read(b.data[len(b.data):cap(b.data)])
		b.data = b.data[:len(b.data)+n]
		switch {
		case int64(len(b.data)) > limit:
			return errTooLarge
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if len(b.data) == cap(b.data) {
			b.data = slices.Grow(b.data, cap(b.data))
		}
	}
}
