package listener

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// conn is a connection of a Listener. While it waits for its peer it stands in
// one of the listener's lines.
type conn struct {
	net.Conn
	listener *Listener
	body     body
	phase    atomic.Int32 // changed with the lock of the listener held

	// These are the listener's, under its lock.
	in           *line
	before, next *conn
	since        time.Time // when it entered its line
	closed       bool
	excess       bool // accepted to be answered 503
	step         step
}

// The phases of a connection that a read must know of.
const (
	starting  = iota // nothing has been read yet
	answering        // between the end of a request and the next one: what is read is not waited for
	bringing         // a body is not complete
)

// line is connections in the order in which they began to wait.
type line struct{ first, last *conn }

func (q *line) push(c *conn) {
	c.leave()
	c.in, c.before, c.since = q, q.last, time.Now()
	if q.last == nil {
		q.first = c
	} else {
		q.last.next = c
	}
	q.last = c
}

// leave takes c out of its line, if it stands in one.
func (c *conn) leave() {
	if c.in == nil {
		return
	}
	if c.before == nil {
		c.in.first = c.next
	} else {
		c.before.next = c.next
	}
	if c.next == nil {
		c.in.last = c.before
	} else {
		c.next.before = c.before
	}
	c.in, c.before, c.next = nil, nil, nil
}

// waits puts c into a line, or with nil takes it out of the one it stands in.
func (c *conn) waits(in *line) {
	l := c.listener
	l.mu.Lock()
	defer l.mu.Unlock()
	if in == nil || c.closed {
		c.leave()
		return
	}
	in.push(c)
	l.changed.Signal()
}

// Close implements net.Conn.
func (c *conn) Close() error {
	err := c.Conn.Close()
	l := c.listener
	l.mu.Lock()
	defer l.mu.Unlock()
	c.leave()
	if !c.closed {
		c.closed = true
		l.open--
		if c.excess {
			l.excess--
		}
		l.changed.Signal()
	}
	return err
}

// Read implements net.Conn. A body that came together with its headers is never
// read from here, and so costs nothing.
func (c *conn) Read(p []byte) (int, error) {
	switch c.phase.Load() {
	case starting:
		c.phase.Store(answering)
		c.waits(&c.listener.waiting)
	case bringing:
		if c.await() {
			n, err := c.Conn.Read(p)
			c.brought(n, err)
			return n, err
		}
	}
	return c.Conn.Read(p)
}

// ReadFrom lets files be sent without copying them, as the net.Conn can do it.
func (c *conn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }

// CloseWrite lets a last answer reach a peer that still sends: http.Server asks
// for it.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// step is the time in which a body must bring a number of bytes.
type step struct {
	whole time.Time // when the whole body must be there; zero before the first read
	until time.Time
	got   int
}

// await begins to wait for more of a body, for the rest of the step; false if the
// body is complete: what is read then is the next request.
func (c *conn) await() bool {
	l := c.listener
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.phase.Load() != bringing {
		return false
	}
	if c.closed {
		return true
	}
	if c.step.whole.IsZero() {
		c.step.whole = time.Now().Add(l.cfg.BodyTime)
	}
	if c.step.until.IsZero() || c.step.got >= l.cfg.BodyLeast {
		c.step.until, c.step.got = time.Now().Add(l.cfg.BodyStep), 0
		if c.step.whole.Before(c.step.until) {
			c.step.until = c.step.whole
		}
		_ = c.Conn.SetReadDeadline(c.step.until) // the read fails if this does
	}
	if c.in == nil { // in the line once for each body, however often it brings a byte
		l.waiting.push(c)
		l.changed.Signal()
	}
	return true
}

// brought notes how much of a body has come.
func (c *conn) brought(n int, err error) {
	l := c.listener
	l.mu.Lock()
	c.step.got += n
	slow := c.phase.Load() == bringing && errors.Is(err, os.ErrDeadlineExceeded)
	if slow {
		l.stats.SlowBodies++
	}
	l.mu.Unlock()
	if slow {
		l.say(slowBody, "remote", c.RemoteAddr().String())
	}
}

// begins notes that a request with a body is being answered.
func (c *conn) begins(source io.ReadCloser) io.ReadCloser {
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	c.phase.Store(bringing)
	c.body = body{source, c}
	return &c.body
}

// complete notes that the body has come, or without all of it that it is not
// waited for any longer: the server may still read on for a while.
func (c *conn) complete(all bool) {
	l := c.listener
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.phase.Load() != bringing {
		return
	}
	c.phase.Store(answering)
	switch {
	case c.step.until.IsZero(): // the server's deadline holds
	case all:
		// http.Server has lifted it and reads in the background, but that read may have
		// set it again. One that passed later would end the request's context.
		_ = c.Conn.SetReadDeadline(time.Time{})
	default:
		_ = c.Conn.SetReadDeadline(c.step.whole)
	}
	c.step = step{}
	c.leave()
}

// body is the body of the request that a connection brings.
type body struct {
	io.ReadCloser
	conn *conn
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil {
		b.conn.complete(errors.Is(err, io.EOF))
	}
	return n, err
}
