package tasks

import (
	"context"
	"errors"
	"net"
	"testing"
)

func TestCutLine(t *testing.T) {
	t.Parallel()
	l := newLine()
	dials := 0
	dial := l.through(func(context.Context, string, string) (net.Conn, error) {
		dials++
		here, there := net.Pipe()
		t.Cleanup(func() { there.Close() })
		return here, nil
	})
	conn, err := dial(t.Context(), "", "")
	must(t, err)
	l.cut()
	l.cut()
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("a connection outlived its line")
	}
	if _, err := dial(t.Context(), "", ""); !errors.Is(err, errCut) || dials != 1 {
		t.Errorf("after the cut: %v, %d dials; want %v and no other dial", err, dials, errCut)
	}
}
