package simulation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"shotline/client"
	"shotline/jobs"
)

// outputsWithin is the longest time after which the outputs of a screenshot that
// has ended appear. It is below client.OutputGrace.
const outputsWithin = 40 * time.Second

// outputKey identifies an output of a screenshot.
type outputKey struct {
	screenshot string
	output     jobs.Output
	shot       int
}

// fetches counts what happened to one output.
type fetches struct {
	claims  int // of its files
	calls   int
	limited int // calls that were answered 429
}

// outputTimes says when the outputs of a screenshot exist.
type outputTimes struct {
	appear time.Time
	vanish time.Time // zero if nobody deletes them
	broken bool      // each call for them fails
}

// drawOutputs draws the times for a screenshot whose end is known.
func (d *random) drawOutputs(ends time.Time) (o outputTimes) {
	if o.appear = ends; d.chance(0.3) {
		o.appear = ends.Add(d.span(0, outputsWithin))
	}
	if d.chance(0.1) {
		o.vanish = o.appear.Add(d.span(0, 2*time.Minute))
	}
	o.broken = d.chance(0.03)
	return o
}

// hasOutputs reports whether the outputs of a screenshot exist.
func (s *shot) hasOutputs(now time.Time) bool {
	return s.status(now) == client.StatusFinished && !now.Before(s.outputs.appear) && (s.outputs.vanish.IsZero() || now.Before(s.outputs.vanish))
}

// content returns an output. Some images are not in the format that was ordered.
func (k outputKey) content() (content, mediaType string) {
	begin, mediaType := "\x89PNG\r\n\x1a\n", "image/png"
	switch {
	case k.output == jobs.OutputPDF:
		begin, mediaType = "%PDF-1.7\n", "application/pdf"
	case k.screenshot[len(k.screenshot)-1]%3 == 0:
		begin, mediaType = "\xff\xd8\xff\xe0", "image/jpeg"
	}
	return fmt.Sprintf("%s%s %d of screenshot %s", begin, k.output, k.shot, k.screenshot), mediaType
}

// noteClaims counts claims of files.
func (v *vendor) noteClaims(works []jobs.FileWork) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, w := range works {
		v.fetchesOf(outputKey{w.File.Screenshot, w.File.Output, w.File.Shot}).claims++
	}
}

// fetchesOf returns the counts of an output. The caller holds the lock.
func (v *vendor) fetchesOf(k outputKey) *fetches {
	if v.fetches[k] == nil {
		v.fetches[k] = &fetches{}
	}
	return v.fetches[k]
}

// Thumbnail implements download.Vendor.
func (v vendorPort) Thumbnail(ctx context.Context, id string, o client.ThumbnailOptions) (*client.Download, error) {
	return v.fetch(ctx, outputKey{id, jobs.OutputImage, max(o.Shot, 1)})
}

// HTML implements download.Vendor. No batch orders it.
func (v vendorPort) HTML(ctx context.Context, id string) (*client.Download, error) {
	return v.fetch(ctx, outputKey{id, jobs.OutputHTML, 1})
}

// PDF implements download.Vendor.
func (v vendorPort) PDF(ctx context.Context, id string) (*client.Download, error) {
	return v.fetch(ctx, outputKey{id, jobs.OutputPDF, 1})
}

// Video implements download.Vendor. No batch orders it.
func (v vendorPort) Video(ctx context.Context, id string) (*client.Download, error) {
	return v.fetch(ctx, outputKey{id, jobs.OutputVideo, 1})
}

func (v vendorPort) fetch(ctx context.Context, k outputKey) (*client.Download, error) {
	if err := v.w.stops.wait(ctx, "fetch %s %d of %s", k.output, k.shot, k.screenshot); err != nil {
		return nil, err
	}
	v.w.figures.Fetches++
	err := v.answerFetch(ctx, k)
	v.w.trace.add("  %s %d of %s: %v", k.output, k.shot, k.screenshot, err)
	v.w.checker.checkFetch(k, errors.As(err, new(*client.RateLimitError)))
	if err != nil {
		return nil, err
	}
	content, mediaType := k.content()
	body := &outputBody{ctx: ctx, w: v.w, key: k, rest: content}
	if !v.w.faultFree && v.w.random.chance(v.w.profile.readFaults/4) {
		body.rest = content[:v.w.random.upTo(len(content))]
	}
	return &client.Download{Body: body, ContentType: mediaType, Length: int64(len(content))}, nil
}

// answerFetch returns nil if the vendor delivers an output.
func (v vendorPort) answerFetch(ctx context.Context, k outputKey) error {
	if err := v.drawFault(ctx); err != nil {
		return err
	}
	if !v.w.faultFree && v.w.random.chance(0.01) {
		return &client.APIError{Op: "get image", Status: 401, Code: "INVALID_API_KEY"}
	}
	switch s := v.w.vendor.byID(k.screenshot); {
	case s == nil || !s.hasOutputs(time.Now()):
		return &client.NotReadyError{API: &client.APIError{Op: "get image", Status: 404}}
	case s.outputs.broken:
		return &client.APIError{Op: "get image", Status: 500}
	}
	return nil
}

// outputBody is the body of an output. It stops when all of it is read, and when
// it is closed. That is before its file is saved, and before this is recorded.
type outputBody struct {
	ctx   context.Context
	w     *world
	key   outputKey
	rest  string
	ended bool
}

func (b *outputBody) stop(what string) error {
	return b.w.stops.wait(b.ctx, "%s %s %d of %s", what, b.key.output, b.key.shot, b.key.screenshot)
}

func (b *outputBody) Read(p []byte) (n int, err error) {
	if b.rest == "" && !b.ended {
		b.ended = true
		if err := b.stop("received"); err != nil {
			return 0, err
		}
	}
	if b.rest == "" {
		return 0, io.EOF
	}
	n = copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

func (b *outputBody) Close() error { return b.stop("close") }
