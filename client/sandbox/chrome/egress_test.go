package chrome

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"shotline/client/sandbox"
	"shotline/client/sandbox/pages"
)

// TestPrivateAddresses opens pages in a browser that may not access private
// networks. No request to them arrives, by any method.
func TestPrivateAddresses(t *testing.T) {
	t.Parallel()
	needChromium(t)
	var reached atomic.Int32
	private := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		reached.Add(1)
		fmt.Fprint(w, "secret")
	})
	_, port, err := net.SplitHostPort(strings.Trim(strings.TrimPrefix(private, "http://"), "/"))
	if err != nil {
		t.Fatal(err)
	}
	// WebRTC sends datagrams, which a proxy for TCP does not carry.
	datagrams, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		if n, _, err := datagrams.ReadFrom(make([]byte, 2048)); err == nil {
			t.Errorf("a datagram of %d bytes arrived", n)
		}
	}()
	_, udp, err := net.SplitHostPort(datagrams.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}

	// The page is on a demo host, because only these need no network.
	demo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/away" {
			http.Redirect(w, r, "http://127.0.0.1:"+port, http.StatusFound)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<!doctype html><title>waiting</title>
			<img src="http://127.0.0.1:%[1]s/a"><img src="http://localhost:%[1]s/b"><img src="http://[::ffff:127.0.0.1]:%[1]s/c">
			<iframe src="http://2130706433:%[1]s/d"></iframe><link rel="dns-prefetch" href="//127.0.0.1"><link rel="preconnect" href="http://127.0.0.1:%[1]s">
			<script>
			const ended = [];
			const add = what => { ended.push(what); if (ended.length === 3) document.title = ended.sort().join(" ") };
			fetch("http://127.0.0.1:%[1]s/e", {mode: "no-cors"}).then(() => add("fetched"), () => add("fetch-failed"));
			const socket = new WebSocket("ws://127.0.0.1:%[1]s/f");
			socket.onopen = () => add("socket-open");
			socket.onerror = () => add("socket-failed");
			const peer = new RTCPeerConnection({iceServers: [{urls: "stun:127.0.0.1:%[2]s"}]});
			peer.createDataChannel("c");
			peer.onicegatheringstatechange = () => { if (peer.iceGatheringState === "complete") add("ice-complete") };
			peer.createOffer().then(offer => peer.setLocalDescription(offer));
			setTimeout(() => { if (peer.iceGatheringState !== "complete") add("ice-" + peer.iceGatheringState) }, 2000);
			</script>`, port, udp)
	})
	r := start(t, Config{Tabs: 1, Pages: demo})
	rendering, err := r.Render(t.Context(), sandbox.RenderRequest{URL: "https://page.shotline.test/", Device: small, HTML: true, Pace: sandbox.Pace{
		Steps: []sandbox.Step{{Command: sandbox.StepWait, Wait: 2500 * time.Millisecond}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(rendering.Title, "fetch-failed ice-") || !strings.HasSuffix(rendering.Title, " socket-failed") {
		t.Errorf("title is %q", rendering.Title)
	}
	for _, url := range []string{private, "http://localhost:" + port, "http://[::1]:" + port, "http://169.254.169.254/latest/meta-data/", "https://page.shotline.test/away"} {
		_, err := r.Render(t.Context(), sandbox.RenderRequest{URL: url, Device: small})
		if err == nil || !strings.Contains(err.Error(), "--allow-private") {
			t.Errorf("%s: %v", url, err)
		}
	}
	if n := reached.Load(); n > 0 {
		t.Errorf("%d requests reached the private server", n)
	}
	if err := datagrams.Close(); err != nil {
		t.Error(err)
	}
	<-closed
}

// A name that is not in the DNS gets the right error, although the proxy resolves
// it.
func TestUnknownNameBehindTheProxy(t *testing.T) {
	t.Parallel()
	wantError(t, sandbox.RenderRequest{URL: "http://nobody.invalid/"}, "does not exist", "net::ERR_NAME_NOT_RESOLVED")
}

func TestFlagsCannotChangeNetworkAccess(t *testing.T) {
	t.Parallel()
	needChromium(t)
	path, _ := findOnce()
	for _, flag := range []string{"--no-proxy-server", "--proxy-server=direct://", "--proxy-bypass-list=*", "--host-resolver-rules=MAP * 127.0.0.1"} {
		r, err := New(Config{Path: path, Flags: []string{flag}, Pages: pages.Handler()})
		if err == nil {
			_ = r.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "flags cannot change") {
			t.Errorf("%s: %v", flag, err)
		}
	}
}
