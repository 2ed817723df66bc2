package sandbox

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"shotline/client/sandbox/raster"
)

// Credits per screenshot. The vendor's prices depend on the plan; these only
// make the two kinds distinguishable.
const (
	costScreen = 1
	costPage   = 2
)

// maxFailure is how much of a renderer's reason is kept, in bytes: pages may have
// a part in it.
const maxFailure = 1024

// What answers say when a create named none: in them they are never null. The
// browser keeps a language and a time zone of its own.
const (
	defaultCountry  = "us"
	defaultLanguage = "en-US"
	defaultTimezone = "UTC"
)

// create answers GET /screenshot/create. Parameters it does not know are
// accepted and listed in the ledger.
func (s *Server) create(r *http.Request, q url.Values) (any, error) {
	if q.Get("url") == "" {
		return nil, missing("url")
	}
	p := &params{query: q}
	o := s.readOrder(p)
	o.render.URL = p.address()
	if err := p.err(); err != nil {
		return nil, err
	}
	return s.placeFaulty(r.Context(), o, func(o order) (receipt, error) {
		_, shown, err := s.place(o)
		return shown, err
	})
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

// readOrder reads all of an order but the address.
func (s *Server) readOrder(p *params) order {
	p.units = units{sleep: s.cfg.SleepUnit, interval: s.cfg.IntervalUnit}
	ignored := withoutEffect(slices.Collect(maps.Keys(p.query)))
	p.query = heeded(p.query)
	o := order{
		render: RenderRequest{
			Frame:  p.frame(),
			Device: p.device(),
			Visit:  p.visit(),
			Pace:   p.pace(),
			HTML:   p.flag("html"),
			PDF:    p.pdf(),
		},
		tags:      p.tags(),
		apps:      p.apps(),
		country:   p.country(s.cfg.AnyCountry),
		region:    p.word("region", ""),
		video:     p.flag("video"),
		ignored:   ignored,
		cost:      costScreen,
		createdAt: s.cfg.Now(),
	}
	if o.render.FullPage {
		o.cost = costPage
	}
	if p.query.Get("script") != "" {
		p.refuse("script", "names a script of the account, and the sandbox keeps none: use script_inline")
	}
	return o
}

// frame reads what of the page the picture shows.
func (p *params) frame() Frame {
	f := Frame{
		FullPage:  p.choice("size", "screen", "page") == "page",
		MaxHeight: p.integer("max_height", 1, math.MaxInt32, 0),
		Target:    p.query.Get("target"),
		Width:     p.integer("width", 1, maxWidth, 0),
		Height:    p.integer("height", 1, maxHeight, 0),
		Format:    p.format("png"),
		Quality:   p.integer("quality", 1, 100, 0),
	}
	if p.query.Get("size") == "" {
		f.FullPage = p.flag("full_page")
	}
	if f.Width*f.Height > raster.MaxPixels {
		p.refuse("height", fmt.Sprintf("and width make a picture of more than %d px", raster.MaxPixels))
	}
	if len(f.Target) > maxSelector {
		p.refuse("target", fmt.Sprintf("must not be longer than %d bytes", maxSelector))
	}
	return f
}

// format reads the picture format; jpg is another word for jpeg, and webmp one
// for webp.
func (p *params) format(fallback string) string {
	switch format := p.choice("format", "", "png", "jpeg", "jpg", "webp", "webmp"); format {
	case "png", "webp":
		return format
	case "jpeg", "jpg":
		return "jpeg"
	case "webmp":
		return "webp"
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
	limit := s.cfg.PageTimeout + shot.render.Pauses()
	ctx, cancel := context.WithTimeout(s.ctx, limit)
	defer cancel()
	result, err := s.draw(ctx, shot)
	if s.ctx.Err() != nil {
		return
	}
	failure := ""
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		failure = fmt.Sprintf("page did not finish within %s", limit)
	case err != nil:
		failure = err.Error()
		failure = strings.ToValidUTF8(failure[:min(len(failure), maxFailure)], "")
	}
	at := s.cfg.Now()
	due := s.deliveriesFor(&shot.told, shot.order, func() notice { return s.noticeOf(shot, result, failure) })
	deliveries := s.mishandle(shot.fate, due, func() notice { return s.opposite(shot, result, failure) })
	s.books.finish(shot, result, failure, at, deliveries)
	s.courier.send(deliveries)
	if shot.batch != nil {
		s.batches.ended(shot.batch, shot.row, shot.id, failure)
		s.advance(shot.batch)
	}
}

// draw renders and keeps the outputs. Those of a measurer are only measured:
// they can be drawn when somebody wants to see them.
func (s *Server) draw(ctx context.Context, shot *screenshot) (Rendering, error) {
	if m, ok := s.cfg.Renderer.(measurer); ok {
		return m.Measure(ctx, shot.render)
	}
	req := shot.render
	req.Own = s.address()
	r, err := s.cfg.Renderer.Render(ctx, req)
	if err != nil {
		return Rendering{}, err
	}
	for name, data := range r.files() {
		if err := s.outputs.save(shot.id, name, data); err != nil {
			s.cfg.Logger.Error("sandbox output not kept", "id", shot.id, "error", err)
			return Rendering{}, errors.New("the outputs could not be stored")
		}
	}
	return r, nil
}

// deliveriesFor makes one webhook per app that the create named and that has
// a webhook here. word is asked only when there is one.
func (s *Server) deliveriesFor(of *told, o order, word func() notice) []*delivery {
	if s.cfg.WebhookURL == "" {
		return nil
	}
	var deliveries []*delivery
	var n notice
	for _, a := range o.apps {
		if len(s.cfg.AppIDs) > 0 && !slices.Contains(s.cfg.AppIDs, a.id) {
			continue
		}
		if len(deliveries) == 0 {
			n = word()
		}
		deliveries = append(deliveries, &delivery{told: of, fate: o.fate, app: a.id, notice: n, state: deliveryWaiting})
	}
	return deliveries
}
