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

// renewAfter is how many tasks a server may see. miniredis remembers the name
// of every key it ever held, about 100 bytes for each task.
const renewAfter = 200_000

// embedded is a miniredis in this process. Connections run through memory, so
// no port is open and no password is needed.
type embedded struct {
	stop chan struct{}
	done chan struct{}

	mu     sync.Mutex
	server *miniredis.Miniredis
	left   int // tasks until the server is renewed
	closed bool
}

// startEmbedded starts the server and the clock of its expiries; close ends both.
func startEmbedded() *embedded {
	e := &embedded{server: miniredis.NewMiniRedis(), left: renewAfter, stop: make(chan struct{}), done: make(chan struct{})}
	go e.age()
	return e
}

func (e *embedded) connection() connection {
	return connection{
		description: "embedded queue",
		client: func(l *line) redis.UniversalClient {
			return newClient(redis.Options{
				Addr:   "embedded",
				Dialer: func(context.Context, string, string) (net.Conn, error) { return e.connect() },
			}, l)
		},
	}
}

// connect opens a connection. A closed miniredis would start anew when dialled,
// hence the flag.
func (e *embedded) connect() (net.Conn, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, errors.New("embedded queue is closed")
	}
	return e.server.Dial()
}

// age lets keys expire in real time: in miniredis, made for tests, time stands
// still unless told otherwise.
func (e *embedded) age() {
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

// renew puts an empty server in place of one that has seen its share of tasks.
// Those it holds are lost, as with any Redis that vanishes, and derived anew.
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
