package sandbox_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"shotline/client/sandbox"
)

func TestGuard(t *testing.T) {
	const create = "/api/v1/screenshot/create?key=sandbox-key&url=https%3A%2F%2Fexample.com"
	own := "http://pictures.test:8070"
	type headers map[string]string
	cases := []struct {
		name, base, host, path string
		headers                headers
		code                   string // "" means that the request is accepted
	}{
		{"a program", own, "127.0.0.1:8070", create, nil, ""},
		{"another loopback address", own, "127.8.9.1", create, nil, ""},
		{"IPv6", own, "[::1]:8070", create, nil, ""},
		{"localhost", own, "LocalHost.:99", create, nil, ""},
		{"own name", own, "pictures.test:8070", create, nil, ""},
		{"typed address", own, "localhost:8070", create, headers{"Sec-Fetch-Site": "none"}, ""},
		{"own page", own, "localhost:8070", create, headers{"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost:8070"}, ""},
		{"any address", "http://[::]:8070", "192.0.2.7:8070", create, nil, ""},

		{"rebound name", own, "evil.example:8070", create, nil, "FOREIGN_HOST"},
		{"name like loopback", own, "127.0.0.1.evil.example", create, nil, "FOREIGN_HOST"},
		{"below localhost", own, "a.localhost", create, nil, "FOREIGN_HOST"},
		{"another address", own, "192.0.2.7:8070", create, nil, "FOREIGN_HOST"},
		{"no address", own, "0.0.0.0:8070", create, nil, "FOREIGN_HOST"},
		{"no host", own, "", create, nil, "FOREIGN_HOST"},
		{"any address, but a name", "http://0.0.0.0:8070", "evil.example:8070", create, nil, "FOREIGN_HOST"},
		{"rebound name reads the ledger", own, "evil.example", "/sandbox/ledger?key=sandbox-key", nil, "FOREIGN_HOST"},

		{"image element", own, "127.0.0.1:8070", create, headers{"Sec-Fetch-Site": "cross-site"}, "FOREIGN_ORIGIN"},
		{"another port's page", own, "127.0.0.1:8070", create, headers{"Sec-Fetch-Site": "same-site"}, "FOREIGN_ORIGIN"},
		{"foreign origin", own, "127.0.0.1:8070", create, headers{"Origin": "https://evil.example"}, "FOREIGN_ORIGIN"},
		{"opaque origin", own, "127.0.0.1:8070", create, headers{"Origin": "null"}, "FOREIGN_ORIGIN"},
		{"IPv4 in IPv6", own, "[::ffff:127.0.0.1]:8070", create, nil, "FOREIGN_HOST"},
		{"prefetch", own, "127.0.0.1:8070", create, headers{"Sec-Fetch-Site": "none", "Sec-Purpose": "prefetch"}, "FOREIGN_ORIGIN"},
		{"WebSocket", own, "127.0.0.1:8070", create, headers{"Origin": "http://127.0.0.1:1", "Upgrade": "websocket"}, "FOREIGN_ORIGIN"},
		{"page reads the ledger", own, "127.0.0.1:8070", "/sandbox/ledger?key=sandbox-key", headers{"Sec-Fetch-Site": "cross-site"}, "FOREIGN_ORIGIN"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			srv, err := sandbox.New(sandbox.Config{BaseURL: c.base})
			if err != nil {
				t.Fatal(err)
			}
			defer srv.Close()
			r := httptest.NewRequest(http.MethodGet, c.path, nil)
			r.Host = c.host
			for name, value := range c.headers {
				r.Header.Set(name, value)
			}
			w := httptest.NewRecorder()
			srv.Handler().ServeHTTP(w, r)
			ledger := srv.Ledger()
			if c.code == "" {
				if w.Code != http.StatusOK || len(ledger.Creates) != 1 {
					t.Errorf("got %d %s and %d creates, want 200 and 1 create", w.Code, w.Body, len(ledger.Creates))
				}
				return
			}
			if w.Code != http.StatusForbidden || len(ledger.Creates) != 0 || ledger.Spent != 0 || ledger.Errors[c.code] != 1 {
				t.Errorf("got status %d, ledger %+v, want 403 without effect", w.Code, ledger)
			}
			contains(t, w.Body.Bytes(), `"success":false`, `"code":"`+c.code+`"`)
		})
	}
}

