package client

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http/httptrace"
	"sync"
)

var errSealed = errors.New("connection abandoned before the request was written")

// countedConn counts the bytes that were passed to Write. After it has been
// sealed, no further write can begin. Without sealing, a slower goroutine could
// still write after the count was read, so the count would not prove that nothing
// was sent.
type countedConn struct {
	net.Conn
	mu     sync.Mutex
	begun  int64
	sealed bool
}

func countWrites(dial DialFunc) DialFunc {
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

// sealIfUnwritten seals the connection if no write has begun since the count was
// mark. It reports whether it did.
func (c *countedConn) sealIfUnwritten(mark int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.begun != mark {
		return false
	}
	c.sealed = true
	return true
}

// evidence records whether the bytes of one request might have been sent. If the
// request never got a connection, it was not sent. If it got an HTTP/1
// connection, it was not sent if nothing was written to the connection since.
// HTTP/2 connections are shared, so the count proves nothing: once the request
// has got such a connection, it might have been sent.
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

// provesNotSent reports whether the request was certainly not sent. Call it only
// after the transport has returned an error.
func (e *evidence) provesNotSent() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.possible {
		return false
	}
	return e.conn == nil || e.conn.sealIfUnwritten(e.mark)
}

// exclusiveConn returns the countedConn of a connection that carries one request
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
