package input

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
)

// content is data that can be read again from its beginning.
type content interface {
	open() (io.Reader, error)
}

// seekable is the content of a file, from a position on.
type seekable struct {
	file   io.ReadSeeker
	origin int64
}

func (s seekable) open() (io.Reader, error) {
	_, err := s.file.Seek(s.origin, io.SeekStart)
	return s.file, err
}

// unzipped is the content of a gzip file. It ends with ErrTooLarge if it is larger
// than max.
type unzipped struct {
	packed content
	max    int64 // 0: no limit
}

// ErrTooLarge means that a compressed input is larger than the limit after it is
// decompressed.
var ErrTooLarge = errors.New("larger than the limit after decompression")

func (u unzipped) open() (io.Reader, error) {
	r, err := u.packed.open()
	if err != nil {
		return nil, err
	}
	plain, err := gzip.NewReader(bufio.NewReaderSize(r, 64<<10))
	if err != nil {
		return nil, fmt.Errorf("gzip: %w", err)
	}
	if u.max == 0 {
		return gzipReader{plain}, nil
	}
	return &limited{gzipReader{plain}, u.max}, nil
}

// gzipReader says in its errors that the compressed data is damaged.
type gzipReader struct{ io.Reader }

func (g gzipReader) Read(p []byte) (int, error) {
	n, err := g.Reader.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("gzip: %w", err)
	}
	return n, err
}

type limited struct {
	io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	n, err := l.Reader.Read(p)
	if l.left -= int64(n); l.left < 0 {
		return 0, ErrTooLarge
	}
	return n, err
}

// rereader is an io.ReadSeeker over content. It can seek to the beginning only.
type rereader struct {
	content
	current io.Reader
}

func (r *rereader) Read(p []byte) (int, error) {
	if r.current == nil {
		var err error
		if r.current, err = r.open(); err != nil {
			return 0, err
		}
	}
	return r.current.Read(p)
}

func (r *rereader) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekStart {
		return 0, errors.New("seek: only to the beginning")
	}
	r.current = nil
	return 0, nil
}

// ErrCopy means that the temporary copy of the input could not be written. The
// input itself might be fine.
var ErrCopy = errors.New("temporary copy of the input")

// inMemory is the size up to which an input that cannot seek is kept in memory.
const inMemory = 1 << 20

// newContent returns the content of a reader. A reader that cannot seek is read to
// its end, because its last line can decide how the first is read: which encoding
// the text has, and whether a column is a parameter. The returned closer removes
// the copy.
func newContent(r io.Reader, folder string) (content, io.Closer, error) {
	if seeker, ok := r.(io.ReadSeeker); ok {
		if at, err := seeker.Seek(0, io.SeekCurrent); err == nil { // a pipe cannot seek
			return seekable{seeker, at}, io.NopCloser(nil), nil
		}
	}
	var begin bytes.Buffer
	_, err := io.CopyN(&begin, r, inMemory)
	if errors.Is(err, io.EOF) {
		return seekable{bytes.NewReader(begin.Bytes()), 0}, io.NopCloser(nil), nil
	}
	if err != nil {
		return nil, nil, err
	}
	file, err := os.CreateTemp(folder, ".shotline-input-*")
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrCopy, err)
	}
	copied := &temporary{File: file, removed: os.Remove(file.Name()) == nil} // some systems cannot remove an open file
	if _, err := io.Copy(copyWriter{file}, io.MultiReader(&begin, r)); err != nil {
		return nil, nil, errors.Join(err, copied.Close())
	}
	return seekable{file, 0}, copied, nil
}

// copyWriter distinguishes errors of the copy from errors of the input.
type copyWriter struct{ file *os.File }

func (w copyWriter) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrCopy, err)
	}
	return n, err
}

// temporary is a file that Close removes.
type temporary struct {
	*os.File
	removed bool
}

func (t *temporary) Close() error {
	err := t.File.Close()
	if !t.removed {
		err = errors.Join(err, os.Remove(t.Name()))
	}
	return err
}

// head returns the beginning of the content.
func head(c content) ([]byte, error) {
	r, err := c.open()
	if err != nil {
		return nil, err
	}
	begin := make([]byte, 8<<10)
	n, err := io.ReadFull(r, begin)
	if n < len(begin) && (err == io.EOF || err == io.ErrUnexpectedEOF) { // not wrapped: the content is shorter
		err = nil
	}
	return begin[:n], err
}
