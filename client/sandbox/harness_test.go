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

// clock is the time in tests that bring none of their own.
var clock = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func fixedClock() time.Time { return clock }

// vendor is a sandbox that listens.
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

// answer is a whole HTTP answer.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// do sends one request; key "" sends none.
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

// post sends a body; kind is its content type, as given.
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

// shot is the part of a screenshot object that tests look at.
type shot struct {
	ID         int64
	Status     string
	URL        string
	Error      *string
	Cost       float64
	Tag        []string
	StorageURL string `json:"storage_url"`
}

// data unwraps a successful answer.
func data[T any](t *testing.T, a answer) T {
	t.Helper()
	var envelope struct {
		Success bool
		Data    T
	}
	if err := json.Unmarshal(a.body, &envelope); err != nil || a.status != http.StatusOK || !envelope.Success {
		t.Fatalf("answer is %d %s (%v), want success", a.status, a.body, err)
	}
	return envelope.Data
}

// create orders a screenshot of address with further parameters as key, value
// pairs.
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

// until waits for what no event tells of.
func (v *vendor) until(is func() bool) {
	v.t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); runtime.Gosched() {
		if time.Now().After(end) {
			v.t.Fatal("it never happened")
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

// hook is one webhook as it arrived.
type hook struct {
	header http.Header
	body   []byte
}

// receiver takes webhooks and answers the n-th (from 0) with status(n).
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
		w.Header().Set("Location", "/elsewhere") // matters to a redirect only
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
		t.Fatal("no webhook came")
		return hook{}
	}
}

// camera is a Renderer whose pictures must be stored, unlike the plain one's.
// Each Render first waits for shutter, when there is one.
type camera struct {
	shutter chan struct{}
	closed  bool
}

func (c *camera) Name() string { return "camera" }
func (c *camera) Close() error { c.closed = true; return nil }

func (c *camera) Render(ctx context.Context, r sandbox.RenderRequest) (sandbox.Rendering, error) {
	if c.shutter != nil {
		select {
		case <-c.shutter:
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
	pic := sandbox.Picture{Data: buf.Bytes(), Format: "png", Width: 80, Height: 40}
	return sandbox.Rendering{Shots: []sandbox.Picture{pic}, FinalURL: r.URL + "?landed", Title: "Camera"}, nil
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
