package main

import (
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

// screen is standard error while it might show a progress bar. A write removes
// the bar first; the next draw shows it again. It is safe for concurrent use.
type screen struct {
	w        io.Writer
	terminal bool

	mu    sync.Mutex
	clear func() // removes the bar; nil if there is none
}

func newScreen(w io.Writer) *screen { return &screen{w: w, terminal: isTerminal(w)} }

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.clear != nil {
		s.clear()
	}
	return s.w.Write(p)
}

// draw calls bar to draw the bar while no write is in progress. The next write
// calls clear to remove it.
func (s *screen) draw(bar func(), clear func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	bar()
	s.clear = clear
}

// isTerminal reports whether w is a terminal.
func isTerminal(w io.Writer) bool {
	switch out := w.(type) {
	case *screen:
		return out.terminal
	case *os.File:
		return term.IsTerminal(int(out.Fd()))
	default:
		return false
	}
}

// isTerminalInput reports whether r is a terminal.
func isTerminalInput(r io.Reader) bool {
	in, is := r.(*os.File)
	return is && term.IsTerminal(int(in.Fd()))
}

// defaultColumns is the width of a terminal that does not tell it.
const defaultColumns = 80

// columns returns the width of the terminal.
func (s *screen) columns() int {
	if file, is := s.w.(*os.File); is {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
			return width
		}
	}
	return defaultColumns
}
