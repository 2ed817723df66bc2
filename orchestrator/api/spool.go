package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"

	"shotline/jobs"
)

// A body must have arrived completely before a batch is created from it. It might
// be too large for memory, so it is spooled to a file. No other process can open
// the file.

// errTooLarge means that a body exceeds the size limit.
var errTooLarge = errors.New("body is too large")

// spool is a file that receives a body.
type spool struct {
	file      *os.File
	sum       hash.Hash // of the bytes written, and of the texts passed to addToHash
	remaining int64     // bytes that may still be written

	lines          int          // line feeds and carriage returns written: at least the number of lines
	room           func() error // returns an error if the disk has no room
	untilRoomCheck int64        // bytes until the next call of room
}

// roomCheckInterval is the number of bytes of a body after which the free disk
// space is checked again.
const roomCheckInterval = 1 << 20

const spoolName = ".shotline-body-*"

// newSpool creates a file in a folder and unlinks it at once, so that it
// disappears with the process.
func newSpool(folder string, limit int64, room func() error) (*spool, error) {
	if err := room(); err != nil {
		return nil, err
	}
	file, err := os.CreateTemp(folder, spoolName)
	if err != nil {
		return nil, fmt.Errorf("spool a body: %w", err)
	}
	if err := os.Remove(file.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) { // another process might have removed it in cleanSpool
		return nil, errors.Join(fmt.Errorf("spool a body: %w", err), file.Close())
	}
	return &spool{file: file, sum: sha256.New(), remaining: limit, room: room, untilRoomCheck: roomCheckInterval}, nil
}

// cleanSpool removes files of processes that died in newSpool before they
// unlinked them.
func cleanSpool(folder string) error {
	names, err := filepath.Glob(filepath.Join(folder, spoolName))
	if err != nil {
		return fmt.Errorf("clean the spool folder: %w", err)
	}
	for _, name := range names {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("clean the spool folder: %w", err)
		}
	}
	return nil
}

// Write implements io.Writer. It returns errTooLarge if the body exceeds the
// limit.
func (s *spool) Write(p []byte) (int, error) {
	if int64(len(p)) > s.remaining {
		return 0, errTooLarge
	}
	if s.untilRoomCheck -= int64(len(p)); s.untilRoomCheck < 0 {
		if err := s.room(); err != nil {
			return 0, &spoolError{err}
		}
		s.untilRoomCheck = roomCheckInterval
	}
	s.remaining -= int64(len(p))
	s.lines += bytes.Count(p, []byte{'\n'}) + bytes.Count(p, []byte{'\r'})
	s.sum.Write(p)
	n, err := s.file.Write(p)
	if err != nil {
		err = &spoolError{err}
	}
	return n, err
}

// spoolError is an error of the disk, as opposed to one of the body.
type spoolError struct{ err error }

func (e *spoolError) Error() string { return "spool a body: " + e.err.Error() }
func (e *spoolError) Unwrap() error { return e.err }

// addToHash makes the hash depend on a text that is not part of the body.
func (s *spool) addToHash(text string) { fmt.Fprintf(s.sum, "%q\n", text) }

// hash returns the hash of the body and of the texts passed to addToHash.
func (s *spool) hash() (sum [sha256.Size]byte) {
	copy(sum[:], s.sum.Sum(nil))
	return sum
}

// reader returns a reader of the file from its beginning.
func (s *spool) reader() io.Reader { return io.NewSectionReader(s.file, 0, 1<<62) }

// beginsWith reports whether the file begins with a text.
func (s *spool) beginsWith(text string) bool {
	begin := make([]byte, len(text))
	n, _ := s.file.ReadAt(begin, 0)
	return string(begin[:n]) == text
}

func (s *spool) close() error { return s.file.Close() }

// bodyError returns the problem of a body that could not be read completely.
func (s *server) bodyError(ctx context.Context, err error) error {
	var network net.Error
	var disk *spoolError
	switch {
	case errors.Is(err, errTooLarge):
		return problem(http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is larger than %d MiB", s.MaxBatch>>20))
	case errors.Is(err, jobs.ErrNoRoom), errors.Is(err, syscall.ENOSPC):
		return s.noRoom("receive rows", err)
	case errors.As(err, &disk):
		s.Logger.Error("request failed", "for", "receive rows", "error", err)
		return retryLater(problem(http.StatusServiceUnavailable, "the body cannot be stored at the moment: try again later"), retrySoon)
	case errors.As(err, &network) && network.Timeout():
		return problem(http.StatusRequestTimeout, "the body arrived too slowly")
	case ctx.Err() != nil:
		return problem(http.StatusServiceUnavailable, "the request was interrupted")
	}
	return problem(http.StatusBadRequest, "the body could not be read completely")
}
