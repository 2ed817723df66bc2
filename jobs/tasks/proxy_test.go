package tasks

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// proxy stands between a queue and its redis-server, counts what comes in, and
// can refuse it or be slow.
type proxy struct {
	listener net.Listener
	socket   string
	dials    atomic.Int64
	requests atomic.Int64 // or parts of them
	delay    atomic.Int64 // of every answer
	running  sync.WaitGroup

	mu    sync.Mutex
	shut  bool // connections end at once
	conns map[net.Conn]struct{}
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

// refuse ends all connections and those to come, or lets them live again.
func (p *proxy) refuse(shut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.shut = shut
	if shut {
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
		p.running.Go(func() { p.pass(in) })
	}
}

func (p *proxy) pass(in net.Conn) {
	defer in.Close()
	out, err := net.Dial("unix", p.socket)
	if err != nil {
		return
	}
	defer out.Close()
	if !p.keep(in, out) {
		return
	}
	defer p.forget(in, out)
	var answers sync.WaitGroup
	answers.Go(func() {
		defer in.Close()
		p.copy(in, out, func() { time.Sleep(time.Duration(p.delay.Load())) })
	})
	p.copy(out, in, func() { p.requests.Add(1) })
	_ = out.Close()
	answers.Wait()
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

func (p *proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		if p.shut {
			return false
		}
		p.conns[conn] = struct{}{}
	}
	return true
}

func (p *proxy) forget(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range conns {
		delete(p.conns, conn)
	}
}
