package client

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// canary is the API key of all clients in these tests. It must not appear in any
// error. It contains characters that change if the key is escaped.
const canary = "canary+key/3f9a"

// newClient returns a client for the given address. It closes idle connections
// when the test ends.
func newClient(t *testing.T, base string, opts ...Option) *Client {
	t.Helper()
	c, err := New(append([]Option{WithAPIKey(canary), WithBaseURL(base), WithTimeout(5 * time.Second)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// serve starts a server and returns a client for it.
func serve(t *testing.T, handler http.HandlerFunc, opts ...Option) *Client {
	t.Helper()
	srv := httptest.NewServer(handler)
	t.Cleanup(srv.Close)
	return newClient(t, srv.URL+"/api/v1", opts...)
}

// answer returns a handler that always sends the same response.
func answer(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func TestNewRefusesBadSettings(t *testing.T) {
	key := WithAPIKey(canary)
	for name, tc := range map[string]struct {
		opts []Option
		want string
	}{
		"no key":           {nil, "key is missing"},
		"key with newline": {[]Option{WithAPIKey(canary + "\n")}, "key contains"},
		"user agent":       {[]Option{key, WithUserAgent("a\r\nb")}, "user agent"},
		"unparsable":       {[]Option{key, WithBaseURL("http://[" + canary)}, "cannot be parsed"},
		"key as port":      {[]Option{key, WithBaseURL("http://host:" + canary)}, "cannot be parsed"},
		"no scheme":        {[]Option{key, WithBaseURL(canary + ".example")}, "http://"},
		"no host":          {[]Option{key, WithBaseURL("https:///api")}, "no host"},
		"credentials":      {[]Option{key, WithBaseURL("https://u:" + url.QueryEscape(canary) + "@h/")}, "credentials"},
		"query":            {[]Option{key, WithBaseURL("https://h/?key=" + canary)}, "query"},
		"timeout":          {[]Option{key, WithTimeout(0)}, "timeout"},
		"connections":      {[]Option{key, WithMaxConnections(0)}, "connections"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(tc.opts...)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want it to contain %q", err, tc.want)
			}
			if strings.Contains(err.Error(), canary) {
				t.Errorf("the error quotes the setting: %v", err)
			}
		})
	}
}

func TestClientDoesNotPrintItsKey(t *testing.T) {
	c := newClient(t, DefaultBaseURL)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, c); strings.Contains(text, canary) {
			t.Errorf("%s prints %s", verb, text)
		}
	}
}

func TestRequestHeaders(t *testing.T) {
	got := make(chan *http.Request, 1)
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got <- r
		io.WriteString(w, `{"id":1}`)
	}, WithUserAgent("tester/1"))
	if _, err := c.Info(t.Context(), "a b&c"); err != nil {
		t.Fatal(err)
	}
	r := <-got
	if r.Header.Get("X-API-KEY") != canary || r.Header.Get("User-Agent") != "tester/1" {
		t.Errorf("headers: %v", r.Header)
	}
	if want := "/api/v1/screenshot/info?id=a+b%26c"; r.RequestURI != want {
		t.Errorf("requested %s, want %s", r.RequestURI, want)
	}
}

func TestConnectionsAreReused(t *testing.T) {
	var dials atomic.Int64
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		dials.Add(1)
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	// The body is chunked and ends with a line break that the decoder ignores. The
	// connection can be reused only if the client reads both to the end.
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		status := http.StatusOK
		if r.URL.Query().Get("id") == "missing" {
			status = http.StatusNotFound
		}
		w.WriteHeader(status)
		io.WriteString(w, `{"success":true,"data":{"id":1}}`)
		w.(http.Flusher).Flush()
		io.WriteString(w, "\n")
	}, WithDialContext(dial))
	for range 20 {
		if _, err := c.Create(t.Context(), CreateRequest{URL: "https://example.com"}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Info(t.Context(), "missing"); err == nil {
			t.Fatal("404: got no error")
		}
	}
	if n := dials.Load(); n != 1 {
		t.Errorf("%d connections for sequential calls, want 1", n)
	}
}

func TestMaxConnections(t *testing.T) {
	var open, most atomic.Int64
	release := make(chan struct{})
	arrived := make(chan struct{}, 64)
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		n := open.Add(1)
		defer open.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		arrived <- struct{}{}
		<-release
		io.WriteString(w, `[]`)
	}, WithMaxConnections(4))
	errs := make(chan error, 12)
	for range cap(errs) {
		go func() {
			_, err := c.List(context.Background(), ListOptions{})
			errs <- err
		}()
	}
	for range 4 {
		<-arrived
	}
	close(release)
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	if most.Load() != 4 {
		t.Errorf("%d requests at once, want 4", most.Load())
	}
}
