package sandbox

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math"
	"net/http"
	"net/url"

	"shotline/client/sandbox/raster"
)

// thumbnail handles GET /screenshot/thumbnail. It returns an image, as rendered
// unless the parameters change it. The image is first cropped and then resized:
// either scaled by a factor and a percentage, or resized to a width and a height.
// With ratio=fit, the default, it fits into that size; with ratio=fill it covers
// the size and the rest is cut off. Together with a width or height, only a
// factor of 1 and a percentage of 100 are accepted.
func (s *Server) thumbnail(r *http.Request, q url.Values) (any, error) {
	p := &params{query: q}
	form := raster.Form{
		Crop: raster.Crop{
			Top:    p.integer("top", 0, raster.MaxSide, 0),
			Right:  p.integer("right", 0, raster.MaxSide, 0),
			Bottom: p.integer("bottom", 0, raster.MaxSide, 0),
			Left:   p.integer("left", 0, raster.MaxSide, 0),
		},
		Width:  p.integer("width", 1, maxWidth, 0),
		Height: p.integer("height", 1, maxHeight, 0),
		Inside: p.choice("ratio", "fit", "fill") == "fit",
		Scale:  p.number("scale", 0.01, 4, 0),
	}
	quality := p.integer("quality", 1, 100, 0)
	format := p.format("")
	number := p.integer("shot", 1, math.MaxInt32, 1)
	zoom := p.integer("zoom", 1, maxZoom, 100)
	if form.Width+form.Height != 0 {
		if form.Scale != 0 && form.Scale != 1 {
			p.refuse("scale", "must be 1 beside width or height")
		}
		if zoom != 100 {
			p.refuse("zoom", "must be 100 beside width or height")
		}
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	if form.Scale == 1 {
		form.Scale = 0 // no effect
	}
	if zoom != 100 {
		form.Scale = orElse(form.Scale, 1) * float64(zoom) / 100
	}
	shot, err := s.finished(q)
	if err != nil {
		return nil, err
	}
	if n := len(shot.result.images); number > n {
		text := fmt.Sprintf("The screenshot has only %d images", n)
		if n == 1 {
			text = "The screenshot has only 1 image"
		}
		return nil, &apiError{status: http.StatusNotFound, code: "NOT_FOUND", text: text}
	}
	pic, err := s.renderedImage(r.Context(), shot, number-1)
	if err != nil {
		return nil, err
	}
	format = orElse(format, pic.Format)
	saved := disposition(q.Get("filename"), "screenshot."+format)
	if format == pic.Format && form == (raster.Form{Inside: form.Inside}) && quality == 0 {
		return pic.file(saved), nil
	}
	source := image.Rect(0, 0, pic.Width, pic.Height)
	if _, _, err := (raster.Form{Crop: form.Crop}).Plan(source); err != nil {
		p.refuse(p.firstGiven("top", "right", "bottom", "left"), err.Error())
	} else if _, _, err := form.Plan(source); err != nil {
		p.refuse(p.firstGiven("width", "height", "zoom", "scale"), err.Error())
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	if err := s.startDrawing(r.Context()); err != nil {
		return nil, err
	}
	defer s.stopDrawing()
	pic, err = pic.in(form, format, quality)
	return pic.file(saved), err
}

// maxZoom is the maximum zoom in percent.
const maxZoom = 400

// html handles GET /screenshot/html. The headers prevent a browser from running
// scripts of the page.
func (s *Server) html(r *http.Request, q url.Values) (any, error) {
	return s.document(r, q, "html", htmlFile, "text/html; charset=utf-8", func(res result) bool { return res.hasHTML })
}

// pdf handles GET /screenshot/pdf.
func (s *Server) pdf(r *http.Request, q url.Values) (any, error) {
	return s.document(r, q, "pdf", pdfFile, "application/pdf", func(res result) bool { return res.hasPDF })
}

// video handles GET /screenshot/video. No screenshot has a video.
func (s *Server) video(r *http.Request, q url.Values) (any, error) {
	return s.document(r, q, "video", "", "", func(result) bool { return false })
}

func (s *Server) document(r *http.Request, q url.Values, what, name, kind string, has func(result) bool) (any, error) {
	shot, err := s.finished(q)
	if err != nil {
		return nil, err
	}
	if !has(shot.result) {
		return nil, &apiError{status: http.StatusNotFound, code: "NOT_FOUND", text: "The screenshot has no " + what}
	}
	data, err := s.output(r.Context(), shot, name)
	return file{kind: kind, data: data}, err
}

// finished returns the screenshot that the id parameter names. The vendor has the
// same error for an unknown screenshot and for one that is not ready.
func (s *Server) finished(q url.Values) (screenshot, error) {
	shot, err := s.lookUp(q)
	switch {
	case errors.Is(err, errUnknown):
		return shot, errNotReady
	case err != nil:
		return shot, err
	case shot.status == statusProcessing:
		return shot, errNotReady
	case shot.status == statusError:
		return shot, &apiError{status: errNotReady.status, code: errNotReady.code, text: errNotReady.text + ": it failed: " + shot.err}
	}
	return shot, nil
}

// renderedImage returns an image of a finished screenshot as it was rendered.
func (s *Server) renderedImage(ctx context.Context, shot screenshot, i int) (Image, error) {
	pic := shot.result.images[i]
	var err error
	pic.Data, err = s.output(ctx, shot, shotFile(i, pic.Format))
	return pic, err
}

// output returns a stored output. If outputs are not stored, it renders the
// request again.
func (s *Server) output(ctx context.Context, shot screenshot, name string) ([]byte, error) {
	if s.outputs != nil {
		return s.outputs.load(shot.id, name)
	}
	if err := s.startDrawing(ctx); err != nil {
		return nil, err
	}
	defer s.stopDrawing()
	r, err := s.cfg.Renderer.Render(ctx, shot.render)
	if err != nil {
		return nil, err
	}
	return r.files()[name], nil
}

// file returns the image as a response with the given Content-Disposition.
func (p Image) file(disposition string) file {
	return file{kind: "image/" + p.Format, data: p.Data, disposition: disposition}
}

// in returns the image in another form, format and quality.
func (p Image) in(form raster.Form, format string, quality int) (Image, error) {
	img, err := raster.Decode(p.Data, p.Format)
	if err != nil {
		return Image{}, err
	}
	if img, err = form.Apply(img); err != nil {
		return Image{}, err
	}
	data, err := raster.Encode(img, format, quality)
	size := img.Bounds()
	return Image{Data: data, Format: format, Width: size.Dx(), Height: size.Dy()}, err
}

// startDrawing waits until another image may be decoded. A decoded full page
// takes tens of megabytes.
func (s *Server) startDrawing(ctx context.Context) error {
	select {
	case s.drawing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Server) stopDrawing() { <-s.drawing }
