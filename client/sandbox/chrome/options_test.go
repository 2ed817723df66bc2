package chrome

import (
	"encoding/json"
	"image"
	"image/color"
	"io"
	"log"
	"net/http"
	"strings"
	"testing"

	"shotline/client/sandbox"
)

var (
	green = color.RGBA{R: 0x10, G: 0xa0, B: 0x30, A: 0xff}
	small = sandbox.Device{ScreenWidth: 300, ScreenHeight: 200}
)

// mustRender renders a request that must succeed. The screen is small unless the
// request has a size.
func mustRender(t *testing.T, req sandbox.RenderRequest) sandbox.Rendering {
	t.Helper()
	rendering, err := shared(t).Render(t.Context(), withSmallScreen(req))
	if err != nil {
		t.Fatal(err)
	}
	return rendering
}

func withSmallScreen(req sandbox.RenderRequest) sandbox.RenderRequest {
	if req.ScreenWidth == 0 && req.ScreenHeight == 0 {
		req.ScreenWidth, req.ScreenHeight = small.ScreenWidth, small.ScreenHeight
	}
	return req
}

// wantError renders a request that must fail with an error that contains the
// words.
func wantError(t *testing.T, req sandbox.RenderRequest, words ...string) {
	t.Helper()
	_, err := shared(t).Render(t.Context(), withSmallScreen(req))
	if err == nil {
		t.Fatalf("no error, want one with %q", words)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q, want one with %q", err, word)
		}
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error has several lines: %q", err)
	}
}

// singleImage decodes the only image of a rendering and checks its size.
func singleImage(t *testing.T, r sandbox.Rendering, width, height int) image.Image {
	t.Helper()
	if len(r.Shots) != 1 {
		t.Fatalf("got %d images, want one", len(r.Shots))
	}
	pic := r.Shots[0]
	if pic.Width != width || pic.Height != height {
		t.Errorf("image is %dx%d, want %dx%d", pic.Width, pic.Height, width, height)
	}
	return decode(t, pic)
}

func wantColor(t *testing.T, img image.Image, x, y int, want color.Color) {
	t.Helper()
	if got := img.At(x, y); !near(got, want) {
		t.Errorf("pixel %d,%d is %v, want %v", x, y, got, want)
	}
}

// serveValue serves a page whose title is the JSON of a JavaScript value.
func serveValue(t *testing.T, value string) string {
	t.Helper()
	return serveHTML(t, `<!doctype html><meta name="viewport" content="width=device-width"><title>?</title>
		<script>document.title = JSON.stringify(`+value+`)</script>`)
}

// titleValue parses a title as JSON.
func titleValue[T any](t *testing.T, r sandbox.Rendering) T {
	t.Helper()
	var value T
	if err := json.Unmarshal([]byte(r.Title), &value); err != nil {
		t.Fatalf("title %q: %v", r.Title, err)
	}
	return value
}

// serveRecorded serves a page and sends the requests to a channel.
func serveRecorded(t *testing.T, body string) (string, <-chan *http.Request) {
	t.Helper()
	requests := make(chan *http.Request, 16)
	address := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		if r.URL.Path != "/favicon.ico" {
			requests <- r
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if _, err := w.Write([]byte(body)); err != nil {
			t.Error(err)
		}
	})
	return address, requests
}

// discard drops the server's messages about clients that reject its certificate.
var discard = log.New(io.Discard, "", 0)
