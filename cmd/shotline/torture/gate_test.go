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

// gate stands in front of the serves like a load balancer, and writes down
// every webhook with the answer that it got.
type gate struct {
	url    string
	doors  []string // addresses of the serves
	client *http.Client
	turn   atomic.Int64
	posted bell // rings at every webhook, before it is passed on

	mu    sync.Mutex
	posts map[string]*tally // by body
}

// tally is how often one body was posted to a serve, by signature and answer.
type tally struct {
	kept     int // signed, answered 2xx
	unsure   int // signed, no answer, or one that says try again
	refused  int // not signed well, answered 401
	accepted int // not signed well, answered otherwise
	turned   int // signed, answered 4xx
}

func newGate(t *testing.T) *gate {
	t.Helper()
	g := &gate{posts: map[string]*tally{}, client: &http.Client{
		Timeout: 5 * time.Second,
		// A connection for each post: a kept one could die under a post and
		// leave unknown how often that was sent.
		Transport: &http.Transport{DisableKeepAlives: true},
	}}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g.url = "http://" + listener.Addr().String() + hooks
	server := &http.Server{Handler: g}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close(); <-served })
	return g
}

// ServeHTTP passes a webhook on to the first serve that can be reached.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	g.posted.ring()
	signature := r.Header.Get("X-Signature") + r.Header.Get("X-ScreenshotCenter-Signature")
	first := int(g.turn.Add(1))
	for i := range g.doors {
		door := g.doors[(first+i)%len(g.doors)]
		status, reached := g.pass(r.Context(), door, body, r.Header)
		if !reached {
			continue
		}
		g.note(string(body), signed(body, signature), status)
		if status == 0 {
			status = http.StatusBadGateway
		}
		w.WriteHeader(status)
		return
	}
	w.WriteHeader(http.StatusBadGateway)
}

// pass returns status 0 when the serve was reached and gave no answer. What is
// sent is sent to its end, also when the sender leaves.
func (g *gate) pass(ctx context.Context, door string, body []byte, header http.Header) (status int, reached bool) {
	probe, err := net.DialTimeout("tcp", door, time.Second)
	if err != nil {
		return 0, false
	}
	probe.Close()
	request, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodPost, "http://"+door+hooks, bytes.NewReader(body))
	if err != nil {
		return 0, false
	}
	request.Header = header.Clone()
	response, err := g.client.Do(request)
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

func (g *gate) note(body string, isSigned bool, status int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := g.posts[body]
	if t == nil {
		t = &tally{}
		g.posts[body] = t
	}
	good := status >= 200 && status < 300
	switch {
	case isSigned && good:
		t.kept++
	case isSigned && (status == 0 || status >= 500):
		t.unsure++
	case isSigned:
		t.turned++
	case status == http.StatusUnauthorized || status == 0:
		t.refused++
	default:
		t.accepted++
	}
}
