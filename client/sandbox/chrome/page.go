package chrome

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"shotline/client/sandbox"
	"shotline/client/sandbox/raster"
)

// render loads the page and takes its picture within the page timeout.
func (t *tab) render(ctx context.Context, req sandbox.RenderRequest) (sandbox.Rendering, error) {
	run, cancel := context.WithCancelCause(t.ctx)
	defer cancel(nil)
	timer := time.AfterFunc(t.cfg.PageTimeout, func() { cancel(errPageTimeout) })
	defer timer.Stop()
	detach := context.AfterFunc(ctx, func() { cancel(ctx.Err()) })
	defer detach()

	var (
		answered atomic.Bool // the server's answer has begun
		shot     screenshot
		err      error
	)
	err = chromedp.Do(run,
		chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			_, err := cdp.Call(ctx, target, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
				Width: int64(req.ScreenWidth), Height: int64(req.ScreenHeight), DeviceScaleFactor: 1,
			})
			return err
		}),
		load(req.URL, &answered),
		chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
			shot, err = capture(ctx, target, req)
			return err
		}),
	)
	if err != nil {
		return sandbox.Rendering{}, t.explain(run, err, answered.Load())
	}
	pic, err := finish(shot, req.Frame)
	if err != nil {
		return sandbox.Rendering{}, err
	}
	return sandbox.Rendering{Shots: []sandbox.Picture{pic}, FinalURL: shot.url, Title: shot.title}, nil
}

// load opens the address and waits for the page's load event.
func load(url string, answered *atomic.Bool) chromedp.Action[chromedp.Void] {
	open := chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		res, err := cdp.Call(ctx, target, page.Navigate, page.NavigateParams{URL: url})
		if err == nil && res.ErrorText != "" {
			err = &chromedp.LoadError{ErrorText: res.ErrorText}
		}
		answered.Store(err == nil)
		return err
	})
	return chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.RunResponse(ctx, open)
		return err
	})
}

// explain turns what stopped a render into a reason for the person who asked.
func (t *tab) explain(run context.Context, err error, answered bool) error {
	var failed *chromedp.LoadError
	cause := context.Cause(run)
	switch {
	case errors.As(err, &failed):
		return loadReason(failed.ErrorText)
	case errors.Is(cause, errPageTimeout) && answered:
		return fmt.Errorf("page did not finish loading within %v", t.cfg.PageTimeout)
	case errors.Is(cause, errPageTimeout):
		return fmt.Errorf("page did not answer within %v", t.cfg.PageTimeout)
	case errors.Is(cause, errTabCrashed):
		return errTabCrashed
	case t.browser.dead():
		return errors.New("the browser died while it rendered the page")
	case cause != nil:
		return fmt.Errorf("render stopped: %w", cause)
	default:
		return fmt.Errorf("render: %w", err)
	}
}

// screenshot is a page as the browser captured it.
type screenshot struct {
	data  []byte
	url   string
	title string
}

// capture takes the picture, as PNG whenever it has to be scaled afterwards.
func capture(ctx context.Context, target *chromedp.Target, req sandbox.RenderRequest) (screenshot, error) {
	params := page.CaptureScreenshotParams{Format: page.CaptureScreenshotFormatPng}
	switch {
	case scaled(req.Frame):
		fast := true // the bytes only travel through a pipe
		params.OptimizeForSpeed = &fast
	case req.Format != "png":
		quality := int64(req.Quality)
		if quality == 0 {
			quality = raster.DefaultQuality
		}
		params.Format, params.Quality = page.CaptureScreenshotFormat(req.Format), &quality
	}
	if req.FullPage {
		layout, err := cdp.Call(ctx, target, page.GetLayoutMetrics, cdp.Empty{})
		if err != nil {
			return screenshot{}, fmt.Errorf("measure the page: %w", err)
		}
		height := float64(req.ScreenHeight)
		if layout.CSSContentSize != nil {
			height = math.Ceil(max(height, layout.CSSContentSize.Height))
		}
		beyond := true
		params.CaptureBeyondViewport = &beyond
		params.Clip = &page.Viewport{Width: float64(req.ScreenWidth), Height: min(height, raster.MaxSide), Scale: 1}
	}
	res, err := cdp.Call(ctx, target, page.CaptureScreenshot, params)
	if err != nil {
		return screenshot{}, fmt.Errorf("take the picture: %w", err)
	}
	shot := screenshot{data: res.Data, url: req.URL}
	history, err := cdp.Call(ctx, target, page.GetNavigationHistory, cdp.Empty{})
	if err != nil {
		return screenshot{}, fmt.Errorf("read the final address: %w", err)
	}
	if i := int(history.CurrentIndex); i >= 0 && i < len(history.Entries) {
		shot.url, shot.title = history.Entries[i].URL, history.Entries[i].Title
	}
	return shot, nil
}
