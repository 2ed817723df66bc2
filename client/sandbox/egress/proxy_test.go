package egress

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

func listen(t *testing.T, allowed []netip.Prefix, excluded string) *Proxy {
	t.Helper()
	p, err := Listen(allowed, excluded)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// through returns an HTTP client that uses the proxy.
func through(t *testing.T, p *Proxy) *http.Client {
	transport := &http.Transport{Proxy: http.ProxyURL(&url.URL{Scheme: "socks5h", Host: p.Addr()})}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func TestAllowedNetworkIsReached(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}))
	t.Cleanup(server.Close)
	client := through(t, listen(t, loopback, ""))
	body := strings.Repeat("all of it comes through ", 100_000)
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	for _, host := range []string{"127.0.0.1", "localhost", "[::ffff:127.0.0.1]"} {
		res, err := client.Post("http://"+host+":"+port, "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		if err != nil || res.Body.Close() != nil || string(got) != body {
			t.Errorf("%s: got %d bytes (%v), want %d", host, len(got), err, len(body))
		}
	}
}

// Every form of a non-public address is refused before a packet is sent.
func TestPrivateAddressesAreRefused(t *testing.T) {
	p := listen(t, nil, "")
	client := through(t, p)
	for _, host := range []string{
		"127.0.0.1", "127.1.2.3", "localhost", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.254", "192.168.1.1",
		"169.254.169.254", "100.64.0.1", "192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255",
		"::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1",
		"::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::1", "2002:a00:1::",
		"2001:0:7f00:1::", "::127.0.0.1",
	} {
		address := net.JoinHostPort(host, "80")
		if res, err := client.Get("http://" + address + "/"); err == nil {
			_ = res.Body.Close()
			t.Errorf("%s: connected, want a refusal", address)
		}
		if ip, err := netip.ParseAddr(host); err == nil {
			address = netip.AddrPortFrom(ip.Unmap(), 80).String()
		}
		if err := p.LastError(address); !errors.Is(err, ErrPrivate) {
			t.Errorf("%s: %v, want %v", address, err, ErrPrivate)
		}
	}
}

// Only the given network is allowed.
func TestOnlyTheAllowedNetworkIsOpen(t *testing.T) {
	p := listen(t, []netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}, "")
	if _, err := through(t, p).Get("http://127.0.0.1:80/"); err == nil || !errors.Is(p.LastError("127.0.0.1:80"), ErrPrivate) {
		t.Errorf("127.0.0.1: %v, %v", err, p.LastError("127.0.0.1:80"))
	}
	server, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	conn, err := p.dial(server.Addr().String())
	if err != nil {
		t.Fatalf("127.0.0.2: %v", err)
	}
	_ = conn.Close()
}

