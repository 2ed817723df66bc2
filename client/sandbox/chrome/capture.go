package chrome

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"shotline/client/sandbox/raster"
)

// shots takes the pictures that the request asks for besides its steps, with
// the pause between them.
func (r *run) shots(ctx context.Context) error {
	for i := range r.req.Shots {
		if i > 0 {
			if err := pause(ctx, r.req.ShotInterval); err != nil {
				return err
			}
		}
		if err := r.shoot(ctx); err != nil {
			return err
		}
	}
	return nil
}

// shoot takes one picture, as PNG whenever it has to be scaled afterwards. Its
// pixels are the device's.
func (r *run) shoot(ctx context.Context) error {
	// A PNG that is compressed less takes the browser half the time.
	fast := true
	params := page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatPng, OptimizeForSpeed: &fast}
	switch {
	case scaled(r.req.Frame):
	case r.req.Format != "png":
		quality := int64(r.req.Quality)
		if quality == 0 {
			quality = raster.DefaultQuality
		}
		params.Format, params.Quality = page.CaptureScreenshotFormat(r.req.Format), &quality
	}
	clip, err := r.clip(ctx)
	if err != nil {
		return err
	}
	if clip != nil {
		beyond := true
		params.Clip, params.CaptureBeyondViewport = clip, &beyond
	}
	res, err := cdp.Call(ctx, r.target, page.CaptureScreenshot, params)
	if err != nil {
		return fmt.Errorf("take the picture: %w", err)
	}
	pic, err := finish(res.Data, r.req.Frame)
	if err != nil {
		return err
	}
	r.out.Shots = append(r.out.Shots, pic)
	return nil
}

// clip is the part of the page that the picture shows; nil is the viewport.
func (r *run) clip(ctx context.Context) (*page.Viewport, error) {
	switch {
	case r.req.Target != "":
		return r.clipTarget(ctx)
	case r.req.FullPage:
		return r.clipPage(ctx)
	default:
		return nil, nil
	}
}

// clipTarget is the element's border box, whole px, as far as it lies on the
// page.
func (r *run) clipTarget(ctx context.Context) (*page.Viewport, error) {
	box, err := r.find(ctx, r.req.Target, "center", true, elementWait)
	var told fault
	if errors.As(err, &told) {
		return nil, faultf("target: %s", told)
	}
	if err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	left, top := math.Round(max(0, box.Left)), math.Round(max(0, box.Top))
	return r.bounded(&page.Viewport{
		X: left, Y: top, Scale: 1,
		Width:  math.Round(box.Left+box.Width) - left,
		Height: math.Round(box.Top+box.Height) - top,
	}), nil
}

// clipPage is the page from its top, as wide as the screen, at least as tall
// as the screen and at most MaxHeight.
func (r *run) clipPage(ctx context.Context) (*page.Viewport, error) {
	if err := r.hasten(ctx); err != nil {
		return nil, err
	}
	layout, err := cdp.Call(ctx, r.target, page.GetLayoutMetrics, cdp.Empty{})
	if err != nil {
		return nil, fmt.Errorf("measure the page: %w", err)
	}
	height := float64(r.req.ScreenHeight)
	if layout.CSSContentSize != nil {
		height = math.Ceil(max(height, layout.CSSContentSize.Height))
	}
	if r.req.MaxHeight > 0 {
		height = min(height, float64(r.req.MaxHeight))
	}
	return r.bounded(&page.Viewport{Width: float64(r.req.ScreenWidth), Height: height, Scale: 1}), nil
}

// bounded cuts a part of the page to what a picture can hold: no side is
// longer than raster.MaxSide device px, or shorter than one, and the area is no
// larger than raster.MaxPixels.
func (r *run) bounded(clip *page.Viewport) *page.Viewport {
	longest := math.Floor(raster.MaxSide / r.req.Scale)
	clip.Width = max(1, min(clip.Width, longest))
	tallest := math.Floor(raster.MaxPixels / (r.req.Scale * r.req.Scale) / clip.Width)
	clip.Height = max(1, min(clip.Height, longest, tallest))
	return clip
}

// hastenScript loads at once the pictures that the page would load when they
// come into view, and waits for them, two seconds at most. Pictures that a
// page's own script loads when somebody scrolls stay away: to scroll through
// every page for their sake would cost each of them time.
const hastenScript = `() => {
	const late = [...document.querySelectorAll('img[loading="lazy"]')].filter(img => !img.complete);
	const loaded = late.map(img => {
		img.loading = "eager";
		return new Promise(done => { img.onload = img.onerror = done });
	});
	return Promise.race([Promise.all(loaded), new Promise(done => loaded.length ? setTimeout(done, 2000) : done())]).then(() => {});
}`

func (r *run) hasten(ctx context.Context) error {
	_, err := call[chromedp.Void](ctx, r.target, hastenScript)
	if exceptionText(err) != "" {
		return nil
	}
	return err
}
