package tasks

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
)

// renewAfter is the number of tasks after which the server is replaced. miniredis
// keeps the name of every key that it has ever stored, about 100 bytes per task.
const renewAfter = 200_000

// embedded is a miniredis in this process. Its connections are in memory, so
// there is no open port and no password is needed.
type embedded struct {
	stop chan struct{}
	done chan struct{}

	mu     sync.Mutex
	server *miniredis.Miniredis
	left   int // number of tasks until the server is replaced
	closed bool
}

// startEmbedded starts the server and the goroutine for its expiries. Both end
// with close.
func startEmbedded() *embedded {
	e := &embedded{server: miniredis.NewMiniRedis(), left: renewAfter, stop: make(chan struct{}), done: make(chan struct{})}
	go e.advanceTime()
	return e
}

func (e *embedded) connection() connection {
	return connection{
		description: "embedded queue",
		client: func(conns *connGroup) redis.UniversalClient {
			return newClient(redis.Options{
				Addr:   "embedded",
				Dialer: func(context.Context, string, string) (net.Conn, error) { return e.connect() },
			}, conns)
		},
	}
}

// connect opens a connection. It checks the flag because a closed miniredis would
// start again when dialed.
func (e *embedded) connect() (net.Conn, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, errors.New("embedded queue is closed")
	}
	return e.server.Dial()
}

// advanceTime lets keys expire in real time. miniredis is made for tests, and its
// time advances only if FastForward is called.
func (e *embedded) advanceTime() {
	defer close(e.done)
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for last := time.Now(); ; {
		select {
		case <-e.stop:
			return
		case now := <-ticker.C:
			e.renew()
			e.server.FastForward(now.Sub(last))
			last = now
		}
	}
}

// count counts a task.
func (e *embedded) count() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.left--
}

// renew replaces the server with an empty one if it has reached its number of
// tasks. Its tasks are lost, as in any Redis outage, and are derived again.
func (e *embedded) renew() {
	e.mu.Lock()
	if e.left > 0 {
		e.mu.Unlock()
		return
	}
	old := e.server
	e.server, e.left = miniredis.NewMiniRedis(), renewAfter
	e.mu.Unlock()
	old.Close()
}

func (e *embedded) close() {
	e.mu.Lock()
	closed := e.closed
	e.closed = true
	e.mu.Unlock()
	if closed {
		return
	}
	close(e.stop)
	<-e.done
	e.server.Close()
}