// A blocked host cannot be reached by any of its names and addresses.
func TestBlock(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	_, port, _ := net.SplitHostPort(server.Listener.Addr().String())
	everything := []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}
	p := listen(t, everything, "")
	p.Block("Pictures.test.", port, "443")
	hosts := []string{"127.0.0.1", "127.9.9.9", "localhost", "0.0.0.0", "::", "::1", "::ffff:127.0.0.1", "pictures.test", "PICTURES.TEST."}
	local, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range local {
		hosts = append(hosts, netip.MustParsePrefix(address.String()).Addr().String())
	}
	for _, host := range hosts {
		for _, port := range []string{port, "443"} {
			if conn, err := p.dial(net.JoinHostPort(host, port)); !errors.Is(err, ErrBlocked) {
				t.Errorf("%s at %s: %v, %v, want %v", host, port, conn, err, ErrBlocked)
			}
		}
	}
	// Other ports stay reachable.
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	conn, err := p.dial(other.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

func TestLastError(t *testing.T) {
	p := listen(t, loopback, "closed.test")
	client := through(t, p)
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := gone.Addr().String()
	_ = gone.Close()
	if _, err := client.Get("http://" + closed + "/"); err == nil || !errors.Is(p.LastError(closed), syscall.ECONNREFUSED) {
		t.Errorf("closed port: %v", p.LastError(closed))
	}
	for _, host := range []string{"closed.test:80", "a.closed.test:80", "A.Closed.Test.:80"} {
		var dns *net.DNSError
		if _, err := client.Get("http://" + host + "/"); err == nil || !errors.As(p.LastError(host), &dns) || !dns.IsNotFound {
			t.Errorf("%s: %v", host, p.LastError(host))
		}
	}
	again := httptest.NewUnstartedServer(http.NotFoundHandler())
	_ = again.Listener.Close()
	if again.Listener, err = net.Listen("tcp", closed); err != nil {
		t.Fatal(err)
	}
	again.Start()
	defer again.Close()
	res, err := client.Get("http://" + closed + "/")
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if err := p.LastError(closed); err != nil {
		t.Errorf("an address that is reachable again: %v", err)
	}
}

func TestFailuresAreBounded(t *testing.T) {
	var r failures
	for i := range 3 * maxFailures {
		r.set(string(rune('a'+i%26))+strings.Repeat("x", i), io.EOF)
	}
	if len(r.last) > maxFailures {
		t.Errorf("%d failures stored, want at most %d", len(r.last), maxFailures)
	}
}

// If one side resets the connection, the other side gets a reset. If one side
// closes it, the other side gets EOF.
func TestEndsArePassedOn(t *testing.T) {
	server, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	p := listen(t, loopback, "")
	for _, reset := range []bool{false, true} {
		inside := open(t, p, server.Addr().String())
		outside, err := server.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := inside.Write([]byte("ask")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(outside, make([]byte, 3)); err != nil {
			t.Fatal(err)
		}
		if reset {
			_ = outside.(*net.TCPConn).SetLinger(0)
		}
		_ = outside.Close()
		if _, err := inside.Read(make([]byte, 1)); reset != errors.Is(err, syscall.ECONNRESET) || !reset && err != io.EOF {
			t.Errorf("reset %v: the other side got %v", reset, err)
		}
		_ = inside.Close()
	}
}

// A server that sends nothing and keeps its side open does not occupy a slot for
// long.
func TestSilentServerFreesItsSlot(t *testing.T) {
	browser, inside := pair(t)
	server, outside := pair(t)
	p := &Proxy{linger: time.Millisecond}
	relayed := make(chan struct{})
	go func() {
		defer close(relayed)
		p.relay(inside, outside)
	}()
	if _, err := browser.Write([]byte("ask")); err != nil {
		t.Fatal(err)
	}
	if err := browser.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(server); string(got) != "ask" || err != nil && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("server got %q, %v", got, err)
	}
	select {
	case <-relayed:
	case <-time.After(20 * time.Second):
		t.Error("the connection is still open")
	}
}

// pair returns the two ends of a TCP connection.
func pair(t *testing.T) (one, other *net.TCPConn) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	dialed, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = dialed.Close()
		_ = accepted.Close()
	})
	return dialed.(*net.TCPConn), accepted.(*net.TCPConn)
}

// open returns a raw connection through the proxy.
func open(t *testing.T, p *Proxy, address string) net.Conn {
	t.Helper()
	var dialer net.Dialer
	conn, err := dialer.DialContext(context.Background(), "tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	to := netip.MustParseAddrPort(address)
	request := append([]byte{5, 1, 0, 5, 1, 0, 1}, to.Addr().AsSlice()...)
	if _, err := conn.Write(append(request, byte(to.Port()>>8), byte(to.Port()))); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(conn, make([]byte, 12)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func FuzzReadAddress(f *testing.F) {
	for _, seed := range []string{
		"\x05\x01\x00\x01\x7f\x00\x00\x01\x00\x50", "\x05\x01\x00\x03\x01a\x01\xbb", "\x05\x01\x00\x04" + strings.Repeat("\x00", 18),
		"\x05\x02\x00\x01", "\x04\x01", "\x05\x01\x00\x03\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		address, err := readAddress(bytes.NewReader(data))
		if err != nil {
			return
		}
		if _, _, err := net.SplitHostPort(address); err != nil {
			// A name can contain anything. If it is not a valid host, dialing it fails.
			p := &Proxy{}
			if _, err := p.dial(address); err == nil {
				t.Errorf("%q: connected, want an error", address)
			}
		}
	})
}
