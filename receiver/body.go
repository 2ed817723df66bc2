package receiver

import (
	"bytes"
	"errors"
	"io"

	"shotline/receiver/signature"
)

var (
	errTooLarge = errors.New("too large")
	errBusy     = errors.New("too many bodies in flight")
	errSlow     = errors.New("body arrived too slowly, send it again")
)

// body holds the received part of a request body. Its memory consists of chunks,
// which are reserved in the budget before use and reused afterwards. A sender
// that announces a large body without sending it therefore costs one chunk, and a
// growing body is not copied. A body must be used by one goroutine only.
type body struct {
	budget   *budget
	reserved int64
	size     int
	first    *[chunkSize]byte   // enough for most bodies
	more     []*[chunkSize]byte // chunks after the first
}

// read reads a body of at most limit bytes from source. It returns errTooLarge or
// errBusy as soon as it detects the condition. Other errors are those of source.
// The caller must call release in any case.
func (b *body) read(source io.Reader, announced, limit int64) error {
	if announced > limit {
		return errTooLarge
	}
	var buffer []byte
	for {
		if len(buffer) == 0 {
			chunk := b.grow()
			if chunk == nil {
				return errBusy
			}
			buffer = chunk[:min(chunkSize, limit-int64(b.size)+1)] // one more byte shows that the body is too large
		}
		n, err := source.Read(buffer)
		b.size, buffer = b.size+n, buffer[n:]
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

// grow adds a chunk and returns it. It returns nil if the budget is used up.
func (b *body) grow() *[chunkSize]byte {
	ceiling := b.budget.bulk
	if b.first == nil {
		ceiling = b.budget.limit
	}
	if !b.budget.reserve(chunkSize, ceiling) {
		return nil
	}
	b.reserved += chunkSize
	chunk := chunks.Get().(*[chunkSize]byte)
	if b.first == nil {
		b.first = chunk
	} else {
		b.more = append(b.more, chunk)
	}
	return chunk
}

// parts returns the chunks of a body that has more than one.
func (b *body) parts() [][]byte {
	parts := [][]byte{b.first[:]}
	for i, chunk := range b.more {
		parts = append(parts, chunk[:min(b.size-(i+1)*chunkSize, chunkSize)])
	}
	return parts
}

// verify checks the signature of the body.
func (b *body) verify(m signature.Signature) error {
	if len(b.more) > 0 {
		return m.Verify(b.parts()...)
	}
	return m.Verify(b.first[:b.size])
}

// copyOut returns a copy of the body that remains valid after release. Its memory
// stays reserved until release.
func (b *body) copyOut() []byte {
	defer b.recycle()
	if len(b.more) > 0 {
		return bytes.Join(b.parts(), nil)
	}
	return bytes.Clone(b.first[:b.size])
}

// release returns the chunks and the reserved memory.
func (b *body) release() {
	b.recycle()
	b.budget.release(b.reserved)
	b.reserved = 0
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
