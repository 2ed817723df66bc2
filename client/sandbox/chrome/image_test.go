package chrome

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/chromedp/cdproto/network"

	"shotline/client/sandbox"
	"shotline/client/sandbox/raster"
)

func TestComplete(t *testing.T) {
	for _, c := range []struct {
		req  sandbox.RenderRequest
		want string
	}{
		{sandbox.RenderRequest{Frame: sandbox.Frame{Width: -1}}, "width: -1"},
		{sandbox.RenderRequest{Frame: sandbox.Frame{Height: raster.MaxSide + 1}}, "height: 16384"},
		{sandbox.RenderRequest{Device: sandbox.Device{ScreenWidth: -5}}, "screen_width: -5"},
		{sandbox.RenderRequest{Device: sandbox.Device{ScreenHeight: 99999}}, "screen_height: 99999"},
		{sandbox.RenderRequest{Frame: sandbox.Frame{Quality: 101}}, "quality: 101"},
		{sandbox.RenderRequest{Frame: sandbox.Frame{Format: "gif"}}, `format: "gif"`},
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
			t.Errorf("loadReason(%q) = %q, want %q", text, got, want)
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
			t.Errorf("failureReason(%v) = %s, want %s", c.err, got, c.want)
		}
	}
}

func TestServeTurnsAPanicIntoAnError(t *testing.T) {
	for _, value := range []any{http.ErrAbortHandler, "text"} {
		rec := &recorder{header: http.Header{}}
		err := serve(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(value) }), rec, nil)
		if err == nil || !strings.Contains(err.Error(), fmt.Sprint(value)) {
			t.Errorf("panic %v became %v", value, err)
		}
	}
}
