package chrome

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color/palette"
	"image/png"
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"

	"shotline/client/sandbox"
	"shotline/client/sandbox/raster"
)

// striped is a page with three bands of 300 px: red, blue and green.
const striped = `<!doctype html><style>body{margin:0}div{height:300px}</style>
	<div style="background:#d02010"></div><div style="background:#1030c0"></div>
	<div style="background:#10a030"></div>`

func TestOptionSize(t *testing.T) {
	t.Parallel()
	url := serveHTML(t, striped)
	screen := singleImage(t, mustRender(t, sandbox.RenderRequest{URL: url}), 300, 200)
	wantColor(t, screen, 150, 197, red)
	page := singleImage(t, mustRender(t, sandbox.RenderRequest{URL: url, Frame: sandbox.Frame{FullPage: true}}), 300, 900)
	wantColor(t, page, 150, 2, red)
	wantColor(t, page, 150, 450, blue)
	wantColor(t, page, 150, 897, green)
}

// A full page includes images with loading="lazy".
func TestOptionSizeLoadsLazyPictures(t *testing.T) {
	t.Parallel()
	url := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, `<!doctype html><style>body{margin:0}p{height:9000px;margin:0}img{display:block}</style><p></p>
				<img loading="lazy" width="300" height="100" src="/late.svg">`)
			return
		}
		select { // a slow server
		case <-time.After(300 * time.Millisecond):
		case <-r.Context().Done():
		}
		w.Header().Set("Content-Type", "image/svg+xml")
		fmt.Fprint(w, `<svg xmlns="http://www.w3.org/2000/svg" width="300" height="100"><rect width="300" height="100" fill="#1030c0"/></svg>`)
	})
	img := singleImage(t, mustRender(t, sandbox.RenderRequest{URL: url, Frame: sandbox.Frame{FullPage: true}}), 300, 9100)
	wantColor(t, img, 150, 9050, blue)
}

// No image exceeds the limits, and no side is empty.
func TestCaptureIsBounded(t *testing.T) {
	for _, c := range []struct {
		width, height, scale float64
		wantWidth, wantHigh  float64
	}{
		{300, 200, 1, 300, 200},
		{300, 90000, 1, 300, 16383},
		{300, 90000, 2, 300, 8191},
		{10000, 10000, 1, 10000, 5000},
		{4000, 4000, 2, 4000, 3125},
		{0.1, 0, 1, 1, 1},
	} {
		r := &run{req: sandbox.RenderRequest{Device: sandbox.Device{Scale: c.scale}}}
		clip := r.bounded(&page.Viewport{Width: c.width, Height: c.height})
		if clip.Width != c.wantWidth || clip.Height != c.wantHigh {
			t.Errorf("%v by %v at scale %v became %v by %v, want %v by %v", c.width, c.height, c.scale, clip.Width, clip.Height, c.wantWidth, c.wantHigh)
		}
	}
}

// The height of an image is limited by the image formats.
func TestOptionSizeOfAnEndlessPage(t *testing.T) {
	t.Parallel()
	url := serveHTML(t, `<!doctype html><style>body{margin:0;height:90000px;background:#10a030}</style>`)
	img := singleImage(t, mustRender(t, sandbox.RenderRequest{URL: url, Frame: sandbox.Frame{FullPage: true}}), 300, raster.MaxSide)
	wantColor(t, img, 2, raster.MaxSide-2, green)
}

func TestOptionMaxHeight(t *testing.T) {
	t.Parallel()
	url := serveHTML(t, striped)
	cut := singleImage(t, mustRender(t, sandbox.RenderRequest{URL: url, Frame: sandbox.Frame{FullPage: true, MaxHeight: 400}}), 300, 400)
	wantColor(t, cut, 150, 397, blue)
	singleImage(t, mustRender(t, sandbox.RenderRequest{URL: url, Frame: sandbox.Frame{FullPage: true, MaxHeight: 5000}}), 300, 900)
	singleImage(t, mustRender(t, sandbox.RenderRequest{URL: url, Frame: sandbox.Frame{MaxHeight: 100}}), 300, 200)
}

