package sandbox_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/client/sandbox"
)

// signature computes the expected signature without the package's code.
func signature(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// broken fails all URLs that contain "broken".
func broken(url string) error {
	if strings.Contains(url, "broken") {
		return errors.New("connection refused")
	}
	return nil
}

func TestWebhookDialects(t *testing.T) {
	for _, test := range []struct {
		name    string
		dialect sandbox.Dialect
		url     string
		header  string
		event   string // value of the event header; empty if the dialect has none
		want    map[string]any
	}{
		{
			name: "A success", dialect: "", url: "https://Example.com", header: "X-Signature",
			want: map[string]any{"event": "screenshot.completed", "status": "done", "url": "https://example.com/",
				"screenshot_id": "1001", "created_at": "2026-03-04T05:06:07Z"},
		},
		{
			name: "A failure", dialect: sandbox.DialectA, url: "https://broken.test/x", header: "X-Signature",
			want: map[string]any{"event": "screenshot.failed", "status": "failed", "url": "https://broken.test/x",
				"screenshot_id": "1001", "created_at": "2026-03-04T05:06:07Z", "image_url": nil},
		},
		{
			name: "B success", dialect: sandbox.DialectB, url: "https://example.com/", header: "X-ScreenshotCenter-Signature",
			event: "screenshot.finished",
			want: map[string]any{"event": "screenshot.finished", "status": "finished", "url": "https://example.com/",
				"screenshot_id": "1001", "created_at": "2026-03-04T05:06:07Z", "width": 1280.0, "height": 800.0,
				"metadata": map[string]any{"title": "example.com"}},
		},
		{
			name: "B failure", dialect: sandbox.DialectB, url: "https://broken.test/x", header: "X-ScreenshotCenter-Signature",
			event: "screenshot.failed",
			want: map[string]any{"event": "screenshot.failed", "status": "error", "url": "https://broken.test/x",
				"screenshot_id": "1001", "created_at": "2026-03-04T05:06:07Z", "image_url": nil,
				"error": "connection refused", "metadata": map[string]any{"title": ""}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			address, hooks := receiver(t, always(http.StatusOK))
			v := start(t, sandbox.Config{
				WebhookURL: address, WebhookSecret: "s3cret", Dialect: test.dialect,
				Renderer: &sandbox.PlainRenderer{Fail: broken},
			})
			v.create(test.url, "apps", "12")
			h := next(t, hooks)
			if got, want := h.header.Values(test.header), []string{signature("s3cret", h.body)}; !slices.Equal(got, want) {
				t.Errorf("%s is %q, want %q", test.header, got, want)
			}
			if got := h.header.Get("X-ScreenshotCenter-Event"); got != test.event {
				t.Errorf("event header is %q, want %q", got, test.event)
			}
			other := map[string]string{"X-Signature": "X-ScreenshotCenter-Signature", "X-ScreenshotCenter-Signature": "X-Signature"}[test.header]
			if h.header.Get(other) != "" {
				t.Errorf("header %s of the other dialect is set", other)
			}
			var body map[string]any
			if err := json.Unmarshal(h.body, &body); err != nil {
				t.Fatal(err)
			}
			if image, ok := body["image_url"].(string); ok {
				if !strings.HasPrefix(image, v.root+"/images/1001-") || !strings.HasSuffix(image, ".png") {
					t.Errorf("image_url is %q", image)
				}
				delete(body, "image_url")
			}
			if diff := cmp.Diff(test.want, body); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWebhookWithoutSecretIsUnsigned(t *testing.T) {
	address, hooks := receiver(t, always(http.StatusOK))
	v := start(t, sandbox.Config{WebhookURL: address})
	v.create("https://example.com/", "apps", "12")
	if h := next(t, hooks); h.header.Get("X-Signature") != "" {
		t.Errorf("signature without a secret is %q, want none", h.header.Get("X-Signature"))
	}
}

func TestWebhookIsRepeatedUntilAnswered2xx(t *testing.T) {
	address, hooks := receiver(t, func(n int) int {
		return []int{http.StatusServiceUnavailable, http.StatusFound, http.StatusNoContent}[n]
	})
	pauses := make(chan int, 10)
	v := start(t, sandbox.Config{
		WebhookURL: address, WebhookSecret: "s3cret",
		RetryBackoff: func(failed int) time.Duration { pauses <- failed; return time.Millisecond },
	})
	v.create("https://example.com/", "apps", "12")
	first := next(t, hooks)
	for range 2 {
		if again := next(t, hooks); string(again.body) != string(first.body) {
			t.Errorf("retried with another body:\n%s\n%s", first.body, again.body)
		}
	}
	v.settle()
	close(pauses)
	var calls []int
	for n := range pauses {
		calls = append(calls, n)
	}
	if !slices.Equal(calls, []int{1, 2}) {
		t.Errorf("RetryBackoff got %v, want [1 2]", calls)
	}
	want := []sandbox.LedgerDelivery{{App: "12", Event: "screenshot.completed", State: "delivered", Attempts: []sandbox.LedgerAttempt{
		{Number: 1, At: "2026-03-04T05:06:07Z", Signature: "valid", Status: 503},
		{Number: 2, At: "2026-03-04T05:06:07Z", Signature: "valid", Status: 302},
		{Number: 3, At: "2026-03-04T05:06:07Z", Signature: "valid", Status: 204},
	}}}
	if diff := cmp.Diff(want, v.srv.Ledger().Creates[0].Deliveries); diff != "" {
		t.Errorf("ledger (-want +got):\n%s", diff)
	}
}

func TestWebhookIsGivenUp(t *testing.T) {
	address, hooks := receiver(t, always(http.StatusInternalServerError))
	v := start(t, sandbox.Config{WebhookURL: address, WebhookTries: 3, RetryBackoff: func(int) time.Duration { return 0 }})
	v.create("https://example.com/", "apps", "12")
	v.settle()
	if d := v.srv.Ledger().Creates[0].Deliveries[0]; d.State != "given_up" || len(d.Attempts) != 3 || len(hooks) != 3 {
		t.Errorf("delivery is %+v after %d posts, want given_up after 3", d, len(hooks))
	}
}

func TestSwitchingProtocolsDoesNotBlockAWorker(t *testing.T) {
	closed := make(chan struct{})
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		defer close(closed)
		_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(io.Discard, buffered) // until the sandbox closes the connection
	}))
	defer receiver.Close()
	v := start(t, sandbox.Config{WebhookURL: receiver.URL, WebhookTries: 1, WebhookTimeout: 10 * time.Second})
	v.create("https://example.com/", "apps", "12")
	select {
	case <-closed:
	case <-time.After(30 * time.Second):
		t.Fatal("the connection is still open")
	}
	v.settle()
	if d := v.srv.Ledger().Creates[0].Deliveries[0]; d.State != "given_up" || d.Attempts[0].Status != 101 {
		t.Errorf("delivery is %+v", d)
	}
}

func TestWebhookNetworkErrorIsRecorded(t *testing.T) {
	v := start(t, sandbox.Config{WebhookURL: "http://127.0.0.1:1/hook?token=private", WebhookTries: 1})
	v.create("https://example.com/", "apps", "12")
	v.settle()
	a := v.srv.Ledger().Creates[0].Deliveries[0].Attempts[0]
	if a.Status != 0 || !strings.Contains(a.Error, "refused") || strings.Contains(a.Error, "private") {
		t.Errorf("attempt is %+v, want a refused connection without the address", a)
	}
}

func TestWebhookGoesToNamedApps(t *testing.T) {
	for _, test := range []struct {
		name    string
		allowed []string
		pairs   []string
		want    []string
	}{
		{"none named", nil, nil, nil},
		{"one", nil, []string{"apps", "12"}, []string{"12"}},
		{"repeated", nil, []string{"apps", "12", "apps", "34", "apps", "12"}, []string{"12", "34"}},
		{"object", nil, []string{"apps", `{"34":"b/{id}.png","12":"a/{id}.png"}`}, []string{"12", "34"}},
		{"restricted", []string{"34"}, []string{"apps", "12", "apps", "34"}, []string{"34"}},
		{"not connected", []string{"34"}, []string{"apps", "12"}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			address, hooks := receiver(t, always(http.StatusOK))
			v := start(t, sandbox.Config{WebhookURL: address, AppIDs: test.allowed})
			v.create("https://example.com/", test.pairs...)
			v.settle()
			var got []string
			for _, d := range v.srv.Ledger().Creates[0].Deliveries {
				got = append(got, d.App)
			}
			if !slices.Equal(got, test.want) || len(hooks) != len(test.want) {
				t.Errorf("got %d webhooks for apps %q, want %q", len(hooks), got, test.want)
			}
		})
	}
}

func TestPathTemplate(t *testing.T) {
	v := start(t, sandbox.Config{})
	s := v.create("https://example.com/a", "apps", `{"12":"{tag}/{domain}/{yyyy}-{mm}-{dd}T{hh}{ii}{ss}-{id}.png"}`, "tag", "first", "tag", "second")
	v.settle()
	got := data[shot](t, v.get("screenshot/info", with("id", "1001"))).StorageURL
	if want := "sandbox://12/first/example.com/2026-03-04T050607-1001.png"; got != want || s.StorageURL != "" {
		t.Errorf("storage_url is %q, then %q, want none, then %q", s.StorageURL, got, want)
	}
}

// Webhooks have whole seconds, as documented, even if the clock is more precise.
func TestWebhookTimesAreInTheDocumentedForm(t *testing.T) {
	address, hooks := receiver(t, always(http.StatusOK))
	v := start(t, sandbox.Config{WebhookURL: address, Now: func() time.Time { return clock.Add(987654321 * time.Nanosecond) }})
	v.batch("https://a.test/", "country", "us", "apps", "12")
	for range 2 { // of the screenshot and of the batch
		contains(t, next(t, hooks).body, `"created_at":"2026-03-04T05:06:07Z"`)
	}
	contains(t, v.get("screenshot/list", nil).body, `"created_at":"2026-03-04T05:06:07.987Z"`)
	if created := v.srv.Ledger().Creates[0].CreatedAt; created != "2026-03-04T05:06:07.987654321Z" {
		t.Errorf("created_at in the ledger is %s", created)
	}
}
