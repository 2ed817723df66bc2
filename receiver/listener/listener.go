package listener

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

const (
	// troubleTime is how long Trouble returns an error after it occurred.
	troubleTime = 10 * time.Second
	// minWait is how long a connection in the middle of a request must have waited
	// for its peer before it can be closed for another. On a busy machine the data
	// has often arrived but has not been read yet. The server is late then, not the
	// peer.
	minWait = 200 * time.Millisecond
	// fullTime is how long a new connection waits if none can be closed. After
	// that, it and the next ones get a 503.
	fullTime = 500 * time.Millisecond
	// recheckTime is how often a waiting connection checks again for one that can
	// be closed.
	recheckTime = 20 * time.Millisecond
)

// errFull is the reason for a 503.
var errFull = errors.New("the maximum number of connections is being answered")

// Config is the configuration of a Listener.
type Config struct {
	Name           string           // for logs and errors, such as "webhooks"
	MaxConnections int              // maximum number of connections; at least 1
	Logger         *slog.Logger     // nil means no logging
	Now            func() time.Time // nil means time.Now

	// ReadBuffer is the size of the kernel's receive buffer per connection in
	// bytes. If it is 0, the kernel decides, and a buffer can grow to megabytes.
	ReadBuffer int

	// BodyStep is the period in which MinBodyBytes bytes of a body, or its end, must
	// arrive, again and again until the body is complete. If it is 0, only the
	// server's own timeouts apply to bodies.
	BodyStep     time.Duration
	MinBodyBytes int           // 0 means DefaultMinBodyBytes
	BodyTime     time.Duration // maximum time for a whole body; 0 means DefaultBodyTime
}

// Default values of Config.
const (
	DefaultMinBodyBytes = 4 << 10
	DefaultBodyTime     = 10 * time.Second
)

// Extra returns how many connections beyond most can be open at a time: those
// that get a 503, and the one that is about to replace another.
func Extra(most int) int { return most/16 + 2 }

// Listener accepts connections for one http.Server. It is safe for concurrent
// use.
type Listener struct {
	net.Listener
	cfg     Config
	reports map[event]*report // not modified after New

	mu        sync.Mutex
	changed   sync.Cond // uses mu; signaled if a connection was closed or begins to wait for its peer
	closed    bool
	open      int
	excess    int       // number of open connections that get a 503
	full      time.Time // since when the limit is reached and no connection can be closed
	idle      queue     // connections between two requests
	waiting   queue     // connections in the middle of a request, before the first or after the last one
	stats     Stats
	trouble   error // most recent error
	troubleAt time.Time
}

// Stats are counters of a Listener since New.
type Stats struct {
	Name           string
	Open           int   // connections open now
	MaxConnections int   // Config.MaxConnections
	Evicted        int64 // connections closed to accept another
	Refused        int64 // requests answered with 503 because no connection could be closed
	SlowBodies     int64 // bodies cut off because they were too slow
	AcceptErrors   int64
}

// New returns a Listener that accepts connections from l.
func New(l net.Listener, cfg Config) *Listener {
	cfg.MaxConnections = max(cfg.MaxConnections, 1)
	cfg.MinBodyBytes = cmp.Or(cfg.MinBodyBytes, DefaultMinBodyBytes)
	cfg.BodyTime = cmp.Or(cfg.BodyTime, DefaultBodyTime)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	wrapped := &Listener{Listener: l, cfg: cfg, reports: newReports()}
	wrapped.changed.L = &wrapped.mu
	return wrapped
}

// Stats returns the current counters.
func (l *Listener) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Name, s.Open, s.MaxConnections = l.cfg.Name, l.open, l.cfg.MaxConnections
	return s
}

// RecentError returns why connections were not accepted or not served in the last ten
// seconds. It returns nil if there was no error.
func (l *Listener) RecentError() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.trouble == nil || l.cfg.Now().Sub(l.troubleAt) > troubleTime {
		return nil
	}
	return fmt.Errorf("%s: %w", l.cfg.Name, l.trouble)
}

// Accept implements net.Listener. Errors other than net.ErrClosed are temporary,
// so http.Server tries again after a pause.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		accepted, err := l.Listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil, err
		case err != nil:
			return nil, l.acceptError(err)
		}
		if tcp, ok := accepted.(*net.TCPConn); ok && l.cfg.ReadBuffer > 0 {
			_ = tcp.SetReadBuffer(l.cfg.ReadBuffer) // ignore the error: the connection works with the default size
		}
		c := &conn{Conn: accepted, listener: l}
		if l.admit(c) {
			return c, nil
		}
		_ = accepted.Close() // the listener is closed
	}
}

// acceptError records an error of Accept and frees a descriptor for the next
// attempt.
func (l *Listener) acceptError(err error) error {
	l.mu.Lock()
	l.stats.AcceptErrors++
	l.setTrouble(fmt.Errorf("accept: %w", err))
	victim := l.longestWaiting()
	l.mu.Unlock()
	l.log(acceptFailed, "error", err)
	if victim != nil {
		_ = victim.Close()
	}
	return temporary{err}
}

// temporary is an error that does not stop http.Server.
type temporary struct{ error }

func (t temporary) Unwrap() error { return t.error }
func (temporary) Timeout() bool   { return false }
func (temporary) Temporary() bool { return true }

// admit adds a connection. At the limit it closes another one or waits. It
// returns false if the listener was closed.
func (l *Listener) admit(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.closed && l.open-l.excess >= l.cfg.MaxConnections {
		if victim := l.longestWaiting(); victim != nil {
			l.stats.Evicted++
			l.mu.Unlock()
			l.log(evicted, "connections", l.cfg.MaxConnections)
			_ = victim.Close() // acquires the lock
			l.mu.Lock()
			continue
		}
		now := time.Now()
		if l.full.IsZero() {
			l.full = now
		}
		if now.Sub(l.full) >= fullTime {
			l.setTrouble(errFull)
			if l.excess < Extra(l.cfg.MaxConnections)-1 {
				c.excess = true
				l.excess++
				l.open++
				return true
			}
		}
		recheck := time.AfterFunc(recheckTime, l.changed.Signal)
		l.changed.Wait()
		recheck.Stop()
	}
	if l.closed {
		return false
	}
	l.full = time.Time{}
	l.open++
	return true
}

// longestWaiting removes the connection that has waited longest for its peer from
// its queue and returns it. It returns nil if no connection has waited long
// enough. The lock must be held.
func (l *Listener) longestWaiting() *conn {
	c := l.idle.first
	if c == nil {
		c = l.waiting.first
		if c == nil || time.Since(c.since) < minWait {
			return nil
		}
	}
	c.leave()
	return c
}

// countRefused records that a request got a 503.
func (l *Listener) countRefused() {
	l.mu.Lock()
	l.stats.Refused++
	l.setTrouble(errFull)
	l.mu.Unlock()
	l.log(refused, "connections", l.cfg.MaxConnections)
}

// setTrouble records the most recent error. The lock must be held.
func (l *Listener) setTrouble(err error) { l.trouble, l.troubleAt = err, l.cfg.Now() }

// Close implements net.Listener. Accepted connections stay open.
func (l *Listener) Close() error {
	l.mu.Lock()
	l.closed = true
	l.changed.Broadcast()
	l.mu.Unlock()
	return l.Listener.Close()
}
