// Package egress is the network access of the browser: a SOCKS5 proxy on loopback
// that resolves names, checks addresses and connects by itself.
//
// Connections to public addresses are allowed on every port. Other addresses are
// only allowed in the networks that are given to Listen; package outward checks
// this.
//
// The proxy requires no password, because browsers cannot send one to a SOCKS5
// proxy. Every local user can use the proxy, but reaches nothing through it that
// is not also reachable directly.
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
	lingerTime    = 10 * time.Second // for a server after the browser has closed its side
	maxOpen       = 1024             // open connections; further ones wait
)

// ErrPrivate is the error for an address that is neither public nor allowed.
var ErrPrivate = outward.ErrPrivate

// Proxy is a running proxy. Its methods are safe for concurrent use.
type Proxy struct {
	listener  net.Listener
	dialer    net.Dialer
	excluded  string // domain that does not exist for this proxy
	linger    time.Duration
	blocklist blocklist
	failures  failures

	ctx    context.Context
	cancel context.CancelFunc
	slots  chan struct{}
	wg     sync.WaitGroup
}

// Listen starts a proxy on a free loopback port. It allows connections to
// addresses in the networks allowed even if they are not public. Names in the
// domain excluded do not exist for this proxy, unless excluded is empty.
func Listen(allowed []netip.Prefix, excluded string) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the browser: %w", err)
	}
	guard := outward.NewGuard(allowed)
	p := &Proxy{
		listener: listener,
		excluded: excluded,
		linger:   lingerTime,
		slots:    make(chan struct{}, maxOpen),
	}
	p.dialer = net.Dialer{Timeout: dialTime, Control: func(network, address string, raw syscall.RawConn) error {
		if p.blocklist.byAddress(address) {
			return ErrBlocked
		}
		return guard.Control(network, address, raw)
	}}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.wg.Go(p.accept)
	return p, nil
}

// Addr returns the proxy's host and port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// LastError returns the error of the latest attempt to connect to host:port. It
// returns nil if that attempt succeeded, or if the error is no longer stored. The
// browser itself learns only that the proxy failed. The error wraps ErrPrivate,
// ErrBlocked, a *net.DNSError or a syscall.Errno.
func (p *Proxy) LastError(address string) error { return p.failures.get(address) }

// Close closes all connections and waits until they have ended.
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
			return // the listener is closed
		}
		p.wg.Go(func() {
			defer func() { <-p.slots }()
			p.serve(conn.(*net.TCPConn))
		})
	}
}

// serve handles one connection.
func (p *Proxy) serve(client *net.TCPConn) {
	defer client.Close()
	release := context.AfterFunc(p.ctx, func() { _ = client.Close() })
	defer release()

	address, err := readRequest(client)
	if err != nil {
		return
	}
	server, err := p.dial(address)
	p.failures.set(address, err)
	if err != nil {
		_ = writeReply(client, unreachable)
		return
	}
	defer server.Close()
	stop := context.AfterFunc(p.ctx, func() { _ = server.Close() })
	defer stop()
	if writeReply(client, succeeded) == nil {
		p.relay(client, server)
	}
}

func (p *Proxy) dial(address string) (*net.TCPConn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	host = normalHost(host)
	if p.blocklist.byName(host, port) {
		return nil, fmt.Errorf("%s: %w", address, ErrBlocked)
	}
	if p.excluded != "" && (host == p.excluded || strings.HasSuffix(host, "."+p.excluded)) {
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

// relay copies data in both directions until both have ended. After the browser
// has closed its side, relay waits only a limited time for the server, because
// the connection occupies a slot.
func (p *Proxy) relay(client, server *net.TCPConn) {
	var back sync.WaitGroup
	back.Go(func() { copyOneWay(client, server) })
	copyOneWay(server, client)
	_ = server.SetReadDeadline(time.Now().Add(p.linger))
	back.Wait()
}

// copyOneWay copies data in one direction. It passes on the end of the stream as
// such, and a broken connection as a reset, so that each side sees what happened
// to the other.
func copyOneWay(to, from *net.TCPConn) {
	if _, err := to.ReadFrom(from); err != nil {
		for _, conn := range []*net.TCPConn{to, from} {
			_ = conn.SetLinger(0)
			_ = conn.Close()
		}
		return
	}
	_ = to.CloseWrite()
}
