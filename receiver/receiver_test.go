package receiver_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"shotline/jobs"
	"shotline/receiver"
	"shotline/receiver/signature"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	secret   = "test-secret"
	goodBody = `{"event":"screenshot.completed","screenshot_id":"abc123","url":"https://example.com/","status":"done",` +
		`"image_url":"https://cdn.example.com/abc123.png","created_at":"2026-01-05T10:00:00Z"}`
)

// anySignature is well-formed but is not the signature of any body in these
// tests.
var anySignature = "sha256=" + strings.Repeat("ab", 32)

var noon = time.Date(2026, 1, 5, 12, 0, 0, 0, time.UTC)

// memoryInbox is an Inbox in memory. If keep is set, it replaces StoreDelivery.
type memoryInbox struct {
	keep func(ctx context.Context) error

	mu   sync.Mutex
	kept []jobs.Delivery
}

func (m *memoryInbox) StoreDelivery(ctx context.Context, d jobs.Delivery) error {
	if m.keep != nil {
		return m.keep(ctx)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept = append(m.kept, d)
	return nil
}

func newVerifier(t testing.TB) *signature.Verifier {
	t.Helper()
	v, err := signature.New([]string{secret}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func newReceiver(t testing.TB, cfg receiver.Config) *receiver.Receiver {
	t.Helper()
	if cfg.Verifier == nil && !cfg.Insecure {
		cfg.Verifier = newVerifier(t)
	}
	if cfg.Now == nil {
		cfg.Now = func() time.Time { return noon }
	}
	r, err := receiver.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// unsized hides the length of a body, so that the body is sent in chunks.
type unsized struct{ io.Reader }

func TestResponses(t *testing.T) {
	signed := func(body string) http.Header {
		return http.Header{"X-Signature": {signature.Sign(secret, []byte(body))}}
	}
	with := func(h http.Header, name string, values ...string) http.Header {
		h[http.CanonicalHeaderKey(name)] = values
		return h
	}
	good := signed(goodBody)["X-Signature"][0]
	large := `{"event":"a.b","pad":"` + strings.Repeat("x", 2<<20) + `"}`
	atCap := goodBody + strings.Repeat(" ", receiver.DefaultMaxBody-len(goodBody))
	malformed := []string{`{"event":`, `[]`, `null`, `{}`, `{"event":"screenshot.completed"}`, ``,
		`{"event":"screenshot.completed","screenshot_id":1e3}`, strings.Repeat(`{"a":`, 20000)}

	type test struct {
		name    string
		method  string // empty means POST
		body    string
		chunked bool
		header  http.Header
		status  int
		result  receiver.Result
		answer  string // contained in the response body
	}
	tests := []test{
		{name: "good", body: goodBody, header: signed(goodBody), status: 200, result: "accepted", answer: `{"status":"accepted"}`},
		{name: "good, chunked", body: goodBody, chunked: true, header: signed(goodBody), status: 200, result: "accepted"},
		{name: "good, product header", body: goodBody, header: http.Header{"X-Screenshotcenter-Signature": {good}}, status: 200, result: "accepted"},
		{name: "as large as allowed", body: atCap, header: signed(atCap), status: 200, result: "accepted"},
		{name: "as large as allowed, chunked", body: atCap, chunked: true, header: signed(atCap), status: 200, result: "accepted"},
		{name: "unknown event", body: `{"event":"moon.rose"}`, header: signed(`{"event":"moon.rose"}`), status: 200, result: "accepted"},
		{name: "identity coding", body: goodBody, header: with(signed(goodBody), "Content-Encoding", "identity"), status: 200, result: "accepted"},

		{name: "unsigned", body: goodBody, status: 401, result: "signature", answer: "signature missing"},
		{name: "empty signature", body: goodBody, header: http.Header{"X-Signature": {""}}, status: 401, result: "signature"},
		{name: "doubled signature", body: goodBody, header: http.Header{"X-Signature": {good, good}}, status: 401, result: "signature"},
		{name: "wrong signature", body: goodBody, header: signed("other"), status: 401, result: "signature", answer: "signature does not match"},
		{name: "truncated signature", body: goodBody, header: http.Header{"X-Signature": {good[:40]}}, status: 401, result: "signature"},
		{name: "one byte changed", body: goodBody + " ", header: signed(goodBody), status: 401, result: "signature"},
		{name: "unsigned and malformed", body: `{`, status: 401, result: "signature"},

		{name: "2 MiB", body: large, header: signed(large), status: 413, result: "too_large", answer: "262144 bytes"},
		{name: "2 MiB, chunked", body: large, chunked: true, header: signed(large), status: 413, result: "too_large"},
		{name: "one byte too large", body: atCap + " ", header: signed(atCap + " "), status: 413, result: "too_large"},
		{name: "one byte too large, chunked", body: atCap + " ", chunked: true, header: signed(atCap + " "), status: 413, result: "too_large"},

		{name: "GET", method: "GET", status: 405, result: "method"},
		{name: "PUT", method: "PUT", body: goodBody, header: signed(goodBody), status: 405, result: "method"},
		{name: "gzip", body: goodBody, header: with(signed(goodBody), "Content-Encoding", "gzip"), status: 415, result: "encoding"},
		{name: "gzip after identity", body: goodBody, header: with(signed(goodBody), "Content-Encoding", "identity", "gzip"), status: 415, result: "encoding"},
	}
	for i, body := range malformed {
		tests = append(tests, test{name: fmt.Sprintf("malformed %d", i), body: body, header: signed(body), status: 400, result: "malformed"})
	}

	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inbox := &memoryInbox{}
			var observed []string
			r := newReceiver(t, receiver.Config{Inbox: inbox, Observe: func(result string, _ time.Duration) { observed = append(observed, result) }})
			server := httptest.NewServer(r)
			defer server.Close()

			var body io.Reader = strings.NewReader(tt.body)
			if tt.chunked {
				body = unsized{body}
			}
			method := tt.method
			if method == "" {
				method = http.MethodPost
			}
			req, err := http.NewRequest(method, server.URL, body)
			if err != nil {
				t.Fatal(err)
			}
			if tt.header != nil {
				req.Header = tt.header
			}
			// Otherwise a client that is still sending when a 413 arrives might get a
			// broken pipe instead.
			req.Header.Set("Expect", "100-continue")
			client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: 10 * time.Second, DisableKeepAlives: true}}
			resp, err := client.Do(req)
			if err != nil {
				if tt.chunked && tt.status == 413 && inbox.kept == nil {
					return // the server closed the connection while the client was sending
				}
				t.Fatal(err)
			}
			defer resp.Body.Close()
			answer, _ := io.ReadAll(resp.Body)

			if resp.StatusCode != tt.status || resp.Header.Get("Content-Type") != "application/json" {
				t.Fatalf("got status %d %s %s, want %d", resp.StatusCode, resp.Header.Get("Content-Type"), answer, tt.status)
			}
			key := `{"error":"`
			if tt.status == 200 {
				key = `{"status":"accepted"}`
			}
			if !strings.HasPrefix(string(answer), key) || !strings.Contains(string(answer), tt.answer) {
				t.Errorf("got %s, want it to contain %q", answer, tt.answer)
			}
			if (tt.status == 405) != (resp.Header.Get("Allow") == "POST") {
				t.Errorf("Allow: %q", resp.Header.Get("Allow"))
			}
			server.Close() // waits for the handler, so that the results can be read
			if len(observed) != 1 || observed[0] != string(tt.result) || r.Counts()[tt.result] != 1 {
				t.Errorf("observed %v, counted %v; want one %s", observed, r.Counts(), tt.result)
			}
			if kept := len(inbox.kept); kept != 0 != (tt.status == 200) {
				t.Errorf("stored %d deliveries with status %d", kept, tt.status)
			}
			if tt.status == 200 && (string(inbox.kept[0].Body) != tt.body || !inbox.kept[0].ReceivedAt.Equal(noon)) {
				t.Errorf("stored another body or time: %v", inbox.kept[0].ReceivedAt)
			}
		})
	}
}

