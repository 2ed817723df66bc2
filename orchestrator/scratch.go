package orchestrator

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// scratch is a temporary file of JSON values, for what would take too much memory.
// It is not safe for concurrent use.
type scratch struct {
	file    *os.File
	out     *bufio.Writer
	end     int64
	removed bool // the file has no name any more
}

// place is where a value is in a scratch file.
type place struct {
	at   int64
	size int
}

// newScratch creates a file in a folder. If folder is empty, it is os.TempDir.
func newScratch(folder string) (*scratch, error) {
	file, err := os.CreateTemp(folder, ".shotline-rows-*")
	if err != nil {
		return nil, fmt.Errorf("temporary file: %w", err)
	}
	removed := os.Remove(file.Name()) == nil // some systems cannot remove an open file
	return &scratch{file: file, out: bufio.NewWriterSize(file, 64<<10), removed: removed}, nil
}

// add appends a value.
func (s *scratch) add(v any) (place, error) {
	text, err := json.Marshal(v)
	if err == nil {
		_, err = s.out.Write(text)
	}
	if err != nil {
		return place{}, fmt.Errorf("temporary file: %w", err)
	}
	added := place{s.end, len(text)}
	s.end += int64(len(text))
	return added, nil
}

// get decodes the value at a place into v.
func (s *scratch) get(from place, v any) error {
	text := make([]byte, from.size)
	err := s.out.Flush()
	if err == nil {
		_, err = s.file.ReadAt(text, from.at)
	}
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err != nil {
		return fmt.Errorf("temporary file: %w", err)
	}
	return nil
}

func (s *scratch) close() error {
	err := s.file.Close()
	if !s.removed {
		err = errors.Join(err, os.Remove(s.file.Name()))
	}
	return err
}
