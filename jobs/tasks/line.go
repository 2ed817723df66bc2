package tasks

import (
	"context"
	"errors"
	"net"
	"sync"
	"syscall"
)

// dialFunc opens a network connection, as go-redis asks for it.
type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// line is what a session's connections run through, so that all of them can be
// cut at once: whatever waits on one fails with a network error. Closing the
// go-redis client is no way to do that, since asynq v0.26 panics when its
// subscription is closed while its server runs.
type line struct {
	isCut chan struct{} // closed by cut

	mu   sync.Mutex
	open map[net.Conn]struct{}
}

func newLine() *line {
	return &line{isCut: make(chan struct{}), open: map[net.Conn]struct{}{}}
}

var errCut = errors.New("connection given up")

// through returns dial with its connections on the line.
func (l *line) through(dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		if l.ended() {
			return nil, errCut // what is left of a session may go on asking for a while
		}
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.ended() {
			_ = conn.Close()
			return nil, errCut
		}
		l.open[conn] = struct{}{}
		w := &wire{Conn: conn, line: l}
		if raw, ok := conn.(syscall.Conn); ok {
			return rawWire{w, raw}, nil
		}
		return w, nil
	}
}

// cut closes all connections, now and in the future.
func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended() {
		return
	}
	close(l.isCut)
	for conn := range l.open {
		_ = conn.Close()
	}
	clear(l.open)
}

func (l *line) ended() bool {
	select {
	case <-l.isCut:
		return true
	default:
		return false
	}
}

// wire is a connection that leaves its line when it is closed.
type wire struct {
	net.Conn
	line *line
}

func (w *wire) Close() error {
	w.line.mu.Lock()
	delete(w.line.open, w.Conn)
	w.line.mu.Unlock()
	return w.Conn.Close()
}

// rawWire lets go-redis look at the socket, which is how it finds out that a
// pooled connection has died.
type rawWire struct {
	*wire
	syscall.Conn
}
