package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"net/http"
	"net/url"

	"golang.org/x/image/draw"
)

// thumbnail answers GET /screenshot/thumbnail with the picture itself, in the
// size and format asked for: as rendered when neither is given.
func (s *Server) thumbnail(r *http.Request, q url.Values) (any, error) {
	shot, err := s.lookUp(q)
	if err != nil {
		return nil, err
	}
	p := &params{query: q}
	width := p.integer("width", 1, maxWidth, 0)
	height := p.integer("height", 1, maxHeight, 0)
	quality := p.integer("quality", 1, 100, 0)
	format := p.format(shot.picture.Format)
	if err := p.err(); err != nil {
		return nil, err
	}
	switch shot.status {
	case statusProcessing:
		return nil, &apiError{status: http.StatusConflict, code: "NOT_READY", text: "The screenshot is still processing"}
	case statusError:
		return nil, &apiError{status: http.StatusConflict, code: "SCREENSHOT_FAILED", text: "The screenshot failed: " + shot.err}
	}
	pic, err := s.picture(r.Context(), shot)
	if err != nil {
		return nil, err
	}
	if format == pic.Format && width == 0 && height == 0 && quality == 0 {
		return pic, nil
	}
	if err := s.startDrawing(r.Context()); err != nil {
		return nil, err
	}
	defer s.stopDrawing()
	img, _, err := image.Decode(bytes.NewReader(pic.Data))
	if err != nil {
		return nil, fmt.Errorf("decode picture of screenshot %d: %w", shot.id, err)
	}
	return encode(resize(img, width, height), format, quality)
}

// picture returns a finished screenshot's picture as it was rendered.
func (s *Server) picture(ctx context.Context, shot screenshot) (Picture, error) {
	if s.pictures != nil {
		return s.pictures.load(shot.id, shot.picture)
	}
	if err := s.startDrawing(ctx); err != nil {
		return Picture{}, err
	}
	defer s.stopDrawing()
	return s.cfg.Renderer.Render(ctx, shot.render)
}

// startDrawing waits for room: a decoded full page takes tens of megabytes.
func (s *Server) startDrawing(ctx context.Context) error {
	select {
	case s.drawing <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Server) stopDrawing() { <-s.drawing }

// outputSize is the size of a w×h picture asked for in width×height px, where
// 0 means unspecified: both 0 keep the size, one 0 keeps the aspect.
func outputSize(w, h, width, height int) (int, int) {
	switch {
	case width == 0 && height == 0:
		return w, h
	case height == 0:
		return width, min(max(1, (h*width+w/2)/w), maxHeight)
	case width == 0:
		return min(max(1, (w*height+h/2)/h), maxWidth), height
	}
	return width, height
}

// resize scales a picture to outputSize. When both sides are given the
// picture fills them undistorted: what sticks out is cut off at the bottom, or
// evenly at both sides.
func resize(src image.Image, width, height int) image.Image {
	from := src.Bounds()
	w, h := outputSize(from.Dx(), from.Dy(), width, height)
	if w == from.Dx() && h == from.Dy() {
		return src
	}
	if from.Dx()*h > from.Dy()*w {
		keep := max(1, from.Dy()*w/h)
		from.Min.X += (from.Dx() - keep) / 2
		from.Max.X = from.Min.X + keep
	} else {
		from.Max.Y = from.Min.Y + max(1, from.Dx()*h/w)
	}
	dst := image.NewRGBA(image.Rect(0, 0, w, h))
	draw.CatmullRom.Scale(dst, dst.Bounds(), src, from, draw.Src, nil)
	return dst
}

// encode writes the picture as png or jpeg; quality 0 means 85.
func encode(img image.Image, format string, quality int) (Picture, error) {
	var buf bytes.Buffer
	var err error
	switch format {
	case "png":
		err = (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&buf, img)
	case "jpeg":
		err = jpeg.Encode(&buf, img, &jpeg.Options{Quality: orElse(quality, 85)})
	default:
		err = fmt.Errorf("unknown format %q", format)
	}
	if err != nil {
		return Picture{}, fmt.Errorf("encode picture: %w", err)
	}
	size := img.Bounds()
	return Picture{Data: buf.Bytes(), Format: format, Width: size.Dx(), Height: size.Dy()}, nil
}
