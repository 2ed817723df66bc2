package chrome

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"math"
	"net/url"

	"golang.org/x/image/draw"

	"shotline/client/sandbox"
)

const (
	// maxSide is the longest side of a picture in px: what Chromium still
	// captures in one piece, and a bound on memory.
	maxSide = 16384
	// maxScreen is the largest viewport side in CSS px.
	maxScreen = 8192
)

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
		{"width", req.Width, maxSide, 0},
		{"height", req.Height, maxSide, 0},
		{"screen_width", req.ScreenWidth, maxScreen, 1},
		{"screen_height", req.ScreenHeight, maxScreen, 1},
		{"quality", req.Quality, 100, 0},
	} {
		if side.value < side.min || side.value > side.max {
			return req, fmt.Errorf("%s: %d is not between %d and %d", side.name, side.value, side.min, side.max)
		}
	}
	if req.Format != "png" && req.Format != "jpeg" {
		return req, fmt.Errorf("format: %q is neither png nor jpeg", req.Format)
	}
	return req, nil
}

// scaled reports whether the picture has another size than the capture.
func scaled(req sandbox.RenderRequest) bool { return req.Width > 0 || req.Height > 0 }

// finish brings a capture to the size and format asked for.
func finish(shot screenshot, req sandbox.RenderRequest) (sandbox.Picture, error) {
	pic := sandbox.Picture{Data: shot.data, Format: req.Format, FinalURL: shot.url, Title: shot.title}
	if !scaled(req) {
		size, _, err := image.DecodeConfig(bytes.NewReader(shot.data))
		if err != nil {
			return sandbox.Picture{}, fmt.Errorf("read the picture: %w", err)
		}
		pic.Width, pic.Height = size.Width, size.Height
		return pic, nil
	}

	src, err := png.Decode(bytes.NewReader(shot.data))
	if err != nil {
		return sandbox.Picture{}, fmt.Errorf("read the picture: %w", err)
	}
	size, cut, err := fit(src.Bounds(), req.Width, req.Height)
	if err != nil {
		return sandbox.Picture{}, err
	}
	dst := image.NewRGBA(image.Rectangle{Max: size})
	draw.CatmullRom.Scale(dst, dst.Bounds(), src, cut, draw.Src, nil)

	var out bytes.Buffer
	if req.Format == "jpeg" {
		err = jpeg.Encode(&out, dst, &jpeg.Options{Quality: jpegQuality(req)})
	} else {
		err = png.Encode(&out, dst)
	}
	if err != nil {
		return sandbox.Picture{}, fmt.Errorf("encode the picture: %w", err)
	}
	pic.Data, pic.Width, pic.Height = out.Bytes(), size.X, size.Y
	return pic, nil
}

// fit returns the size of the finished picture and the part of src that fills
// it. With one side given (the other 0) the whole of src keeps its shape; with
// both, src is cut at the bottom or at both sides, never distorted.
func fit(src image.Rectangle, width, height int) (size image.Point, cut image.Rectangle, err error) {
	sw, sh := float64(src.Dx()), float64(src.Dy())
	scale := func(side int, by float64) int { return max(1, int(math.Round(float64(side)*by))) }
	switch {
	case height == 0:
		size, cut = image.Pt(width, scale(width, sh/sw)), src
	case width == 0:
		size, cut = image.Pt(scale(height, sw/sh), height), src
	default:
		size, cut = image.Pt(width, height), src
		if w, h := float64(width), float64(height); sw*h > sh*w { // src is the wider shape
			keep := max(1, int(math.Round(sh*w/h)))
			cut.Min.X += (src.Dx() - keep) / 2
			cut.Max.X = cut.Min.X + keep
		} else {
			cut.Max.Y = cut.Min.Y + max(1, int(math.Round(sw*h/w)))
		}
	}
	if size.X > maxSide || size.Y > maxSide {
		return size, cut, fmt.Errorf("picture would be %d by %d px, a side may have %d", size.X, size.Y, maxSide)
	}
	return size, cut, nil
}
