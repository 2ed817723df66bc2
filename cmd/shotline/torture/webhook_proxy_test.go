package torture

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// webhookProxy is a proxy in front of the serves, like a load balancer. It
// records every webhook with the response.
type webhookProxy struct {
	url       string
	addresses []string // of the serves
	client    *http.Client
	turn      atomic.Int64
	posted    notifier // occurs before a webhook is passed on

	mu    sync.Mutex
	posts map[string]*responseCounts // by body
}

// responseCounts counts how often a body was posted to a serve, by signature and
// response.
type responseCounts struct {
	kept     int // valid signature, answered 2xx
	unknown  int // valid signature, no response or 5xx
	refused  int // invalid signature, answered 401 or not at all
	accepted int // invalid signature, answered otherwise
	rejected int // valid signature, other response
}

func newWebhookProxy(t *testing.T) *webhookProxy {
	t.Helper()
	proxy := &webhookProxy{posts: map[string]*responseCounts{}, client: &http.Client{
		Timeout: 5 * time.Second,
		// Each post needs a new connection. If a reused connection failed, it would
		// be unknown how often the post was sent.
		Transport: &http.Transport{DisableKeepAlives: true},
	}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	proxy.url = "http://" + listener.Addr().String() + hooks
	server := &http.Server{Handler: proxy}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close(); <-served })
	return proxy
}

// ServeHTTP passes a webhook to the first serve that can be reached.
func (p *webhookProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p.posted.notify()
	signature := r.Header.Get("X-Signature") + r.Header.Get("X-ScreenshotCenter-Signature")
	first := int(p.turn.Add(1))
	for i := range p.addresses {
		address := p.addresses[(first+i)%len(p.addresses)]
		status, reached := p.pass(r.Context(), address, body, r.Header)
		if !reached {
			continue
		}
		p.note(string(body), signed(body, signature), status)
		if status == 0 {
			status = http.StatusBadGateway
		}
		w.WriteHeader(status)
		return
	}
	w.WriteHeader(http.StatusBadGateway)
}

// pass returns status 0 if the serve was reached but did not respond. The body is
// sent completely, even if the sender disconnects.
func (p *webhookProxy) pass(ctx context.Context, address string, body []byte, header http.Header) (status int, reached bool) {
	probe, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return 0, false
	}
	probe.Close()
	request, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodPost, "http://"+address+hooks, bytes.NewReader(body))
	if err != nil {
		return 0, false
	}
	request.Header = header.Clone()
	response, err := p.client.Do(request)
	if err != nil {
		return 0, true
	}
	defer response.Body.Close()
	return response.StatusCode, true
}

func signed(body []byte, signature string) bool {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return signature == "sha256="+hex.EncodeToString(mac.Sum(nil))
}

func (p *webhookProxy) note(body string, isSigned bool, status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	counts := p.posts[body]
	if counts == nil {
		counts = &responseCounts{}
		p.posts[body] = counts
	}
	good := status >= 200 && status < 300
	switch {
	case isSigned && good:
		counts.kept++
	case isSigned && (status == 0 || status >= 500):
		counts.unknown++
	case isSigned:
		counts.rejected++
	case status == http.StatusUnauthorized || status == 0:
		counts.refused++
	default:
		counts.accepted++
	}
}
