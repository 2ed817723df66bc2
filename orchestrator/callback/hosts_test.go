package callback

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// everyHost sends callbacks for all host names to one target.
func everyHost(t *testing.T, to *target) func(*Parts) {
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, to.Listener.Addr().String())
		},
		DisableKeepAlives: true,
	}
	t.Cleanup(transport.CloseIdleConnections)
	return func(p *Parts) { p.Transport = transport }
}

// 300 hosts below one domain never respond. Their first attempts alone would fill
// all slots for more than two minutes.
func TestHangingHostsDoNotDelayOthers(t *testing.T) {
	t.Parallel()
	r := newLiveRig(t)
	r.claimFor = claimTime
	const hosts, each = 300, 40
	release, calls := make(chan struct{}), make(chan string, 10*each)
	hanging := make(chan struct{}, 10*hosts)
	to := newTarget(t, nil)
	to.setAnswer(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Host, "attack") {
			calls <- r.Host
			return
		}
		hanging <- struct{}{}
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	r.processWith("w1", "", everyHost(t, to))
	wantCall := func(host string) {
		t.Helper()
		select {
		case got := <-calls:
			if host != "" && got != host {
				t.Fatalf("got a call for %s, want %s", got, host)
			}
		case <-time.After(30 * time.Second):
			t.Fatalf("got no call, want one for %s", host)
		}
	}
	r.cancel(r.job("http://known.example/"))
	wantCall("known.example")
	for n := range hosts {
		r.cancel(r.job(fmt.Sprintf("http://h%d.attack.example/", n)), r.job(fmt.Sprintf("http://h%d.attack.test/", n%3)))
	}
	for range 8 + 3 {
		<-hanging
	}
	for range each {
		r.cancel(r.job("http://known.example/"))
	}
	for range each {
		wantCall("known.example")
	}
	for n := range 5 {
		host := fmt.Sprintf("new%d.example", n)
		for range 4 {
			r.cancel(r.job("http://" + host + "/"))
		}
		for range 4 {
			wantCall(host)
		}
	}
}

// switchProtocols answers 101 and keeps the connection until the client closes
// it.
func switchProtocols(w http.ResponseWriter, _ *http.Request) {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
	_, _ = io.Copy(io.Discard, buffered)
}
