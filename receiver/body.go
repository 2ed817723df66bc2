package receiver

import (
	"bytes"
	"errors"
	"io"

	"shotline/receiver/signature"
)

var (
	errTooLarge = errors.New("too large")
	errBusy     = errors.New("too many bodies under way")
	errSlow     = errors.New("body came too slowly, send it again")
)

// body holds what a request has sent so far, in chunks of memory that are booked
// before they are used, and used again afterwards. A sender that only announces a
// large body costs one chunk, and a body that grows is not copied. Used by one
// goroutine.
type body struct {
	budget *budget
	booked int64
	size   int
	first  *[chunkSize]byte   // all that most bodies need
	more   []*[chunkSize]byte // behind the first
}

// read takes a body of at most limit bytes from source. The error is
// errTooLarge or errBusy as soon as that is known, else that of source. The
// caller has to call release in any case.
func (b *body) read(source io.Reader, announced, limit int64) error {
	if announced > limit {
		return errTooLarge
	}
	var room []byte
	for {
		if len(room) == 0 {
			chunk := b.grow()
			if chunk == nil {
				return errBusy
			}
			room = chunk[:min(chunkSize, limit-int64(b.size)+1)] // a byte more tells that it is too large
		}
		n, err := source.Read(room)
		b.size, room = b.size+n, room[n:]
		switch {
		case int64(b.size) > limit:
			return errTooLarge
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// grow adds a chunk, and returns it; nil if there is none left.
func (b *body) grow() *[chunkSize]byte {
	ceiling := b.budget.bulk
	if b.first == nil {
		ceiling = b.budget.limit
	}
	if !b.budget.take(chunkSize, ceiling) {
		return nil
	}
	b.booked += chunkSize
	chunk := chunks.Get().(*[chunkSize]byte)
	if b.first == nil {
		b.first = chunk
	} else {
		b.more = append(b.more, chunk)
	}
	return chunk
}

// parts is what has come, chunk by chunk, if that is more than one.
func (b *body) parts() [][]byte {
	parts := [][]byte{b.first[:]}
	for i, chunk := range b.more {
		parts = append(parts, chunk[:min(b.size-(i+1)*chunkSize, chunkSize)])
	}
	return parts
}

// verify checks the signature of what has come.
func (b *body) verify(m signature.Mark) error {
	if len(b.more) > 0 {
		return m.Verify(b.parts()...)
	}
	return m.Verify(b.first[:b.size])
}

// own returns the bytes for somebody who may hold on to them after release. They
// stay booked until then.
func (b *body) own() []byte {
	defer b.recycle()
	if len(b.more) > 0 {
		return bytes.Join(b.parts(), nil)
	}
	return bytes.Clone(b.first[:b.size])
}

// release gives back what was booked and the chunks.
func (b *body) release() {
	b.recycle()
	b.budget.give(b.booked)
	b.booked = 0
}

func (b *body) recycle() {
	if b.first != nil {
		chunks.Put(b.first)
	}
	for _, chunk := range b.more {
		chunks.Put(chunk)
	}
	b.first, b.more = nil, nil
}
