package chrome

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"image"
	"image/color"
	_ "image/jpeg"
	_ "image/png"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"shotline/client/sandbox"
	"shotline/client/sandbox/pages"
)

// The tests share one probe and, if they do not damage it, one browser.
var (
	findOnce    = sync.OnceValues(Find)
	sharedFlags = []string{"--user-agent=shotline-test", "--disable-remote-fonts"}
	// the servers of the tests are on loopback
	loopback      = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	sharedBrowser *Renderer // nil until shared is called
	sharedLog     string    // log output of its start
	sharedOnce    = sync.OnceValues(func() (*Renderer, error) {
		var log bytes.Buffer
		var err error
		path, _ := findOnce()
		sharedBrowser, err = New(Config{
			Path: path, Pages: pages.Handler(), Fail: pages.Fail, Tabs: 4, Flags: sharedFlags, AllowPrivate: loopback,
			Logger: slog.New(slog.NewTextHandler(&log, nil)),
		})
		sharedLog = log.String()
		return sharedBrowser, err
	})
)

// secret is a value that the browser must not get.
const secret = "not-for-browsers"

func TestMain(m *testing.M) {
	if err := os.Setenv("WEBHOOK_SECRET", secret); err != nil {
		panic(err)
	}
	// With more parallel tests, pages exceed the time limits on machines with two
	// slow cores.
	flag.Parse()
	if err := flag.Set("test.parallel", "2"); err != nil {
		panic(err)
	}
	code := m.Run()
	if sharedBrowser != nil {
		if err := sharedBrowser.Close(); err != nil {
			fmt.Fprintln(os.Stderr, "close:", err)
			code = 1
		}
	}
	http.DefaultClient.CloseIdleConnections()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, "goroutines left:", err)
		code = 1
	}
	os.Exit(code)
}

func needChromium(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a browser")
	}
	if _, ok := findOnce(); !ok {
		t.Skip("needs chromium: no working one on PATH, in the usual places or in CHROME_PATH")
	}
}

func shared(t *testing.T) *Renderer {
	t.Helper()
	needChromium(t)
	r, err := sharedOnce()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// withConfig returns a Renderer with a changed configuration that uses the shared
// browser.
func withConfig(t *testing.T, change func(*Config)) *Renderer {
	t.Helper()
	return rendererOn(t, shared(t), change)
}

// rendererOn returns a Renderer with a changed configuration that uses the
// browser of another one.
func rendererOn(t *testing.T, other *Renderer, change func(*Config)) *Renderer {
	cfg := other.cfg
	change(&cfg)
	r := newRenderer(cfg)
	r.current = other.current
	t.Cleanup(func() {
		r.idleTimer.Stop()
		r.closeTabs()
	})
	return r
}

// start starts a browser for one test.
func start(t *testing.T, cfg Config) *Renderer {
	t.Helper()
	needChromium(t)
	cfg.Path, _ = findOnce()
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error("close:", err)
		}
	})
	return r
}

func serveHTML(t *testing.T, body string) string {
	t.Helper()
	return serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, body)
	})
}

func serveFunc(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL + "/"
}

func decode(t *testing.T, p sandbox.Image) image.Image {
	t.Helper()
	img, format, err := image.Decode(bytes.NewReader(p.Data))
	if err != nil {
		t.Fatalf("decode the image: %v", err)
	}
	if format != p.Format {
		t.Errorf("image is %s, but the result says %s", format, p.Format)
	}
	if b := img.Bounds(); b.Dx() != p.Width || b.Dy() != p.Height {
		t.Errorf("image is %v, but the result says %dx%d", b, p.Width, p.Height)
	}
	return img
}

// near reports whether two colors differ by no more than the error of JPEG.
func near(a, b color.Color) bool {
	ar, ag, ab, _ := a.RGBA()
	br, bg, bb, _ := b.RGBA()
	differs := func(x, y uint32) bool { return max(x, y)-min(x, y) > 12<<8 }
	return !differs(ar, br) && !differs(ag, bg) && !differs(ab, bb)
}

var (
	red  = color.RGBA{R: 0xd0, G: 0x20, B: 0x10, A: 0xff}
	blue = color.RGBA{R: 0x10, G: 0x30, B: 0xc0, A: 0xff}
)

