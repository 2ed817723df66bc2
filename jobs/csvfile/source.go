package csvfile

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// source is an input that can be read again from its beginning.
//
// A reader that can seek is read again by seeking. Of any other reader, source
// keeps in memory what was read until it is known whether it has to be read
// again: the header and the first row. If it has, source copies the rest to a
// temporary file while it is read.
type source struct {
	reader io.Reader
	seeker io.Seeker // nil if reader cannot seek
	origin int64     // position of the seeker at the beginning

	begun   []byte   // what was read, before there is a copy
	copied  *os.File // nil without a copy
	removed bool     // the copy has no name any more
	ended   error    // of reader; returned again after the copy
	final   bool     // nothing has to be kept
	replay  io.Reader
}

func newSource(r io.Reader) *source {
	s := &source{reader: r}
	if seeker, ok := r.(io.Seeker); ok {
		if at, err := seeker.Seek(0, io.SeekCurrent); err == nil { // a pipe cannot seek
			s.seeker, s.origin = seeker, at
		}
	}
	return s
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	if s.replay != nil {
		n, err := s.replay.Read(p)
		if err != nil && !errors.Is(err, io.EOF) {
			return n, fmt.Errorf("%w: %w", ErrCopy, err)
		}
		if err != nil {
			s.replay = nil
		}
		if n > 0 || err == nil {
			return n, nil
		}
	}
	if s.ended != nil {
		return 0, s.ended
	}
	n, err := s.reader.Read(p)
	switch {
	case s.seeker != nil || s.final:
		return n, err
	case s.copied != nil:
		if _, copyErr := s.copied.Write(p[:n]); copyErr != nil {
			return 0, fmt.Errorf("%w: %w", ErrCopy, copyErr)
		}
	default:
		s.begun = append(s.begun, p[:n]...)
	}
	s.ended = err
	return n, err
}

// keep prepares for rewind. What is read from now on goes to the copy, if one is
// needed.
func (s *source) keep(folder string) error {
	if s.seeker != nil {
		return nil
	}
	file, err := os.CreateTemp(folder, ".shotline-input-*")
	if err != nil {
		return fmt.Errorf("%w: %w", ErrCopy, err)
	}
	s.copied = file
	s.removed = os.Remove(file.Name()) == nil // some systems cannot remove an open file
	if _, err := file.Write(s.begun); err != nil {
		return fmt.Errorf("%w: %w", ErrCopy, err)
	}
	s.begun = nil
	return nil
}

// rewind continues at the beginning.
func (s *source) rewind() error {
	s.final = true
	if s.seeker != nil {
		_, err := s.seeker.Seek(s.origin, io.SeekStart)
		return err
	}
	if _, err := s.copied.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("%w: %w", ErrCopy, err)
	}
	s.replay = s.copied
	return nil
}

// forget stops keeping what is read, because rewind will not be called any more.
func (s *source) forget() {
	s.final, s.begun = true, nil
}

func (s *source) close() error {
	if s.copied == nil {
		return nil
	}
	err := s.copied.Close()
	if !s.removed {
		err = errors.Join(err, os.Remove(s.copied.Name()))
	}
	s.copied = nil
	return err
}
