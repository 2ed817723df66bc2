package main

import (
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

// screen is standard error while a progress bar may stand on it: whatever is
// written takes the bar away first, and the bar draws itself anew later. Safe
// for concurrent use.
type screen struct {
	w        io.Writer
	terminal bool

	mu    sync.Mutex
	clear func() // takes the bar away; nil while there is none
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

// draw runs what draws the bar, apart from all writing; clear takes it away.
func (s *screen) draw(bar func(), clear func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	bar()
	s.clear = clear
}

// isTerminal reports whether a person sees what is written.
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

// isTerminalInput reports whether a person can type what is read.
func isTerminalInput(r io.Reader) bool {
	in, is := r.(*os.File)
	return is && term.IsTerminal(int(in.Fd()))
}
