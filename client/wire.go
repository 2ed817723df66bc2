package client

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http/httptrace"
	"sync"
)

var errSealed = errors.New("connection given up before the request was written")

// countedConn counts the bytes whose writing has begun, and can be sealed: what
// had not begun by then never happens. That turns "nothing was written" from an
// observation that a slower goroutine could still falsify into a fact.
type countedConn struct {
	net.Conn
	mu     sync.Mutex
	begun  int64
	sealed bool
}

func counted(dial DialFunc) DialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &countedConn{Conn: conn}, nil
	}
}

func (c *countedConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	if c.sealed {
		c.mu.Unlock()
		return 0, errSealed
	}
	c.begun += int64(len(p))
	c.mu.Unlock()
	return c.Conn.Write(p)
}

func (c *countedConn) written() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.begun
}

// sealIfUnwritten forbids further writes if none has begun since the count was
// mark, and reports whether that was so.
func (c *countedConn) sealIfUnwritten(mark int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.begun != mark {
		return false
	}
	c.sealed = true
	return true
}

// evidence records, for one request, whether its bytes may have left. A request
// that never got a connection was not sent. One that got an HTTP/1 connection
// was not sent if nothing has been written to it since. HTTP/2 connections are
// shared, so there the count proves nothing and getting one means "possibly".
type evidence struct {
	mu       sync.Mutex
	possible bool
	conn     *countedConn
	mark     int64
}

func (e *evidence) trace(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: e.gotConn})
}

func (e *evidence) gotConn(info httptrace.GotConnInfo) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conn != nil && e.conn.written() != e.mark {
		e.possible = true
	}
	e.conn = exclusiveConn(info.Conn)
	if e.conn == nil {
		e.possible = true
		return
	}
	e.mark = e.conn.written()
}

// surelyNotSent may be asked once the transport has given the request up.
func (e *evidence) surelyNotSent() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.possible {
		return false
	}
	return e.conn == nil || e.conn.sealIfUnwritten(e.mark)
}

// exclusiveConn finds the counter beneath a connection that carries one request
// at a time, or nil.
func exclusiveConn(conn net.Conn) *countedConn {
	if t, ok := conn.(*tls.Conn); ok {
		if t.ConnectionState().NegotiatedProtocol == "h2" {
			return nil
		}
		conn = t.NetConn()
	}
	counter, _ := conn.(*countedConn)
	return counter
}
