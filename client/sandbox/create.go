package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
)

// Credits per screenshot. The vendor's prices depend on the plan; these only
// make the two kinds distinguishable.
const (
	costScreen = 1
	costPage   = 2
)

// create answers GET /screenshot/create. Parameters it does not know are
// accepted and ignored.
func (s *Server) create(r *http.Request, q url.Values) (any, error) {
	if q.Get("url") == "" {
		return nil, missing("url")
	}
	o, err := s.readOrder(q)
	if err != nil {
		return nil, err
	}
	return s.placeFaulty(r.Context(), o)
}

// place charges an order, enters it in the books and hands it to the render
// workers. It returns the screenshot as it is shown before any worker saw it.
func (s *Server) place(o order) (*screenshot, object, error) {
	if s.ctx.Err() != nil {
		return nil, object{}, errClosed
	}
	o.fate = s.placedFate(o)
	// The answer is fixed before a worker sees the screenshot, so it always
	// says processing, however quick the worker is.
	shot, shown, err := s.books.open(o)
	if err != nil {
		return nil, object{}, err
	}
	s.work.add(1)
	s.renders <- shot
	return shot, shown, nil
}

// readOrder turns the query into an order, or into one error that names
// every bad parameter.
func (s *Server) readOrder(q url.Values) (order, error) {
	p := &params{query: q}
	o := order{
		render: RenderRequest{
			URL: p.address(),
			Frame: Frame{
				FullPage: p.choice("size", "screen", "page") == "page",
				Width:    p.integer("width", 1, maxWidth, 0),
				Height:   p.integer("height", 1, maxHeight, 0),
				Format:   p.format("png"),
				Quality:  p.integer("quality", 1, 100, 0),
			},
			Device: Device{
				ScreenWidth:  p.integer("screen_width", 1, maxWidth, DefaultScreenWidth),
				ScreenHeight: p.integer("screen_height", 1, maxWidth, DefaultScreenHeight),
			},
		},
		tags:      p.tags(),
		apps:      p.apps(),
		country:   q.Get("country"),
		region:    q.Get("region"),
		language:  orElse(q.Get("language"), q.Get("lang")),
		timezone:  orElse(q.Get("timezone"), q.Get("tz")),
		html:      p.flag("html"),
		pdf:       p.flag("pdf"),
		video:     p.flag("video"),
		cost:      costScreen,
		createdAt: s.cfg.Now(),
	}
	if o.render.FullPage {
		o.cost = costPage
	}
	return o, p.err()
}

// format reads the picture format; jpg is another word for jpeg.
func (p *params) format(fallback string) string {
	switch format := p.choice("format", "", "png", "jpeg", "jpg", "webp"); format {
	case "png", "webp":
		return format
	case "jpeg", "jpg":
		return "jpeg"
	}
	return fallback
}

// renderLoop draws what creates ordered until the server closes.
func (s *Server) renderLoop() {
	for {
		select {
		case <-s.ctx.Done():
			return
		case shot := <-s.renders:
			s.renderOne(shot)
		}
	}
}

// renderOne brings one screenshot to its end and hands its webhooks over. A
// rendering that the closing server interrupts is neither finished nor failed.
func (s *Server) renderOne(shot *screenshot) {
	defer s.work.done()
	ctx, cancel := context.WithTimeout(s.ctx, s.cfg.PageTimeout)
	defer cancel()
	result, err := s.draw(ctx, shot)
	if s.ctx.Err() != nil {
		return
	}
	failure := ""
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		failure = fmt.Sprintf("page did not finish within %s", s.cfg.PageTimeout)
	case err != nil:
		failure = err.Error()
	}
	at := s.cfg.Now()
	deliveries := s.mishandle(shot, result, failure, s.deliveriesFor(shot, result, failure))
	s.books.finish(shot, result, failure, at, deliveries)
	s.courier.send(deliveries)
}

// draw renders and keeps the picture. Pictures of a measurer are only
// measured: they can be drawn when somebody wants to see them.
func (s *Server) draw(ctx context.Context, shot *screenshot) (Rendering, error) {
	if m, ok := s.cfg.Renderer.(measurer); ok {
		return m.Measure(ctx, shot.render)
	}
	req := shot.render
	req.Own = s.base.Load().address
	r, err := s.cfg.Renderer.Render(ctx, req)
	if err != nil {
		return Rendering{}, err
	}
	if err := s.pictures.save(shot.id, r.Shots[0]); err != nil {
		s.cfg.Logger.Error("sandbox picture not kept", "id", shot.id, "error", err)
		return Rendering{}, errors.New("picture could not be stored")
	}
	return r, nil
}

// deliveriesFor makes one webhook per app that the create named and that has
// a webhook here.
func (s *Server) deliveriesFor(shot *screenshot, r Rendering, failure string) []*delivery {
	if s.cfg.WebhookURL == "" {
		return nil
	}
	var deliveries []*delivery
	var n notice
	for _, a := range shot.apps {
		if len(s.cfg.AppIDs) > 0 && !slices.Contains(s.cfg.AppIDs, a.id) {
			continue
		}
		if len(deliveries) == 0 {
			n = s.noticeOf(shot, r, failure)
		}
		deliveries = append(deliveries, &delivery{shot: shot, app: a.id, notice: n, state: deliveryWaiting})
	}
	return deliveries
}