// Reports and dashboards embed the images in their own pages.
func TestOtherOriginsCanEmbedImages(t *testing.T) {
	address, hooks := receiver(t, always(http.StatusOK))
	v := start(t, sandbox.Config{WebhookURL: address})
	v.create("https://example.com", "apps", "12")
	var body struct {
		ImageURL string `json:"image_url"`
	}
	if err := json.Unmarshal(next(t, hooks).body, &body); err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]int{"127.0.0.1": http.StatusOK, "evil.example": http.StatusForbidden} {
		r := httptest.NewRequest(http.MethodGet, strings.TrimPrefix(body.ImageURL, v.root), nil)
		r.Host = host
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		w := httptest.NewRecorder()
		v.srv.Handler().ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s as %s: status %d, want %d", body.ImageURL, host, w.Code, want)
		}
	}
}

// A request with an incomplete body does not hold its connection for long, with
// or without a valid key.
func TestSlowBodiesAreCutOff(t *testing.T) {
	v := start(t, sandbox.Config{BodyTimeout: 50 * time.Millisecond})
	for _, key := range []string{sandbox.DefaultAPIKey, "wrong"} {
		for _, request := range []string{"POST /api/v1/batch/create", "POST /api/v1/batch/cancel", "GET /api/v1/account/info", "PUT /sandbox/faults"} {
			conn, err := net.Dial("tcp", strings.TrimPrefix(v.root, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(conn, "%s HTTP/1.1\r\nHost: localhost\r\nX-API-KEY: %s\r\nContent-Length: 1000\r\n\r\nhalf", request, key)
			if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s with key %s: the connection is still open", request, key)
			}
			_ = conn.Close()
		}
	}
}

// The response to a request with a body may take longer than BodyTimeout.
func TestSlowAnswerToABody(t *testing.T) {
	v := start(t, sandbox.Config{BodyTimeout: 300 * time.Millisecond, Faults: faults(t, "create-slow=1,delay=500ms")})
	kind, body := form("https://a.test", "country", "us")
	for _, c := range [][2]string{{kind, body}, {"application/json", `{"urls":["https://a.test"],"country":"us"}`}} {
		if answer, err := v.postOnce("batch/create", c[0], c[1]); err != nil || !strings.Contains(answer, `"success":true`) {
			t.Errorf("%s: %s, %v", c[0], answer, err)
		}
	}
	v.settle()
	for _, b := range v.srv.Ledger().Batches {
		if b.Answer != "200" {
			t.Errorf("batch is %+v, want answer 200", b)
		}
	}
}

// requestRecorder sends the requests that it gets to a channel.
type requestRecorder struct {
	fakeRenderer
	requests chan sandbox.RenderRequest
}

func (w *requestRecorder) Render(ctx context.Context, r sandbox.RenderRequest) (sandbox.Rendering, error) {
	w.requests <- r
	return w.fakeRenderer.Render(ctx, r)
}

func TestRendererGetsTheSandboxsAddress(t *testing.T) {
	w := &requestRecorder{requests: make(chan sandbox.RenderRequest, 1)}
	v := start(t, sandbox.Config{Renderer: w})
	v.srv.SetBaseURL("https://pictures.test")
	v.create("https://example.com")
	root, err := url.Parse(v.root)
	if err != nil {
		t.Fatal(err)
	}
	want := sandbox.Address{Host: "pictures.test", Port: "443", LocalPort: root.Port()}
	if r := <-w.requests; r.Own != want || !slices.Equal(r.Own.Ports(), []string{"443", root.Port()}) {
		t.Errorf("Own is %+v, want %+v", r.Own, want)
	}
}
