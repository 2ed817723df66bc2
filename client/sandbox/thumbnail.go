package sandbox

import (
	"context"
	"net/http"
	"net/url"

	"shotline/client/sandbox/raster"
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
	format := p.format(shot.result.format())
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
		return pic.file(), nil
	}
	if err := s.startDrawing(r.Context()); err != nil {
		return nil, err
	}
	defer s.stopDrawing()
	pic, err = pic.in(raster.Form{Width: width, Height: height}, format, quality)
	return pic.file(), err
}

// picture returns a finished screenshot's picture as it was rendered.
func (s *Server) picture(ctx context.Context, shot screenshot) (Picture, error) {
	if s.pictures != nil {
		return s.pictures.load(shot.id, shot.result.Shots[0])
	}
	if err := s.startDrawing(ctx); err != nil {
		return Picture{}, err
	}
	defer s.stopDrawing()
	r, err := s.cfg.Renderer.Render(ctx, shot.render)
	if err != nil {
		return Picture{}, err
	}
	return r.Shots[0], nil
}

// file is the picture as an answer.
func (p Picture) file() file { return file{kind: "image/" + p.Format, data: p.Data} }

// in brings the picture to another form, format and quality.
func (p Picture) in(form raster.Form, format string, quality int) (Picture, error) {
	img, err := raster.Decode(p.Data, p.Format)
	if err != nil {
		return Picture{}, err
	}
	if img, err = form.Apply(img); err != nil {
		return Picture{}, err
	}
	data, err := raster.Encode(img, format, quality)
	size := img.Bounds()
	return Picture{Data: data, Format: format, Width: size.Dx(), Height: size.Dy()}, err
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
