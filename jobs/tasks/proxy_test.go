package tasks

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// proxy forwards connections between a queue and its redis-server and counts
// requests. It can refuse connections and delay responses.
type proxy struct {
	listener net.Listener
	socket   string
	dials    atomic.Int64
	requests atomic.Int64 // parts of a request count as well
	delay    atomic.Int64 // delay of every response
	running  sync.WaitGroup

	mu       sync.Mutex
	refusing bool // whether connections are refused
	conns    map[net.Conn]struct{}
}

func newProxy(t *testing.T, r *redisServer) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	p := &proxy{listener: listener, socket: r.socket, conns: map[net.Conn]struct{}{}}
	p.running.Go(p.serve)
	t.Cleanup(func() {
		_ = listener.Close()
		p.refuse(true)
		p.running.Wait()
	})
	return p
}

func (p *proxy) url() string { return "redis://" + p.listener.Addr().String() }

// refuse closes all connections and refuses new ones, or accepts connections
// again.
func (p *proxy) refuse(refusing bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refusing = refusing
	if refusing {
		for conn := range p.conns {
			_ = conn.Close()
		}
		clear(p.conns)
	}
}

func (p *proxy) serve() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.dials.Add(1)
		p.running.Go(func() { p.forward(in) })
	}
}

func (p *proxy) forward(in net.Conn) {
	defer in.Close()
	out, err := net.Dial("unix", p.socket)
	if err != nil {
		return
	}
	defer out.Close()
	if !p.add(in, out) {
		return
	}
	defer p.remove(in, out)
	var responses sync.WaitGroup
	responses.Go(func() {
		defer in.Close()
		p.copy(in, out, func() { time.Sleep(time.Duration(p.delay.Load())) })
	})
	p.copy(out, in, func() { p.requests.Add(1) })
	_ = out.Close()
	responses.Wait()
}

func (p *proxy) copy(to io.Writer, from io.Reader, before func()) {
	part := make([]byte, 16<<10)
	for {
		n, err := from.Read(part)
		if n > 0 {
			before()
			if _, err := to.Write(part[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *proxy) add(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		if p.refusing {
			return false
		}
		p.conns[conn] = struct{}{}
	}
	return true
}

func (p *proxy) remove(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		delete(p.conns, conn)
	}
}
