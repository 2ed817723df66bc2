package receiver

import (
	"bytes"
	"errors"
	"io"
	"sync"
)

const (
	firstStep = 4 << 10  // room for any documented payload
	nextStep  = 16 << 10 // least growth beyond
)

var (
	errTooLarge = errors.New("too large")
	errBusy     = errors.New("too many bodies under way")
)

// firsts keeps the rooms of first steps for the next body. Larger rooms are
// left to the garbage collector: they are rare, and a body must not start with
// more room than has been booked for it.
var firsts = sync.Pool{New: func() any { return new([firstStep]byte) }}

// body holds what a request has sent so far. Its room grows with what has
// really come, by 16 KiB or an eighth at a time, and is booked beforehand: a
// sender that only announces a large body costs nothing. Used by one goroutine.
type body struct {
	budget *budget
	booked int64
	first  *[firstStep]byte // nil once it is not in use any more
	data   []byte
}

// read takes a body of at most limit bytes from source. The error is
// errTooLarge or errBusy as soon as that is known, else that of source. The
// caller has to call release in any case.
func (b *body) read(source io.Reader, announced, limit int64) error {
	if announced > limit {
		return errTooLarge
	}
	if !b.book(firstStep, b.budget.limit) {
		return errBusy
	}
	b.first = firsts.Get().(*[firstStep]byte)
	b.data = b.first[:0]
	for {
		n, err := source.Read(b.data[len(b.data):cap(b.data)])
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
			if err := b.grow(limit); err != nil {
				return err
			}
		}
	}
}

// grow makes room for more, but not for more than it takes to see that a body
// exceeds limit.
func (b *body) grow(limit int64) error {
	size := int64(cap(b.data)) // not above limit, see read
	more := min(max(nextStep, size/8), limit-size+1)
	if !b.book(more, b.budget.bulk) {
		return errBusy
	}
	grown := make([]byte, len(b.data), size+more)
	copy(grown, b.data)
	b.data = grown
	b.recycle()
	return nil
}

// own returns the bytes for somebody who may hold on to them after release.
func (b *body) own() []byte {
	if b.first != nil {
		b.data = bytes.Clone(b.data)
		b.recycle()
	}
	return b.data
}

// release gives back what was booked and the room that can be used again.
func (b *body) release() {
	b.recycle()
	b.data = nil
	b.budget.give(b.booked)
	b.booked = 0
}

func (b *body) book(n, ceiling int64) bool {
	if !b.budget.take(n, ceiling) {
		return false
	}
	b.booked += n
	return true
}

func (b *body) recycle() {
	if b.first != nil {
		firsts.Put(b.first)
		b.first = nil
	}
}