// If the announced length is too large, the request is refused before the body is
// sent, and the connection is closed.
func TestTooLargeClosesTheConnection(t *testing.T) {
	// Use a small limit: net/http already refuses to drain a body that exceeds a
	// large one.
	server := httptest.NewServer(newReceiver(t, receiver.Config{Inbox: &memoryInbox{}, MaxBody: 100}))
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nX-Signature: %s\r\nContent-Length: 101\r\n\r\n", anySignature)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 413 || !resp.Close {
		t.Errorf("got status %d, closing %v; want 413 and a closed connection", resp.StatusCode, resp.Close)
	}
}

// If a body arrives too slowly, the status requests that the sender repeat it.
func TestBodyTooSlow(t *testing.T) {
	inbox := &memoryInbox{}
	server := httptest.NewUnstartedServer(newReceiver(t, receiver.Config{Inbox: inbox}))
	server.Config.ReadHeaderTimeout, server.Config.ReadTimeout = 10*time.Second, 50*time.Millisecond
	server.Start()
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nX-Signature: %s\r\nContent-Length: 100000\r\n\r\nabc", anySignature)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusRequestTimeout || !resp.Close || !strings.Contains(string(answer), "send it again") || err != nil {
		t.Errorf("got status %d %s, %v, closing %v; want 408 and a closed connection", resp.StatusCode, answer, err, resp.Close)
	}
}