func TestRenderSizes(t *testing.T) {
	t.Parallel()
	url := serveHTML(t, `<!doctype html><title>Two colors</title><style>body{margin:0}div{height:300px}</style>
		<div style="background:#d02010"></div><div style="background:#1030c0"></div>`)
	cases := []struct {
		name   string
		req    sandbox.RenderRequest
		w, h   int
		bottom color.Color
	}{
		{"full page", sandbox.RenderRequest{Frame: sandbox.Frame{FullPage: true, Format: "png"}, Device: sandbox.Device{ScreenWidth: 300, ScreenHeight: 200}}, 300, 600, blue},
		{"full page of a short page", sandbox.RenderRequest{Frame: sandbox.Frame{FullPage: true}}, 1280, 800, color.White},
		{"height of a full page", sandbox.RenderRequest{Frame: sandbox.Frame{FullPage: true, Height: 300}, Device: sandbox.Device{ScreenWidth: 300, ScreenHeight: 200}}, 150, 300, blue},
		{"jpeg", sandbox.RenderRequest{Frame: sandbox.Frame{Format: "jpeg", Quality: 90}, Device: sandbox.Device{ScreenWidth: 300, ScreenHeight: 200}}, 300, 200, red},
		{"scaled and cut jpeg", sandbox.RenderRequest{Frame: sandbox.Frame{FullPage: true, Format: "jpeg", Width: 100, Height: 50}, Device: sandbox.Device{ScreenWidth: 300, ScreenHeight: 200}}, 100, 50, red},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.req.URL = url
			rendering, err := shared(t).Render(t.Context(), c.req)
			if err != nil {
				t.Fatal(err)
			}
			pic := rendering.Shots[0]
			img := decode(t, pic)
			if pic.Width != c.w || pic.Height != c.h {
				t.Errorf("image is %dx%d, want %dx%d", pic.Width, pic.Height, c.w, c.h)
			}
			if want := orPNG(c.req.Format); pic.Format != want {
				t.Errorf("format %q, want %q", pic.Format, want)
			}
			if got := img.At(2, 2); !near(got, red) {
				t.Errorf("top is %v, want red", got)
			}
			if got := img.At(c.w/2, c.h-2); !near(got, c.bottom) {
				t.Errorf("bottom is %v, want %v", got, c.bottom)
			}
			if rendering.Title != "Two colors" || rendering.FinalURL != url {
				t.Errorf("title %q, final URL %q", rendering.Title, rendering.FinalURL)
			}
		})
	}
}

func orPNG(format string) string {
	if format == "" {
		return "png"
	}
	return format
}

func TestRenderDemoPageAfterARedirect(t *testing.T) {
	t.Parallel()
	agent := make(chan string, 1)
	url := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		agent <- r.UserAgent()
		http.Redirect(w, r, "https://shop.shotline.test?from=here", http.StatusFound)
	})
	rendering, err := shared(t).Render(t.Context(), sandbox.RenderRequest{URL: url, Frame: sandbox.Frame{Format: "png"}})
	if err != nil {
		t.Fatal(err)
	}
	if rendering.FinalURL != "https://shop.shotline.test/?from=here" || !strings.Contains(rendering.Title, "stoneware") {
		t.Errorf("final URL %q, title %q", rendering.FinalURL, rendering.Title)
	}
	pic := rendering.Shots[0]
	if pic.Width != sandbox.DefaultScreenWidth || pic.Height != sandbox.DefaultScreenHeight {
		t.Errorf("image is %dx%d, want the default screen size", pic.Width, pic.Height)
	}
	// The background color comes from the style sheet, which is a separate request.
	if got, want := decode(t, pic).At(3, 3), (color.RGBA{0xfb, 0xfa, 0xf7, 0xff}); !near(got, want) {
		t.Errorf("page background is %v, want %v", got, want)
	}
	if got := <-agent; got != "shotline-test" {
		t.Errorf("user agent %q, want the flag's", got)
	}
}

