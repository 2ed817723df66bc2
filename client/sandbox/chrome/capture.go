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

// captureAll takes the images that the request asks for in addition to those of
// steps, with pauses between them.
func (r *run) captureAll(ctx context.Context) error {
	for i := range r.req.Images {
		if i > 0 {
			if err := pause(ctx, r.req.ShotInterval); err != nil {
				return err
			}
		}
		if err := r.capture(ctx); err != nil {
			return err
		}
	}
	return nil
}

// capture takes one image in device px. It uses PNG if the image has to be scaled
// afterwards.
func (r *run) capture(ctx context.Context) error {
	// With less compression the browser needs half the time.
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
		return fmt.Errorf("capture the page: %w", err)
	}
	pic, err := convert(res.Data, r.req.Frame)
	if err != nil {
		return err
	}
	r.out.Shots = append(r.out.Shots, pic)
	return nil
}

// clip returns the part of the page that the image shows. It returns nil for the
// viewport.
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

// clipTarget returns the border box of the target element in whole px, without
// parts outside the page.
func (r *run) clipTarget(ctx context.Context) (*page.Viewport, error) {
	box, err := r.find(ctx, r.req.Target, "center", true, elementWait)
	var userErr userError
	if errors.As(err, &userErr) {
		return nil, userErrorf("target: %s", userErr)
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

// clipPage returns the page from its top. It is as wide as the screen, at least
// as high as the screen, and at most MaxHeight high.
func (r *run) clipPage(ctx context.Context) (*page.Viewport, error) {
	if err := r.loadLazyImages(ctx); err != nil {
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

// bounded reduces a part of the page to the limits of an image: sides from 1 to
// raster.MaxSide device px, and an area of at most raster.MaxPixels.
func (r *run) bounded(clip *page.Viewport) *page.Viewport {
	longest := math.Floor(raster.MaxSide / r.req.Scale)
	clip.Width = max(1, min(clip.Width, longest))
	tallest := math.Floor(raster.MaxPixels / (r.req.Scale * r.req.Scale) / clip.Width)
	clip.Height = max(1, min(clip.Height, longest, tallest))
	return clip
}

// lazyImagesScript loads the images with loading="lazy" and waits for them for at
// most two seconds. Images that the page's scripts load on scrolling are not
// loaded, because scrolling through every page would take too long.
const lazyImagesScript = `() => {
	const late = [...document.querySelectorAll('img[loading="lazy"]')].filter(img => !img.complete);
	const loaded = late.map(img => {
		img.loading = "eager";
		return new Promise(done => { img.onload = img.onerror = done });
	});
	return Promise.race([Promise.all(loaded), new Promise(done => loaded.length ? setTimeout(done, 2000) : done())]).then(() => {});
}`

func (r *run) loadLazyImages(ctx context.Context) error {
	_, err := call[chromedp.Void](ctx, r.target, lazyImagesScript)
	if exceptionText(err) != "" {
		return nil
	}
	return err
}