func TestBodyCutOff(t *testing.T) {
	inbox := &memoryInbox{}
	r := newReceiver(t, receiver.Config{Inbox: inbox})
	req := httptest.NewRequest(http.MethodPost, "/", io.MultiReader(strings.NewReader(goodBody), brokenReader{}))
	req.Header.Set("X-Signature", anySignature)
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	if w.Code != 400 || len(inbox.kept) != 0 || r.Counts()[receiver.Aborted] != 1 {
		t.Errorf("got status %d, stored %d", w.Code, len(inbox.kept))
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func post(r http.Handler, body string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, "/webhooks/screenshotcenter", strings.NewReader(body))
	req.Header.Set("X-Signature", signature.Sign(secret, []byte(body)))
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	return w
}

func TestCannotKeep(t *testing.T) {
	inbox := &memoryInbox{keep: func(context.Context) error { return fmt.Errorf("append: %w", jobs.ErrUnavailable) }}
	w := post(newReceiver(t, receiver.Config{Inbox: inbox}), goodBody)
	if w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("got status %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
	}
	if strings.Contains(w.Body.String(), "append") {
		t.Errorf("the response reveals internal errors: %s", w.Body)
	}
}

func TestKeepHangs(t *testing.T) {
	inbox := &memoryInbox{keep: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
	begun := time.Now()
	var observed time.Duration
	observe := func(_ string, took time.Duration) { observed = took }
	w := post(newReceiver(t, receiver.Config{Inbox: inbox, Timeout: 30 * time.Millisecond, Observe: observe}), goodBody)
	took := time.Since(begun)
	if w.Code != 503 || took < 30*time.Millisecond || took > 2*time.Second {
		t.Errorf("got status %d after %v", w.Code, took)
	}
	if observed < 30*time.Millisecond || observed > took {
		t.Errorf("observed %v, want between 30ms and %v", observed, took)
	}
	if receiver.DefaultTimeout >= 2*time.Second {
		t.Error("the default timeout is not below two seconds")
	}
}

func TestSenderDisconnects(t *testing.T) {
	inbox := &memoryInbox{keep: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
	r := newReceiver(t, receiver.Config{Inbox: inbox, Timeout: 30 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	req := httptest.NewRequestWithContext(ctx, http.MethodPost, "/", strings.NewReader(goodBody))
	req.Header.Set("X-Signature", signature.Sign(secret, []byte(goodBody)))
	r.ServeHTTP(httptest.NewRecorder(), req)
	if c := r.Counts(); c[receiver.Aborted] != 1 || c[receiver.NotStored] != 0 {
		t.Errorf("counted %v, want one aborted and none not kept", c)
	}
}

func TestRepeatsAreAccepted(t *testing.T) {
	inbox := &memoryInbox{}
	r := newReceiver(t, receiver.Config{Inbox: inbox})
	for range 3 {
		if w := post(r, goodBody); w.Code != 200 {
			t.Fatalf("got status %d", w.Code)
		}
	}
	if len(inbox.kept) != 3 {
		t.Errorf("stored %d, want 3", len(inbox.kept))
	}
}

// Buffers are reused. Reuse must not change stored deliveries.
func TestConcurrentDeliveriesKeepTheirBodies(t *testing.T) {
	inbox := &memoryInbox{}
	r := newReceiver(t, receiver.Config{Inbox: inbox})
	const senders, each = 8, 100
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := range each {
				body := fmt.Sprintf(`{"event":"screenshot.failed","screenshot_id":"%d-%d","pad":"%s"}`, s, i, strings.Repeat("x", i*100))
				if w := post(r, body); w.Code != 200 {
					t.Errorf("got status %d", w.Code)
				}
				if w := post(r, `{"screenshot_id":`); w.Code != 400 {
					t.Errorf("malformed: got status %d", w.Code)
				}
			}
		})
	}
	wg.Wait()
	seen := map[string]bool{}
	for _, d := range inbox.kept {
		again, err := receiver.Decode(d.Body, nil)
		if err != nil || again.ScreenshotID != d.ScreenshotID {
			t.Fatalf("delivery of %s has another body: %v", d.ScreenshotID, err)
		}
		seen[d.ScreenshotID] = true
	}
	if len(seen) != senders*each {
		t.Errorf("%d different deliveries, want %d", len(seen), senders*each)
	}
}

func TestInsecure(t *testing.T) {
	inbox := &memoryInbox{}
	r := newReceiver(t, receiver.Config{Inbox: inbox, Insecure: true})
	w := httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(goodBody)))
	if w.Code != 200 || len(inbox.kept) != 1 {
		t.Errorf("got status %d, stored %d", w.Code, len(inbox.kept))
	}
	// A verifier is used even if Insecure is set.
	r = newReceiver(t, receiver.Config{Inbox: inbox, Insecure: true, Verifier: newVerifier(t)})
	w = httptest.NewRecorder()
	r.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(goodBody)))
	if w.Code != 401 {
		t.Errorf("got status %d with a verifier, want 401", w.Code)
	}
}