func TestRenderReasons(t *testing.T) {
	t.Parallel()
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	download := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Disposition", `attachment; filename="a.bin"`)
		fmt.Fprint(w, "bytes")
	})
	toFile := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "file:///etc/passwd")
		w.WriteHeader(http.StatusFound)
	})
	cases := []struct{ name, url, want string }{
		{"demo host that refuses", "https://broken.shotline.test/", "refused the connection (net::ERR_CONNECTION_REFUSED)"},
		{"demo host that is not there", "https://nobody.shotline.test/", "does not exist (net::ERR_NAME_NOT_RESOLVED)"},
		{"closed port", gone.URL, "refused the connection (net::ERR_CONNECTION_REFUSED)"},
		{"download", download, "returned no page"},
		{"redirect to a local file", toFile, "net::ERR_UNSAFE_REDIRECT"},
		{"local file", "file:///etc/passwd", "only http and https can be rendered, not file"},
		{"browser page", "chrome://version", "not chrome"},
		{"no scheme", "shop.shotline.test", "not an absolute URL"},
		{"no host", "https:///path", "no host"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := shared(t).Render(t.Context(), sandbox.RenderRequest{URL: c.url, Device: sandbox.Device{ScreenWidth: 100, ScreenHeight: 100}})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestPageCannotOpenLocalFiles(t *testing.T) {
	t.Parallel()
	url := serveHTML(t, `<!doctype html><title>still here</title><style>body{margin:0;background:#d02010}</style>
		<iframe src="file:///etc/passwd" style="border:0"></iframe>
		<script>alert("stop"); try { location = "file:///etc/passwd" } catch (e) {}; open("about:blank")</script>`)
	rendering, err := shared(t).Render(t.Context(), sandbox.RenderRequest{URL: url, Device: sandbox.Device{ScreenWidth: 300, ScreenHeight: 300}})
	if err != nil {
		t.Fatal(err)
	}
	if rendering.FinalURL != url || rendering.Title != "still here" {
		t.Errorf("final URL %q, title %q", rendering.FinalURL, rendering.Title)
	}
	if got := decode(t, rendering.Shots[0]).At(298, 298); !near(got, red) {
		t.Errorf("pixel is %v, want red", got)
	}
}

// A page must not be able to create screenshots in the sandbox that renders it.
func TestPageCannotReachItsSandbox(t *testing.T) {
	t.Parallel()
	var reached, others atomic.Int32
	vendor, err := url.Parse(serveFunc(t, func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	if err != nil {
		t.Fatal(err)
	}
	neighbor := serveFunc(t, func(http.ResponseWriter, *http.Request) { others.Add(1) })
	page := serveHTML(t, fmt.Sprintf(`<!doctype html><title>tries</title>
		<img src="http://%[1]s/api/v1/screenshot/create?key=k"><img src="http://localhost:%[2]s/"><img src="http://0.0.0.0:%[2]s/">
		<iframe src="http://%[1]s/"></iframe><link rel="stylesheet" href="http://%[1]s/a.css">
		<script>fetch("http://%[1]s/", {method: "POST", mode: "no-cors"}).catch(() => {})</script>
		<img src="%[3]s?about=http://%[1]s/">`, vendor.Host, vendor.Port(), neighbor))
	req := sandbox.RenderRequest{URL: page, Own: sandbox.Address{Host: vendor.Hostname(), Port: vendor.Port()}, Device: small}
	if _, err := shared(t).Render(t.Context(), req); err != nil {
		t.Error(err)
	}
	redirect := serveFunc(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, vendor.String(), http.StatusFound) })
	behindProxy := sandbox.Address{Host: "pictures.test", Port: "443", LocalPort: vendor.Port()}
	for _, own := range []sandbox.Address{req.Own, behindProxy} {
		for _, address := range []string{vendor.String(), redirect} {
			req := sandbox.RenderRequest{URL: address, Own: own, Device: small}
			if _, err := shared(t).Render(t.Context(), req); err == nil || !strings.Contains(err.Error(), "the address is blocked") {
				t.Errorf("render of %s as %+v: %v", address, own, err)
			}
		}
	}
	if reached.Load() != 0 {
		t.Errorf("%d requests reached the sandbox", reached.Load())
	}
	if others.Load() != 1 {
		t.Errorf("%d requests reached the other server, want 1", others.Load())
	}
}

func TestPoolLimitAndTabIsolation(t *testing.T) {
	t.Parallel()
	var inside, peak, cookies atomic.Int32
	meet := make(chan struct{})
	url := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		if _, err := r.Cookie("seen"); err == nil {
			cookies.Add(1)
		}
		http.SetCookie(w, &http.Cookie{Name: "seen", Value: "1"})
		n := inside.Add(1)
		defer inside.Add(-1)
		for old := peak.Load(); n > old && !peak.CompareAndSwap(old, n); old = peak.Load() {
		}
		select { // each request waits for a second one
		case meet <- struct{}{}:
		case <-meet:
		case <-r.Context().Done():
		}
		fmt.Fprint(w, "<p>hello")
	})
	r := withConfig(t, func(c *Config) { c.Tabs = 2 })
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := r.Render(t.Context(), sandbox.RenderRequest{URL: url, Device: small}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if peak.Load() != 2 {
		t.Errorf("%d pages open at once, want 2", peak.Load())
	}
	if cookies.Load() != 0 {
		t.Error("a render sent a cookie of another one")
	}

	r.slots <- struct{}{}
	r.slots <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Render(ctx, sandbox.RenderRequest{URL: url}); err == nil || !strings.Contains(err.Error(), "wait for a free tab") {
		t.Errorf("render without a free tab: error %v", err)
	}
	<-r.slots
	<-r.slots
}

func TestTimeouts(t *testing.T) {
	t.Parallel()
	hanging := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			<-r.Context().Done()
			return
		}
		fmt.Fprint(w, `<p>text<img src="/hangs.png">`)
	})
	ctx, cancel := context.WithCancel(t.Context())
	stopped := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	cases := []struct {
		name, url string
		ctx       context.Context
		timeout   time.Duration
		pace      sandbox.Pace
		want      string
	}{
		{"silent page", "https://never.shotline.test/", t.Context(), 1500 * time.Millisecond, sandbox.Pace{Delay: 500 * time.Millisecond}, "page did not answer within 2s"},
		{"hanging page", hanging, t.Context(), 2 * time.Second, sandbox.Pace{}, "page did not finish loading within 2s"},
		{"busy page", serveHTML(t, "<script>for(;;){}</script>"), t.Context(), 300 * time.Millisecond, sandbox.Pace{}, "within 300ms"},
		{"stopped", stopped, ctx, time.Minute, sandbox.Pace{}, "context canceled"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := withConfig(t, func(cfg *Config) { cfg.PageTimeout = c.timeout })
			if _, err := r.Render(c.ctx, sandbox.RenderRequest{URL: c.url, Pace: c.pace}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}