func TestOptionTarget(t *testing.T) {
	t.Parallel()
	url := serveHTML(t, striped+`<p id="far" style="margin:40px 0 0 25px;width:120px;height:70px;background:#d02010"></p>
		<p id="none" style="display:none">nothing to see</p>`)
	img := singleImage(t, mustRender(t, sandbox.RenderRequest{URL: url, Frame: sandbox.Frame{Target: "#far"}}), 120, 70)
	wantColor(t, img, 2, 2, red)
	wantColor(t, img, 117, 67, red)
	wantError(t, sandbox.RenderRequest{URL: url, Frame: sandbox.Frame{Target: "p["}}, "target", "not a valid CSS selector")
}

func TestOptionTargetMissing(t *testing.T) {
	t.Parallel()
	url := serveHTML(t, `<!doctype html><p id="none" style="display:none">nothing to see</p>`)
	t.Run("hidden", func(t *testing.T) {
		t.Parallel()
		wantError(t, sandbox.RenderRequest{URL: url, Frame: sandbox.Frame{Target: "#none"}}, "target", "not visible")
	})
	t.Run("missing", func(t *testing.T) {
		t.Parallel()
		wantError(t, sandbox.RenderRequest{URL: url, Frame: sandbox.Frame{Target: "#nowhere"}}, "target", "no element matches")
	})
}

func TestOptionFormat(t *testing.T) {
	t.Parallel()
	url := serveHTML(t, striped)
	for _, format := range []string{"png", "jpeg", "webp"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			for _, width := range []int{0, 150} {
				r := mustRender(t, sandbox.RenderRequest{URL: url, Frame: sandbox.Frame{Format: format, Width: width}})
				pic := r.Shots[0]
				img, err := raster.Decode(pic.Data, format)
				if err != nil {
					t.Fatal(err)
				}
				if pic.Format != format || img.Bounds().Dx() != pic.Width {
					t.Errorf("decoded %s of %d px, but the result says %s of %d px", format, img.Bounds().Dx(), pic.Format, pic.Width)
				}
				wantColor(t, img, 20, 20, red)
			}
		})
	}
	wantError(t, sandbox.RenderRequest{URL: url, Frame: sandbox.Frame{Format: "gif"}}, "format", "gif")
}

// incompressible returns a page whose image compresses badly. It has no script,
// so that its tab is reused.
func incompressible(t *testing.T) string {
	t.Helper()
	noise := image.NewPaletted(image.Rect(0, 0, 300, 200), palette.Plan9)
	for i := range noise.Pix {
		noise.Pix[i] = uint8(rand.Uint32())
	}
	var data bytes.Buffer
	if err := png.Encode(&data, noise); err != nil {
		t.Fatal(err)
	}
	return `<!doctype html><style>body{margin:0}img{display:block}</style><img src="data:image/png;base64,` + base64.StdEncoding.EncodeToString(data.Bytes()) + `">`
}

func TestOptionQuality(t *testing.T) {
	t.Parallel()
	url := serveHTML(t, incompressible(t))
	for _, format := range []string{"jpeg", "webp"} {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			for _, width := range []int{0, 250} {
				size := func(quality int) int {
					return len(mustRender(t, sandbox.RenderRequest{URL: url, Frame: sandbox.Frame{Format: format, Quality: quality, Width: width}}).Shots[0].Data)
				}
				if poor, fine := size(10), size(95); poor*2 > fine {
					t.Errorf("width %d: %d bytes at quality 10, %d at 95, want less than half", width, poor, fine)
				}
			}
		})
	}
}

func TestOptionWidthHeight(t *testing.T) {
	t.Parallel()
	url := serveHTML(t, striped)
	for _, c := range []struct {
		name          string
		frame         sandbox.Frame
		width, height int
	}{
		{"only width", sandbox.Frame{Width: 150}, 150, 100},
		{"only height", sandbox.Frame{Height: 50}, 75, 50},
		{"both, cropped", sandbox.Frame{Width: 100, Height: 100}, 100, 100},
		{"of a full page", sandbox.Frame{FullPage: true, Width: 100}, 100, 300},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			img := singleImage(t, mustRender(t, sandbox.RenderRequest{URL: url, Frame: c.frame}), c.width, c.height)
			wantColor(t, img, c.width/2, 2, red)
		})
	}
}
