package chrome

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"shotline/client/sandbox"
	"shotline/client/sandbox/raster"
)

// maxScreen is the largest viewport side in CSS px.
const maxScreen = 8192

// complete checks a request and fills its zero fields.
func complete(req sandbox.RenderRequest) (sandbox.RenderRequest, error) {
	u, err := url.Parse(req.URL)
	switch {
	case err != nil || u.Scheme == "":
		return req, errors.New("url: not an absolute address")
	case u.Scheme != "http" && u.Scheme != "https":
		return req, fmt.Errorf("url: only http and https can be rendered, not %s", u.Scheme)
	case u.Host == "":
		return req, errors.New("url: no host")
	}
	if req.ScreenWidth == 0 {
		req.ScreenWidth = sandbox.DefaultScreenWidth
	}
	if req.ScreenHeight == 0 {
		req.ScreenHeight = sandbox.DefaultScreenHeight
	}
	if req.Format == "" {
		req.Format = "png"
	}
	for _, side := range []struct {
		name            string
		value, max, min int
	}{
		{"width", req.Width, raster.MaxSide, 0},
		{"height", req.Height, raster.MaxSide, 0},
		{"screen_width", req.ScreenWidth, maxScreen, 1},
		{"screen_height", req.ScreenHeight, maxScreen, 1},
		{"quality", req.Quality, 100, 0},
	} {
		if side.value < side.min || side.value > side.max {
			return req, fmt.Errorf("%s: %d is not between %d and %d", side.name, side.value, side.min, side.max)
		}
	}
	if !raster.Known(req.Format) {
		return req, fmt.Errorf("format: %q is none of %s", req.Format, strings.Join(raster.Formats, ", "))
	}
	return req, nil
}

// scaled reports whether the picture has another size than the capture.
func scaled(f sandbox.Frame) bool { return f.Width > 0 || f.Height > 0 }

// finish brings a capture to the size and format asked for.
func finish(shot screenshot, f sandbox.Frame) (sandbox.Picture, error) {
	if !scaled(f) {
		size, err := raster.Size(shot.data, f.Format)
		return sandbox.Picture{Data: shot.data, Format: f.Format, Width: size.X, Height: size.Y}, err
	}
	img, err := raster.Decode(shot.data, "png")
	if err != nil {
		return sandbox.Picture{}, err
	}
	if img, err = (raster.Form{Width: f.Width, Height: f.Height}).Apply(img); err != nil {
		return sandbox.Picture{}, err
	}
	data, err := raster.Encode(img, f.Format, f.Quality)
	size := img.Bounds()
	return sandbox.Picture{Data: data, Format: f.Format, Width: size.Dx(), Height: size.Dy()}, err
}
