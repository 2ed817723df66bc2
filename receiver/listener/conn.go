package listener

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// conn is a connection of a Listener. While it waits for its peer, it is in one
// of the listener's queues.
type conn struct {
	net.Conn
	listener *Listener
	body     body
	phase    atomic.Int32 // changed only with the listener's lock held

	// The following fields are protected by the listener's lock.
	queue      *queue
	prev, next *conn
	since      time.Time // when the connection entered its queue
	closed     bool
	excess     bool // accepted only to respond with 503
	step       step
}

// The phases of a connection that Read distinguishes.
const (
	starting    = iota // nothing has been read yet
	answering          // between the end of a request and the next one; the connection is not queued for reads
	readingBody        // a body is incomplete
)

// queue contains connections in the order in which they began to wait.
type queue struct{ first, last *conn }

func (q *queue) push(c *conn) {
	c.leave()
	c.queue, c.prev, c.since = q, q.last, time.Now()
	if q.last == nil {
		q.first = c
	} else {
		q.last.next = c
	}
	q.last = c
}

// leave removes c from its queue, if it is in one.
func (c *conn) leave() {
	if c.queue == nil {
		return
	}
	if c.prev == nil {
		c.queue.first = c.next
	} else {
		c.prev.next = c.next
	}
	if c.next == nil {
		c.queue.last = c.prev
	} else {
		c.next.prev = c.prev
	}
	c.queue, c.prev, c.next = nil, nil, nil
}

// waitIn moves c to a queue. If q is nil, it removes c from its queue.
func (c *conn) waitIn(q *queue) {
	l := c.listener
	l.mu.Lock()
	defer l.mu.Unlock()
	if q == nil || c.closed {
		c.leave()
		return
	}
	q.push(c)
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

// Read implements net.Conn. If a body arrived together with its headers, it is
// already buffered and not read here, so it has no extra cost.
func (c *conn) Read(p []byte) (int, error) {
	switch c.phase.Load() {
	case starting:
		c.phase.Store(answering)
		c.waitIn(&c.listener.waiting)
	case readingBody:
		if c.await() {
			n, err := c.Conn.Read(p)
			c.received(n, err)
			return n, err
		}
	}
	return c.Conn.Read(p)
}

// ReadFrom lets the underlying net.Conn send files without copying them.
func (c *conn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }

// CloseWrite closes the write side if the connection supports it. http.Server
// calls it so that a last response reaches a peer that is still sending.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

// step is a period in which a minimum number of bytes of a body must arrive.
type step struct {
	bodyDeadline time.Time // deadline for the whole body; zero before the first read
	deadline     time.Time
	bytes        int
}

// await begins to wait for more of a body, until the end of the step. It returns
// false if the body is complete, because the next read then belongs to the next
// request.
func (c *conn) await() bool {
	l := c.listener
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.phase.Load() != readingBody {
		return false
	}
	if c.closed {
		return true
	}
	if c.step.bodyDeadline.IsZero() {
		c.step.bodyDeadline = time.Now().Add(l.cfg.BodyTime)
	}
	if c.step.deadline.IsZero() || c.step.bytes >= l.cfg.MinBodyBytes {
		c.step.deadline, c.step.bytes = time.Now().Add(l.cfg.BodyStep), 0
		if c.step.bodyDeadline.Before(c.step.deadline) {
			c.step.deadline = c.step.bodyDeadline
		}
		_ = c.Conn.SetReadDeadline(c.step.deadline) // if this fails, the read fails as well
	}
	if c.queue == nil { // enter the queue once per body, not once per read
		l.waiting.push(c)
		l.changed.Signal()
	}
	return true
}

// received records the bytes of a body that have arrived.
func (c *conn) received(n int, err error) {
	l := c.listener
	l.mu.Lock()
	c.step.bytes += n
	slow := c.phase.Load() == readingBody && errors.Is(err, os.ErrDeadlineExceeded)
	if slow {
		l.stats.SlowBodies++
	}
	l.mu.Unlock()
	if slow {
		l.log(slowBody, "remote", c.RemoteAddr().String())
	}
}

// beginBody wraps the body of a request and starts its deadlines.
func (c *conn) beginBody(source io.ReadCloser) io.ReadCloser {
	c.listener.mu.Lock()
	defer c.listener.mu.Unlock()
	c.phase.Store(readingBody)
	c.body = body{source, c}
	return &c.body
}

// complete records that a body no longer needs to be waited for. If all is true,
// it was read to its end. Otherwise the server might continue to read for a
// while.
func (c *conn) complete(all bool) {
	l := c.listener
	l.mu.Lock()
	defer l.mu.Unlock()
	if c.phase.Load() != readingBody {
		return
	}
	c.phase.Store(answering)
	switch {
	case c.step.deadline.IsZero(): // the server's deadline applies
	case all:
		// http.Server has removed the deadline and reads in the background, but that
		// read might have set the deadline again. If it expired later, it would end
		// the request's context.
		_ = c.Conn.SetReadDeadline(time.Time{})
	default:
		_ = c.Conn.SetReadDeadline(c.step.bodyDeadline)
	}
	c.step = step{}
	c.leave()
}

// body is the body of a request on a connection.
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