func TestNewRefuses(t *testing.T) {
	for name, cfg := range map[string]receiver.Config{
		"no inbox":         {Insecure: true},
		"no verifier":      {Inbox: &memoryInbox{}},
		"negative cap":     {Inbox: &memoryInbox{}, Insecure: true, MaxBody: -1},
		"negative timeout": {Inbox: &memoryInbox{}, Insecure: true, Timeout: -1},
		"negative budget":  {Inbox: &memoryInbox{}, Insecure: true, MaxInFlight: -1},
		"tiny budget":      {Inbox: &memoryInbox{}, Insecure: true, MaxBody: 1, MaxInFlight: 4 << 10},
		"cap above budget": {Inbox: &memoryInbox{}, Insecure: true, MaxBody: 48 << 20},
	} {
		if _, err := receiver.New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestLogIsLimitedAndHasNoSecrets(t *testing.T) {
	var log bytes.Buffer
	now := noon
	r := newReceiver(t, receiver.Config{
		Inbox:  &memoryInbox{keep: func(context.Context) error { return errors.New("disk full") }},
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
		Now:    func() time.Time { return now },
	})
	forge := func() {
		req := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(goodBody))
		req.Header.Set("X-Signature", anySignature)
		r.ServeHTTP(httptest.NewRecorder(), req)
	}
	for range 1000 {
		forge()
	}
	if lines := strings.Count(log.String(), "\n"); lines != 1 {
		t.Fatalf("1000 forged requests: %d lines, want 1", lines)
	}
	now = now.Add(time.Minute)
	forge()
	if !strings.Contains(log.String(), "more_since_last_line=999") {
		t.Errorf("the suppressed lines are not counted:\n%s", log.String())
	}
	post(r, goodBody) // another result has its own line
	if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), "disk full") {
		t.Errorf("the error of the inbox is not logged:\n%s", log.String())
	}
	for _, private := range []string{secret, "abab", "abc123", "example.com"} {
		if strings.Contains(log.String(), private) {
			t.Errorf("the log contains %q", private)
		}
	}
	if got := r.Counts()[receiver.WrongSignature]; got != 1001 {
		t.Errorf("counted %d forged requests, want 1001", got)
	}
}
