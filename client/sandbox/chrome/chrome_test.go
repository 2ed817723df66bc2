package chrome

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	_ "image/jpeg"
	_ "image/png"
	"net/http"
	"net/http/httptest"
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

// common is the browser that tests share when they do not harm it.
var common struct {
	once     sync.Once
	renderer *Renderer
	err      error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if common.renderer != nil {
		if err := common.renderer.Close(); err != nil {
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
	if _, ok := Find(); !ok {
		t.Skip("needs chromium: none found on PATH, in the usual places or by CHROME_PATH")
	}
}

func shared(t *testing.T) *Renderer {
	t.Helper()
	needChromium(t)
	common.once.Do(func() {
		common.renderer, common.err = New(Config{Pages: pages.Handler(), Fail: pages.Fail})
	})
	if common.err != nil {
		t.Fatal(common.err)
	}
	return common.renderer
}

// start runs a browser of the test's own.
func start(t *testing.T, cfg Config) *Renderer {
	t.Helper()
	needChromium(t)
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

func decode(t *testing.T, p sandbox.Picture) image.Image {
	t.Helper()
	img, format, err := image.Decode(bytes.NewReader(p.Data))
	if err != nil {
		t.Fatalf("decode the picture: %v", err)
	}
	if format != p.Format {
		t.Errorf("picture is %s, said to be %s", format, p.Format)
	}
	if b := img.Bounds(); b.Dx() != p.Width || b.Dy() != p.Height {
		t.Errorf("picture is %v, said to be %dx%d", b, p.Width, p.Height)
	}
	return img
}

// near reports whether two colours differ by no more than JPEG would.
func near(a, b color.Color) bool {
	ar, ag, ab, _ := a.RGBA()
	br, bg, bb, _ := b.RGBA()
	off := func(x, y uint32) bool { return max(x, y)-min(x, y) > 12<<8 }
	return !off(ar, br) && !off(ag, bg) && !off(ab, bb)
}

var (
	red  = color.RGBA{R: 0xd0, G: 0x20, B: 0x10, A: 0xff}
	blue = color.RGBA{R: 0x10, G: 0x30, B: 0xc0, A: 0xff}
)

func TestRenderSizes(t *testing.T) {
	url := serveHTML(t, `<!doctype html><title>Two colours</title><style>body{margin:0}div{height:600px}</style>
		<div style="background:#d02010"></div><div style="background:#1030c0"></div>`)
	cases := []struct {
		name   string
		req    sandbox.RenderRequest
		w, h   int
		bottom color.Color
	}{
		{"defaults", sandbox.RenderRequest{}, 1280, 800, blue},
		{"viewport", sandbox.RenderRequest{ScreenWidth: 600, ScreenHeight: 400, Format: "png"}, 600, 400, red},
		{"full page", sandbox.RenderRequest{ScreenWidth: 600, ScreenHeight: 400, FullPage: true}, 600, 1200, blue},
		{"full page of a short page", sandbox.RenderRequest{ScreenWidth: 600, ScreenHeight: 1500, FullPage: true}, 600, 1500, color.White},
		{"width", sandbox.RenderRequest{ScreenWidth: 600, ScreenHeight: 400, Width: 150}, 150, 100, red},
		{"height of a full page", sandbox.RenderRequest{ScreenWidth: 600, ScreenHeight: 400, FullPage: true, Height: 300}, 150, 300, blue},
		{"both", sandbox.RenderRequest{ScreenWidth: 600, ScreenHeight: 400, FullPage: true, Width: 100, Height: 50}, 100, 50, red},
		{"jpeg", sandbox.RenderRequest{ScreenWidth: 600, ScreenHeight: 400, Format: "jpeg", Quality: 90}, 600, 400, red},
		{"scaled jpeg", sandbox.RenderRequest{ScreenWidth: 600, ScreenHeight: 400, Format: "jpeg", Width: 300}, 300, 200, red},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.req.URL = url
			pic, err := shared(t).Render(t.Context(), c.req)
			if err != nil {
				t.Fatal(err)
			}
			img := decode(t, pic)
			if pic.Width != c.w || pic.Height != c.h {
				t.Errorf("picture is %dx%d, want %dx%d", pic.Width, pic.Height, c.w, c.h)
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
			if pic.Title != "Two colours" || pic.FinalURL != url {
				t.Errorf("title %q, final address %q", pic.Title, pic.FinalURL)
			}
		})
	}
}

func orPNG(asked string) string {
	if asked == "" {
		return "png"
	}
	return asked
}

func TestRenderDemoPage(t *testing.T) {
	pic, err := shared(t).Render(t.Context(), sandbox.RenderRequest{URL: "https://shop.shotline.test", Format: "png"})
	if err != nil {
		t.Fatal(err)
	}
	if pic.FinalURL != "https://shop.shotline.test/" || !strings.Contains(pic.Title, "stoneware") {
		t.Errorf("final address %q, title %q", pic.FinalURL, pic.Title)
	}
	// The paper colour comes from the shared style sheet, a request of its own.
	if got, want := decode(t, pic).At(3, 3), (color.RGBA{0xfb, 0xfa, 0xf7, 0xff}); !near(got, want) {
		t.Errorf("page background is %v, want %v", got, want)
	}
}

func TestRenderFollowsRedirects(t *testing.T) {
	url := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://missing.shotline.test/?from=here", http.StatusFound)
	})
	pic, err := shared(t).Render(t.Context(), sandbox.RenderRequest{URL: url, Width: 64})
	if err != nil {
		t.Fatal(err)
	}
	if want := "http://missing.shotline.test/?from=here"; pic.FinalURL != want {
		t.Errorf("final address %q, want %q", pic.FinalURL, want)
	}
}

