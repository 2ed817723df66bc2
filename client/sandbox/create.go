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

// Credits per screenshot. The vendor's prices depend on the plan; these values
// only distinguish the two sizes.
const (
	costScreen = 1
	costPage   = 2
)

// maxFailure is the maximum length of a stored render error, in bytes. The page
// might have influenced the text.
const maxFailure = 1024

// Values that responses show if the create names none; they are never null. The
// browser's own language and time zone do not change.
const (
	defaultCountry  = "us"
	defaultLanguage = "en-US"
	defaultTimezone = "UTC"
)

// create handles GET /screenshot/create. Unknown parameters are accepted and
// listed in the ledger.
func (s *Server) create(r *http.Request, q url.Values) (any, error) {
	if q.Get("url") == "" {
		return nil, missingParam("url")
	}
	p := &params{query: q}
	o := s.readOrder(p)
	o.render.URL = p.address()
	if err := p.err(); err != nil {
		return nil, err
	}
	return s.placeWithFaults(r.Context(), o, func(o order) (receipt, error) {
		_, shown, err := s.place(o)
		return shown, err
	})
}

// place charges an order, stores it and queues it for the render workers. It
// returns the screenshot in its state before any worker started it.
func (s *Server) place(o order) (*screenshot, object, error) {
	if s.ctx.Err() != nil {
		return nil, object{}, errClosed
	}
	o.plan = s.ensureFaultPlan(o)
	// The response is built before a worker sees the screenshot, so its status is
	// always processing, even if the worker is fast.
	shot, shown, err := s.store.open(o)
	if err != nil {
		return nil, object{}, err
	}
	s.work.add(1)
	s.renders <- shot
	return shot, shown, nil
}

// readOrder reads an order without its URL.
func (s *Server) readOrder(p *params) order {
	p.units = units{sleep: s.cfg.SleepUnit, interval: s.cfg.IntervalUnit}
	ignored := ignoredNames(slices.Collect(maps.Keys(p.query)))
	p.query = effectiveOptions(p.query)
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
		p.refuse("script", "is not supported, because the sandbox stores no scripts: use script_inline")
	}
	return o
}

// frame reads which part of the page the image shows.
func (p *params) frame() Frame {
	f := Frame{
		FullPage:  p.choice("size", values("size")...) == "page",
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
		p.refuse("height", fmt.Sprintf("and width make an image of more than %d px", raster.MaxPixels))
	}
	if len(f.Target) > maxSelector {
		p.refuse("target", fmt.Sprintf("must not be longer than %d bytes", maxSelector))
	}
	return f
}

// format reads the image format. jpg is another name for jpeg, and webmp one for
// webp.
func (p *params) format(fallback string) string {
	switch format := p.choice("format", append([]string{""}, values("format")...)...); format {
	case "png", "webp":
		return format
	case "jpeg", "jpg":
		return "jpeg"
	case "webmp":
		return "webp"
	}
	return fallback
}

// renderLoop renders screenshots until the server closes.
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

// renderOne renders one screenshot and schedules its webhooks. If the server
// closes during the rendering, the screenshot stays in the status processing.
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
	due := s.deliveriesFor(&shot.webhookSource, shot.order, func() Webhook { return s.webhookOf(shot, result, failure) })
	deliveries := s.applyWebhookFaults(shot.plan, due, func() Webhook { return s.opposite(shot, result, failure) })
	s.store.finish(shot, result, failure, at, deliveries)
	s.sender.send(deliveries)
	if shot.batch != nil {
		s.batches.endRow(shot.batch, shot.row, shot.id, failure)
		s.advance(shot.batch)
	}
}

// draw renders a page and stores the outputs. If the renderer is a measurer, draw
// only measures the images, because they can be drawn on request.
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
			s.cfg.Logger.Error("sandbox output not stored", "id", shot.id, "error", err)
			return Rendering{}, errors.New("the outputs could not be stored")
		}
	}
	return r, nil
}

// deliveriesFor creates one delivery per app that the create named and that has a
// webhook. It calls compose only if there is at least one.
func (s *Server) deliveriesFor(source *webhookSource, o order, compose func() Webhook) []*delivery {
	if s.cfg.WebhookURL == "" {
		return nil
	}
	var deliveries []*delivery
	var n Webhook
	for _, a := range o.apps {
		if len(s.cfg.AppIDs) > 0 && !slices.Contains(s.cfg.AppIDs, a.id) {
			continue
		}
		if len(deliveries) == 0 {
			n = compose()
		}
		deliveries = append(deliveries, &delivery{webhookSource: source, plan: o.plan, app: a.id, Webhook: n, state: deliveryWaiting})
	}
	return deliveries
}
