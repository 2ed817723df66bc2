package tasks

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
)

// dialFunc opens a network connection. It has the type that go-redis requires.
type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// connGroup contains the connections of a session, so that all of them can be
// closed at once: everything that waits for one fails with a network error.
// Closing the go-redis client instead is not possible, because asynq v0.26 panics
// if its subscription is closed while its server runs.
type connGroup struct {
	closed chan struct{} // closed by closeAll

	mu   sync.Mutex
	open map[net.Conn]struct{}
}

func newConnGroup() *connGroup {
	return &connGroup{closed: make(chan struct{}), open: map[net.Conn]struct{}{}}
}

var errClosed = errors.New("connection closed by the queue")

// wrap returns a dial function that adds its connections to the group.
func (g *connGroup) wrap(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if g.ended() {
			return nil, errClosed // an abandoned session might continue to dial for a while
		}
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.ended() {
			_ = conn.Close()
			return nil, errClosed
		}
		g.open[conn] = struct{}{}
		c := &groupConn{Conn: conn, group: g}
		if raw, ok := conn.(syscall.Conn); ok {
			return rawGroupConn{c, raw}, nil
		}
		return c, nil
	}
}

// closeAll closes all connections. Later connections fail.
func (g *connGroup) closeAll() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ended() {
		return
	}
	close(g.closed)
	for conn := range g.open {
		_ = conn.Close()
	}
	clear(g.open)
}

func (g *connGroup) ended() bool {
	select {
	case <-g.closed:
		return true
	default:
		return false
	}
}

// groupConn is a connection that is removed from its group when it is closed.
type groupConn struct {
	net.Conn
	group *connGroup
}

func (c *groupConn) Close() error {
	c.group.mu.Lock()
	delete(c.group.open, c.Conn)
	c.group.mu.Unlock()
	return c.Conn.Close()
}

// rawGroupConn gives go-redis access to the socket. go-redis uses it to detect
// that a pooled connection was closed.
type rawGroupConn struct {
	*groupConn
	syscall.Conn
}
