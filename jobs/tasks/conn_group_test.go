package tasks

import (
	"context"
	"errors"
	"net"
	"testing"
)

func TestCloseAll(t *testing.T) {
	t.Parallel()
	g := newConnGroup()
	dials := 0
	dial := g.wrap(func(context.Context, string, string) (net.Conn, error) {
		dials++
		client, server := net.Pipe()
		t.Cleanup(func() { server.Close() })
		return client, nil
	})
	conn, err := dial(t.Context(), "", "")
	must(t, err)
	g.closeAll()
	g.closeAll()
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("a connection is open after closeAll")
	}
	if _, err := dial(t.Context(), "", ""); !errors.Is(err, errClosed) || dials != 1 {
		t.Errorf("after closeAll: got %v, %d dials; want %v and 1", err, dials, errClosed)
	}
}
