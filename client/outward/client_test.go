package outward

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// dnsServer is a DNS server on loopback. It answers each query with the next set
// of addresses and repeats the last one.
type dnsServer struct {
	conn    net.PacketConn
	answers atomic.Pointer[[][]string]
	queries atomic.Int64
}

func newDNSServer(t *testing.T, answers ...[]string) *dnsServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &dnsServer{conn: conn}
	n.answers.Store(&answers)
	ended := make(chan struct{})
	go func() { defer close(ended); n.serve() }()
	t.Cleanup(func() { _ = conn.Close(); <-ended })
	return n
}

func (n *dnsServer) serve() {
	buffer := make([]byte, 1500)
	for {
		size, from, err := n.conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		var question dnsmessage.Message
		if question.Unpack(buffer[:size]) != nil || len(question.Questions) != 1 {
			continue
		}
		if packed, err := n.answer(question); err == nil {
			_, _ = n.conn.WriteTo(packed, from)
		}
	}
}

func (n *dnsServer) answer(query dnsmessage.Message) ([]byte, error) {
	q := query.Questions[0]
	reply := dnsmessage.Message{Header: dnsmessage.Header{ID: query.ID, Response: true, Authoritative: true}, Questions: query.Questions}
	if q.Type == dnsmessage.TypeA {
		answers := *n.answers.Load()
		turn := min(n.queries.Add(1), int64(len(answers))) - 1
		for _, address := range answers[turn] {
			reply.Answers = append(reply.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class},
				Body:   &dnsmessage.AResource{A: netip.MustParseAddr(address).As4()},
			})
		}
	}
	return reply.Pack()
}

func (n *dnsServer) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", n.conn.LocalAddr().String())
	}}
}

// listenEverywhere starts a server on all addresses of this machine and counts
// its connections.
func listenEverywhere(t *testing.T, handler http.Handler) (port string, connections *atomic.Int64) {
	t.Helper()
	listener, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	connections = new(atomic.Int64)
	server := httptest.NewUnstartedServer(handler)
	server.Listener.Close()
	server.Listener = listener
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	_, port, _ = net.SplitHostPort(listener.Addr().String())
	return port, connections
}

func ok(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }

// 127.0.0.2 is allowed and stands for a public address.
func TestNameThatResolvesToAnotherAddressLaterIsRefused(t *testing.T) {
	port, connections := listenEverywhere(t, http.HandlerFunc(ok))
	dns := newDNSServer(t, []string{"127.0.0.2"}, []string{"127.0.0.2"}, []string{"127.0.0.1"})
	g := NewGuard([]netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")})
	client := g.client(Limits{Time: 10 * time.Second}, dns.resolver())
	defer client.CloseIdleConnections()
	url := "http://rebind.example:" + port + "/"

	if err := g.CheckURL(url); err != nil {
		t.Fatal(err)
	}
	addresses, err := dns.resolver().LookupNetIP(t.Context(), "ip4", "rebind.example.")
	if err != nil || len(addresses) != 1 || !g.allows(addresses[0]) {
		t.Fatalf("before the call: got %v, %v, want one allowed address", addresses, err)
	}
	answer, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	client.CloseIdleConnections()
	if answer, err := client.Get(url); !errors.Is(err, ErrPrivate) {
		t.Errorf("second call: got %v, %v, want ErrPrivate", answer, err)
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

func TestPrivateAddressesOfANameAreNotReached(t *testing.T) {
	port, connections := listenEverywhere(t, http.HandlerFunc(ok))
	for _, host := range []string{"all-private.example", "0x7f.1", "2130706433", "0177.0.0.1", "127.1", "localhost.example"} {
		dns := newDNSServer(t, []string{"127.0.0.1", "127.0.0.3", "127.9.9.9"})
		client := NewGuard([]netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}).client(Limits{Time: 10 * time.Second}, dns.resolver())
		var unknown *net.DNSError // Go does not look up a name that looks like a number
		if answer, err := client.Get("http://" + host + ":" + port + "/"); !errors.Is(err, ErrPrivate) && !errors.As(err, &unknown) {
			t.Errorf("%s: %v %v", host, answer, err)
		}
		client.CloseIdleConnections()
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections, want 0", n)
	}
}

// loopback returns a client that can call this machine.
func loopback(t *testing.T, l Limits) *http.Client {
	client := NewGuard([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}).Client(l)
	t.Cleanup(client.CloseIdleConnections)
	return client
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	target, connections := listenEverywhere(t, http.HandlerFunc(ok))
	for _, status := range []int{301, 302, 303, 307, 308} {
		redirect := httptest.NewServer(http.RedirectHandler("http://127.0.0.1:"+target+"/", status))
		answer, err := loopback(t, Limits{}).Post(redirect.URL, "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != status {
			t.Errorf("status %d: got %d", status, answer.StatusCode)
		}
		redirect.Close()
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("%d redirects were followed", n)
	}
}

func TestProxiesOfTheEnvironmentAreNotUsed(t *testing.T) {
	proxy, connections := listenEverywhere(t, http.HandlerFunc(ok))
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
		t.Setenv(name, "http://127.0.0.1:"+proxy)
	}
	transport := loopback(t, Limits{}).Transport.(bounded)
	if transport.Proxy != nil {
		t.Error("a proxy is configured")
	}
	if answer, err := loopback(t, Limits{}).Get("http://192.0.2.1/"); !errors.Is(err, ErrPrivate) {
		t.Errorf("%v %v", answer, err)
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections to the proxy, want 0", n)
	}
}

func TestResponsesAreLimited(t *testing.T) {
	for _, tt := range []struct {
		size int
		want error
	}{{0, nil}, {99, nil}, {100, nil}, {101, ErrTooLarge}, {1 << 20, ErrTooLarge}} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(make([]byte, tt.size)) }))
		answer, err := loopback(t, Limits{Body: 100}).Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if !errors.Is(err, tt.want) || len(body) != min(tt.size, 100) {
			t.Errorf("%d bytes: read %d, %v", tt.size, len(body), err)
		}
		server.Close()
	}
	huge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) }))
	defer huge.Close()
	if answer, err := loopback(t, Limits{}).Get(huge.URL); err == nil {
		answer.Body.Close()
		t.Error("a header of a megabyte was accepted")
	}
}

func TestReason(t *testing.T) {
	hang := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/hang":
			<-hang
		case "/cut":
			panic(http.ErrAbortHandler)
		}
	}))
	defer server.Close()
	defer close(hang)
	secure := httptest.NewUnstartedServer(http.HandlerFunc(ok))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	gone := httptest.NewServer(http.HandlerFunc(ok))
	gone.Close()
	for url, want := range map[string]string{
		server.URL + "/hang": "timed out", server.URL + "/cut": "connection closed before the response", gone.URL: "connection refused",
		secure.URL: "the certificate is not accepted", "http://10.0.0.1/hunter2": "not a public address", strings.Replace(server.URL, "http:", "https:", 1): "no usable response",
	} {
		limits := Limits{}
		if want == "timed out" {
			limits.Time = 100 * time.Millisecond
		}
		answer, err := loopback(t, limits).Get(url)
		if err == nil {
			answer.Body.Close()
		}
		if got := Reason(err); got != want {
			t.Errorf("%s: %q, want %q (%v)", url, got, want, err)
		}
	}
	if got := Reason(&net.DNSError{IsNotFound: true, Name: "hunter2"}); got != "no such host" {
		t.Error(got)
	}
}
