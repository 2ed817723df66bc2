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
	// troubleTime is for how long Trouble reports what has gone wrong.
	troubleTime = 10 * time.Second
	// leastWait is how long a connection in the middle of a request must have waited
	// for its peer to be closed for another. What has come is often not read yet: on
	// a busy machine it is we who are late.
	leastWait = 200 * time.Millisecond
	// fullTime is how long a new connection waits while none can be closed, before
	// it and the next ones are answered 503.
	fullTime = 500 * time.Millisecond
	// lookAgain is how often a new connection looks for one to close.
	lookAgain = 20 * time.Millisecond
)

// errFull is why a connection is not served.
var errFull = errors.New("as many connections as may be open are being answered")

// Config says what a Listener allows.
type Config struct {
	Name   string           // in logs and errors, such as "webhooks"
	Most   int              // connections at a time; at least 1
	Logger *slog.Logger     // nil means none
	Now    func() time.Time // nil means time.Now

	// ReadBuffer bounds what the kernel keeps for each connection, in bytes; 0: as
	// it likes, which can be megabytes.
	ReadBuffer int

	// BodyStep is the time in which a request's body must bring BodyLeast bytes, or
	// its end, again and again; 0: the server's own timeouts alone bound bodies.
	BodyStep  time.Duration
	BodyLeast int           // 0: DefaultBodyLeast
	BodyTime  time.Duration // bound of a whole body; 0: DefaultBodyTime
}

// Defaults of the Config.
const (
	DefaultBodyLeast = 4 << 10
	DefaultBodyTime  = 10 * time.Second
)

// Extra is how many connections beyond most are open at times: those that are
// answered 503, and the one that is about to take the place of another.
func Extra(most int) int { return most/16 + 2 }

// Listener accepts connections for one http.Server. It is safe for concurrent
// use.
type Listener struct {
	net.Listener
	cfg     Config
	reports map[event]*report // fixed after New

	mu      sync.Mutex
	changed sync.Cond // of mu: a connection was closed or began to wait for its peer
	closed  bool
	open    int
	excess  int       // among them, those that are answered 503
	full    time.Time // since when none could be closed at the limit
	idle    line      // between two requests
	waiting line      // in the middle of a request, before the first one, or after the last one
	stats   Stats
	trouble error // what went wrong last
	at      time.Time
}

// Stats are the figures of a Listener since New.
type Stats struct {
	Name         string
	Open         int   // now
	Most         int   // Config.Most
	Evicted      int64 // closed to admit another
	Refused      int64 // answered 503 because none could be closed
	SlowBodies   int64 // cut off for bringing too little
	AcceptErrors int64
}

// New returns a Listener that accepts from l.
func New(l net.Listener, cfg Config) *Listener {
	cfg.Most = max(cfg.Most, 1)
	cfg.BodyLeast = cmp.Or(cfg.BodyLeast, DefaultBodyLeast)
	cfg.BodyTime = cmp.Or(cfg.BodyTime, DefaultBodyTime)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	own := &Listener{Listener: l, cfg: cfg, reports: newReports()}
	own.changed.L = &own.mu
	return own
}

// Stats returns the figures.
func (l *Listener) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Name, s.Open, s.Most = l.cfg.Name, l.open, l.cfg.Most
	return s
}

// Trouble returns why connections were not accepted or not served in the last ten
// seconds; nil if they all were.
func (l *Listener) Trouble() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.trouble == nil || l.cfg.Now().Sub(l.at) > troubleTime {
		return nil
	}
	return fmt.Errorf("%s: %w", l.cfg.Name, l.trouble)
}

// Accept implements net.Listener. An error other than net.ErrClosed is temporary
// for http.Server, which tries again after a pause.
func (l *Listener) Accept() (net.Conn, error) {
	for {
		accepted, err := l.Listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil, err
		case err != nil:
			return nil, l.failed(err)
		}
		if tcp, ok := accepted.(*net.TCPConn); ok && l.cfg.ReadBuffer > 0 {
			_ = tcp.SetReadBuffer(l.cfg.ReadBuffer) // without it the connection works as well
		}
		c := &conn{Conn: accepted, listener: l}
		if l.admit(c) {
			return c, nil
		}
		_ = accepted.Close() // the listener is closed
	}
}

// failed notes an error of accept and frees a descriptor for the next attempt.
func (l *Listener) failed(err error) error {
	l.mu.Lock()
	l.stats.AcceptErrors++
	l.troubled(fmt.Errorf("accept: %w", err))
	victim := l.longest()
	l.mu.Unlock()
	l.say(acceptFailed, "error", err)
	if victim != nil {
		_ = victim.Close()
	}
	return temporary{err}
}

// temporary is an error that http.Server does not end at.
type temporary struct{ error }

func (t temporary) Unwrap() error { return t.error }
func (temporary) Timeout() bool   { return false }
func (temporary) Temporary() bool { return true }

// admit takes a connection in, if need be in the place of another; false if the
// listener was closed.
func (l *Listener) admit(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.closed && l.open-l.excess >= l.cfg.Most {
		if victim := l.longest(); victim != nil {
			l.stats.Evicted++
			l.mu.Unlock()
			l.say(evicted, "connections", l.cfg.Most)
			_ = victim.Close() // takes the lock
			l.mu.Lock()
			continue
		}
		now := time.Now()
		if l.full.IsZero() {
			l.full = now
		}
		if now.Sub(l.full) >= fullTime {
			l.troubled(errFull)
			if l.excess < Extra(l.cfg.Most)-1 {
				c.excess = true
				l.excess++
				l.open++
				return true
			}
		}
		again := time.AfterFunc(lookAgain, l.changed.Signal)
		l.changed.Wait()
		again.Stop()
	}
	if l.closed {
		return false
	}
	l.full = time.Time{}
	l.open++
	return true
}

// longest takes the connection out of its line that has waited longest for its
// peer; nil if none has for long enough. It is called with the lock held.
func (l *Listener) longest() *conn {
	c := l.idle.first
	if c == nil {
		c = l.waiting.first
		if c == nil || time.Since(c.since) < leastWait {
			return nil
		}
	}
	c.leave()
	return c
}

// refused notes that a request was answered 503.
func (l *Listener) refused() {
	l.mu.Lock()
	l.stats.Refused++
	l.troubled(errFull)
	l.mu.Unlock()
	l.say(refused, "connections", l.cfg.Most)
}

// troubled is called with the lock held.
func (l *Listener) troubled(err error) { l.trouble, l.at = err, l.cfg.Now() }

// Close implements net.Listener. Connections that were accepted stay open.
func (l *Listener) Close() error {
	l.mu.Lock()
	l.closed = true
	l.changed.Broadcast()
	l.mu.Unlock()
	return l.Listener.Close()
}
