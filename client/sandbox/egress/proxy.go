// Package egress is a browser's way out into the network: a SOCKS5 proxy on
// loopback that resolves and dials by itself, and only what it may.
//
// Public addresses are open on every port; of others a guard of package outward
// lets those be dialled that lie in a network that was allowed.
//
// The proxy asks for no password, because browsers cannot give one. Whoever is
// on this machine can use it, and reaches by it what they reach anyway.
package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"syscall"
	"time"

	"shotline/client/outward"
)

const (
	handshakeTime = 10 * time.Second
	dialTime      = 15 * time.Second
	lingerTime    = 10 * time.Second // for a server whose browser has closed its side
	maxOpen       = 1024             // connections at once; further ones wait
)

// ErrPrivate is why an address was refused that is not public and was not
// allowed.
var ErrPrivate = outward.ErrPrivate

// Proxy is a running proxy. Its methods are safe for concurrent use.
type Proxy struct {
	listener net.Listener
	dialer   net.Dialer
	closed   string // domain whose hosts do not exist here
	linger   time.Duration
	shut     shut
	reasons  reasons

	ctx    context.Context
	cancel context.CancelFunc
	slots  chan struct{}
	wg     sync.WaitGroup
}

// Listen starts a proxy on a free loopback port. Addresses in the networks
// allowed may be dialled though they are not public. Hosts of the domain
// closed, and below it, do not exist for this proxy; empty: none.
func Listen(allowed []netip.Prefix, closed string) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the browser: %w", err)
	}
	guard := outward.NewGuard(allowed)
	p := &Proxy{
		listener: listener,
		closed:   closed,
		linger:   lingerTime,
		slots:    make(chan struct{}, maxOpen),
	}
	p.dialer = net.Dialer{Timeout: dialTime, Control: func(network, address string, raw syscall.RawConn) error {
		if p.shut.byAddress(address) {
			return ErrShut
		}
		return guard.Control(network, address, raw)
	}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.wg.Go(p.accept)
	return p, nil
}

// Addr is the proxy's host and port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Why returns what last went wrong when host:port was dialled, nil when nothing
// did or it is long forgotten: the browser itself learns only that the proxy
// has failed. It wraps ErrPrivate, ErrShut, a *net.DNSError or a syscall.Errno.
func (p *Proxy) Why(address string) error { return p.reasons.get(address) }

// Close ends all connections and waits for them.
func (p *Proxy) Close() error {
	p.cancel()
	err := p.listener.Close()
	p.wg.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		select {
		case p.slots <- struct{}{}:
		case <-p.ctx.Done():
			return
		}
		conn, err := p.listener.Accept()
		if err != nil {
			return // closed
		}
		p.wg.Go(func() {
			defer func() { <-p.slots }()
			p.serve(conn.(*net.TCPConn))
		})
	}
}

// serve carries one connection to its end.
func (p *Proxy) serve(inside *net.TCPConn) {
	defer inside.Close()
	release := context.AfterFunc(p.ctx, func() { _ = inside.Close() })
	defer release()

	address, err := readRequest(inside)
	if err != nil {
		return
	}
	outside, err := p.dial(address)
	p.reasons.set(address, err)
	if err != nil {
		_ = writeReply(inside, unreachable)
		return
	}
	defer outside.Close()
	stop := context.AfterFunc(p.ctx, func() { _ = outside.Close() })
	defer stop()
	if writeReply(inside, succeeded) == nil {
		p.carry(inside, outside)
	}
}

func (p *Proxy) dial(address string) (*net.TCPConn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	host = plain(host)
	if p.shut.byName(host, port) {
		return nil, fmt.Errorf("%s: %w", address, ErrShut)
	}
	if p.closed != "" && (host == p.closed || strings.HasSuffix(host, "."+p.closed)) {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	conn, err := p.dialer.DialContext(p.ctx, "tcp", address)
	if errors.Is(err, ErrPrivate) {
		return nil, fmt.Errorf("%s: %w", host, ErrPrivate)
	}
	if err != nil {
		return nil, err
	}
	return conn.(*net.TCPConn), nil
}

// carry copies in both directions until both have ended. A server that goes on
// after the browser has closed its side is not waited for: its slot would be
// lost to others.
func (p *Proxy) carry(inside, outside *net.TCPConn) {
	var back sync.WaitGroup
	back.Go(func() { pour(inside, outside) })
	pour(outside, inside)
	_ = outside.SetReadDeadline(time.Now().Add(p.linger))
	back.Wait()
}

// pour copies one direction. An end is handed on as an end, a broken connection
// as a reset, so that each side sees what happened to the other.
func pour(to, from *net.TCPConn) {
	if _, err := to.ReadFrom(from); err != nil {
		for _, conn := range []*net.TCPConn{to, from} {
			_ = conn.SetLinger(0)
			_ = conn.Close()
		}
		return
	}
	_ = to.CloseWrite()
}
