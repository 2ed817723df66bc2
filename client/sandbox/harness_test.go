package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"shotline/client/sandbox"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock is the time in tests that do not set their own.
var clock = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func fixedClock() time.Time { return clock }

// vendor is a sandbox that listens on a local port.
type vendor struct {
	t    *testing.T
	srv  *sandbox.Server
	root string
}

func start(t *testing.T, cfg sandbox.Config) *vendor {
	t.Helper()
	if cfg.Now == nil {
		cfg.Now = fixedClock
	}
	if cfg.FirstID == 0 {
		cfg.FirstID = 1001
	}
	srv, err := sandbox.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(srv.Handler())
	srv.SetBaseURL(listener.URL + "/")
	t.Cleanup(func() {
		listener.Close()
		if err := srv.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return &vendor{t: t, srv: srv, root: listener.URL}
}

// answer is a complete HTTP response.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do sends one request. If key is empty, it has no key.
func (v *vendor) do(method, path, key string, query url.Values) answer {
	v.t.Helper()
	req, err := http.NewRequest(method, v.root+path+"?"+query.Encode(), nil)
	if err != nil {
		v.t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("X-API-KEY", key)
	}
	return v.send(req)
}

func (v *vendor) send(req *http.Request) answer {
	v.t.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, body}
}

func (v *vendor) get(endpoint string, query url.Values) answer {
	v.t.Helper()
	return v.do(http.MethodGet, "/api/v1/"+endpoint, sandbox.DefaultAPIKey, query)
}

// post sends a body with the content type kind.
func (v *vendor) post(endpoint, kind, body string) answer {
	v.t.Helper()
	req, err := http.NewRequest(http.MethodPost, v.root+"/api/v1/"+endpoint, strings.NewReader(body))
	if err != nil {
		v.t.Fatal(err)
	}
	req.Header.Set("X-API-KEY", sandbox.DefaultAPIKey)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	return v.send(req)
}

// shot contains the fields of a screenshot object that the tests check.
type shot struct {
	ID         int64
	Status     string
	URL        string
	Error      *string
	Cost       float64
	Tag        []string
	StorageURL string `json:"storage_url"`
}

// data returns the data of a successful response.
func data[T any](t *testing.T, a answer) T {
	t.Helper()
	var envelope struct {
		Success bool
		Data    T
	}
	if err := json.Unmarshal(a.body, &envelope); err != nil || a.status != http.StatusOK || !envelope.Success {
		t.Fatalf("got %d %s (%v), want success", a.status, a.body, err)
	}
	return envelope.Data
}

// create creates a screenshot of address. pairs are further parameters as key,
// value pairs.
func (v *vendor) create(address string, pairs ...string) shot {
	v.t.Helper()
	return data[shot](v.t, v.get("screenshot/create", with(append(pairs, "url", address)...)))
}

// settle waits until everything is rendered and delivered.
func (v *vendor) settle() {
	v.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := v.srv.Idle(ctx); err != nil {
		v.t.Fatalf("Idle: %v", err)
	}
}

// waitFor polls a condition for which there is no event.
func (v *vendor) waitFor(is func() bool) {
	v.t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); runtime.Gosched() {
		if time.Now().After(end) {
			v.t.Fatal("condition not met within 20 s")
		}
	}
}

func with(pairs ...string) url.Values {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		q.Add(pairs[i], pairs[i+1])
	}
	return q
}

// hook is one received webhook.
type hook struct {
	header http.Header
	body   []byte
}

// receiver receives webhooks and responds to the n-th (from 0) with status(n).
func receiver(t *testing.T, status func(n int) int) (address string, hooks <-chan hook) {
	t.Helper()
	arrived := make(chan hook, 1000)
	counter := make(chan int, 1)
	counter <- 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		n := <-counter
		counter <- n + 1
		arrived <- hook{r.Header, body}
		w.Header().Set("Location", "/elsewhere") // only used with a redirect status
		w.WriteHeader(status(n))
	}))
	t.Cleanup(server.Close)
	return server.URL + "/webhooks/screenshotcenter", arrived
}

func always(status int) func(int) int { return func(int) int { return status } }

// next waits for a webhook.
func next(t *testing.T, hooks <-chan hook) hook {
	t.Helper()
	select {
	case h := <-hooks:
		return h
	case <-time.After(20 * time.Second):
		t.Fatal("no webhook within 20 s")
		return hook{}
	}
}

// fakeRenderer is a Renderer whose images are stored, unlike those of
// PlainRenderer. If gate is not nil, each Render first receives from it.
type fakeRenderer struct {
	gate   chan struct{}
	closed bool
}

func (c *fakeRenderer) Name() string { return "fake" }
func (c *fakeRenderer) Close() error { c.closed = true; return nil }

func (c *fakeRenderer) Render(ctx context.Context, r sandbox.RenderRequest) (sandbox.Rendering, error) {
	if c.gate != nil {
		select {
		case <-c.gate:
		case <-ctx.Done():
			return sandbox.Rendering{}, ctx.Err()
		}
	}
	img := image.NewRGBA(image.Rect(0, 0, 80, 40))
	img.Set(3, 4, color.RGBA{R: byte(len(r.URL)), A: 255})
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		return sandbox.Rendering{}, err
	}
	pic := sandbox.Image{Data: buf.Bytes(), Format: "png", Width: 80, Height: 40}
	return sandbox.Rendering{Shots: []sandbox.Image{pic}, FinalURL: r.URL + "?landed", Title: "Camera"}, nil
}

func contains(t *testing.T, body []byte, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(string(body), part) {
			t.Errorf("%s\nlacks %s", body, part)
		}
	}
}

// serve listens until the test ends and returns the address.
func serve(t *testing.T, h http.Handler) string {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(func() {
		server.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return server.Listener.Addr().String()
}
