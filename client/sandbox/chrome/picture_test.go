package chrome

import (
	"errors"
	"fmt"
	"image"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/cdproto/network"

	"shotline/client/sandbox"
)

func TestFit(t *testing.T) {
	wide, tall := image.Rect(0, 0, 1200, 600), image.Rect(0, 0, 600, 1200)
	cases := []struct {
		name          string
		src           image.Rectangle
		width, height int
		size          image.Point
		cut           image.Rectangle
	}{
		{"width", wide, 300, 0, image.Pt(300, 150), wide},
		{"height", tall, 0, 300, image.Pt(150, 300), tall},
		{"larger", wide, 2400, 0, image.Pt(2400, 1200), wide},
		{"same shape", wide, 200, 100, image.Pt(200, 100), wide},
		{"wider source loses its sides", wide, 100, 100, image.Pt(100, 100), image.Rect(300, 0, 900, 600)},
		{"taller source loses its bottom", tall, 100, 100, image.Pt(100, 100), image.Rect(0, 0, 600, 600)},
		{"never nothing", image.Rect(0, 0, 2000, 1), 10, 0, image.Pt(10, 1), image.Rect(0, 0, 2000, 1)},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			size, cut, err := fit(c.src, c.width, c.height)
			if err != nil || size != c.size || cut != c.cut {
				t.Errorf("size %v cut %v (%v), want %v %v", size, cut, err, c.size, c.cut)
			}
		})
	}
	if _, _, err := fit(tall, maxSide, 0); err == nil {
		t.Error("a picture beyond the largest side was accepted")
	}
}

func TestComplete(t *testing.T) {
	for _, c := range []struct {
		req  sandbox.RenderRequest
		want string
	}{
		{sandbox.RenderRequest{Width: -1}, "width: -1"},
		{sandbox.RenderRequest{Height: maxSide + 1}, "height: 16385"},
		{sandbox.RenderRequest{ScreenWidth: -5}, "screen_width: -5"},
		{sandbox.RenderRequest{ScreenHeight: 99999}, "screen_height: 99999"},
		{sandbox.RenderRequest{Quality: 101}, "quality: 101"},
		{sandbox.RenderRequest{Format: "webp"}, `format: "webp"`},
	} {
		c.req.URL = "https://shop.shotline.test/"
		if _, err := complete(c.req); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("error %v, want one that starts with %q", err, c.want)
		}
	}
}

func TestLoadReason(t *testing.T) {
	for text, want := range map[string]string{
		"net::ERR_NAME_NOT_RESOLVED": "the host name does not exist (net::ERR_NAME_NOT_RESOLVED)",
		"net::ERR_SOMETHING_NEW":     "the page could not be loaded (net::ERR_SOMETHING_NEW)",
		"":                           "the page could not be loaded",
	} {
		if got := loadReason(text).Error(); got != want {
			t.Errorf("%q gives %q, want %q", text, got, want)
		}
	}
}

func TestFailureReason(t *testing.T) {
	for _, c := range []struct {
		err  error
		want network.ErrorReason
	}{
		{fmt.Errorf("dial: %w", syscall.ECONNREFUSED), network.ErrorReasonConnectionRefused},
		{fmt.Errorf("read: %w", syscall.ECONNRESET), network.ErrorReasonConnectionReset},
		{fmt.Errorf("dial: %w", &net.DNSError{IsNotFound: true}), network.ErrorReasonNameNotResolved},
		{errors.New("other"), network.ErrorReasonFailed},
	} {
		if got := failureReason(c.err); got != c.want {
			t.Errorf("%v gives %s, want %s", c.err, got, c.want)
		}
	}
}

func TestServeTurnsAPanicIntoAnError(t *testing.T) {
	for _, value := range []any{http.ErrAbortHandler, "text"} {
		rec := &recorder{header: http.Header{}}
		err := serve(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(value) }), rec, nil)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprint(value)) {
			t.Errorf("panic %v gives %v", value, err)
		}
	}
}