func TestRenderReasons(t *testing.T) {
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
		{"download", download, "no page to show"},
		{"redirect to a local file", toFile, "net::ERR_UNSAFE_REDIRECT"},
		{"local file", "file:///etc/passwd", "only http and https can be rendered, not file"},
		{"browser page", "chrome://version", "not chrome"},
		{"no scheme", "shop.shotline.test", "not an absolute address"},
		{"no host", "https:///path", "no host"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := shared(t).Render(t.Context(), sandbox.RenderRequest{URL: c.url})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}

func TestPageCannotLeaveTheWeb(t *testing.T) {
	url := serveHTML(t, `<!doctype html><title>still here</title><style>body{margin:0;background:#d02010}</style>
		<iframe src="file:///etc/passwd" style="border:0"></iframe>
		<script>alert("stop"); try { location = "file:///etc/passwd" } catch (e) {}; open("about:blank")</script>`)
	pic, err := shared(t).Render(t.Context(), sandbox.RenderRequest{URL: url, ScreenWidth: 300, ScreenHeight: 300})
	if err != nil {
		t.Fatal(err)
	}
	if pic.FinalURL != url || pic.Title != "still here" {
		t.Errorf("page ended at %q, title %q", pic.FinalURL, pic.Title)
	}
	if got := decode(t, pic).At(298, 298); !near(got, red) {
		t.Errorf("page is %v, want red", got)
	}
}

func TestTabsShareNothing(t *testing.T) {
	var cookies atomic.Int32
	url := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		if _, err := r.Cookie("seen"); err == nil && r.URL.Path == "/" {
			cookies.Add(1)
		}
		http.SetCookie(w, &http.Cookie{Name: "seen", Value: "1"})
		fmt.Fprint(w, "<p>hello")
	})
	for range 2 {
		if _, err := shared(t).Render(t.Context(), sandbox.RenderRequest{URL: url + "?visit"}); err != nil {
			t.Fatal(err)
		}
	}
	if cookies.Load() != 0 {
		t.Error("a cookie went from one render to the next")
	}
}

func TestPoolIsBounded(t *testing.T) {
	var inside, peak atomic.Int32
	meet := make(chan struct{})
	url := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r)
			return
		}
		n := inside.Add(1)
		defer inside.Add(-1)
		for old := peak.Load(); n > old && !peak.CompareAndSwap(old, n); old = peak.Load() {
		}
		select { // two at a time, or nobody gets through
		case meet <- struct{}{}:
		case <-meet:
		case <-r.Context().Done():
		}
		fmt.Fprint(w, "<p>hello")
	})
	r := start(t, Config{Tabs: 2})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := r.Render(t.Context(), sandbox.RenderRequest{URL: url}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if peak.Load() != 2 {
		t.Errorf("%d pages open at once, want 2", peak.Load())
	}

	r.slots <- struct{}{}
	r.slots <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Render(ctx, sandbox.RenderRequest{URL: url}); err == nil || !strings.Contains(err.Error(), "wait for a free tab") {
		t.Errorf("render without a free tab: %v", err)
	}
	<-r.slots
	<-r.slots
}

func TestTimeouts(t *testing.T) {
	r := start(t, Config{Pages: pages.Handler(), Fail: pages.Fail, PageTimeout: 700 * time.Millisecond})
	hanging := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			<-r.Context().Done()
			return
		}
		fmt.Fprint(w, `<p>text<img src="/hangs.png">`)
	})
	_, err := r.Render(t.Context(), sandbox.RenderRequest{URL: "https://never.shotline.test/"})
	if err == nil || err.Error() != "page did not answer within 700ms" {
		t.Errorf("silent page: %v", err)
	}
	_, err = r.Render(t.Context(), sandbox.RenderRequest{URL: hanging})
	if err == nil || err.Error() != "page did not finish loading within 700ms" {
		t.Errorf("hanging page: %v", err)
	}
	_, err = r.Render(t.Context(), sandbox.RenderRequest{URL: serveHTML(t, "<script>for(;;){}</script>")})
	if err == nil || !strings.Contains(err.Error(), "within 700ms") {
		t.Errorf("busy page: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	stopped := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	if _, err = r.Render(ctx, sandbox.RenderRequest{URL: stopped}); err == nil || !strings.Contains(err.Error(), "context canceled") {
		t.Errorf("canceled render: %v", err)
	}
}
