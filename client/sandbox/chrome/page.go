package chrome

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chromedp/chromedp"

	"shotline/client/sandbox"
)

// run is one render in a tab. It uses one goroutine, except that visit and
// navigation receive events of the page in others.
type run struct {
	tab        *tab
	req        sandbox.RenderRequest
	target     *chromedp.Target
	visit      *visit
	navigation navigation
	limit      time.Duration // for the whole render
	stage      string        // what is not yet done, for the text of a timeout
	out        sandbox.Rendering
}

// userError is an error whose text can be shown to the user as it is.
type userError string

func (e userError) Error() string { return string(e) }

// userErrorf formats a userError.
func userErrorf(format string, args ...any) error { return userError(fmt.Sprintf(format, args...)) }

// render loads the page, performs the requested actions and produces the outputs.
// Its time is limited to the page timeout plus the requested pauses.
func (t *tab) render(ctx context.Context, req sandbox.RenderRequest) (sandbox.Rendering, error) {
	stoppable, cancel := context.WithCancelCause(t.ctx)
	defer cancel(nil)
	detach := context.AfterFunc(ctx, func() { cancel(ctx.Err()) })
	defer detach()
	r := &run{tab: t, req: req, visit: newVisit(req), limit: t.cfg.PageTimeout + req.Pauses()}
	limited, stop := context.WithTimeoutCause(stoppable, r.limit, errPageTimeout)
	defer stop()

	t.visit.Store(r.visit)
	defer t.visit.Store(nil)
	err := chromedp.Do(limited, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		r.target = target
		err := r.perform(ctx)
		var failed *chromedp.LoadError
		if errors.As(err, &failed) {
			return r.explainLoadError(ctx, failed.ErrorText)
		}
		return err
	}))
	if err != nil {
		return sandbox.Rendering{}, r.explain(limited, err)
	}
	return r.out, nil
}

// perform runs all stages of the render. Stages that change the page come before
// the images. The PDF is last, because printing changes the layout of the page.
func (r *run) perform(ctx context.Context) error {
	for _, part := range []struct {
		stage string
		do    func(context.Context) error
	}{
		{"the browser was not ready", r.emulate},
		{"page did not answer", r.open},
		{"delay did not end", r.delay},
		{"popups were not hidden", r.hidePopups},
		{"script did not end", r.script},
		{"steps did not end", r.steps},
		{"image was not ready", r.captureAll},
		{"URL and title of the page were not read", r.describe},
		{"HTML was not read", r.html},
		{"PDF was not ready", r.pdf},
	} {
		r.stage = part.stage
		if err := part.do(ctx); err != nil {
			return err
		}
	}
	return nil
}

// crashEventWait is how long the event of a crash might arrive after the error
// that the crash caused.
const crashEventWait = 500 * time.Millisecond

// explain returns the error for the user if a render failed with err.
func (r *run) explain(limited context.Context, err error) error {
	var userErr userError
	if errors.As(err, &userErr) {
		return userErr
	}
	_ = pause(limited, crashEventWait) // returns immediately if limited has ended
	cause := context.Cause(limited)
	switch {
	case errors.Is(cause, errPageTimeout):
		return fmt.Errorf("%s within %v", r.stage, r.limit)
	case errors.Is(cause, errTabCrashed):
		return errTabCrashed
	case errors.Is(cause, errTabMemory):
		return fmt.Errorf("%w: the limit is %d MiB", errTabMemory, r.tab.cfg.PageMemory>>20)
	case r.tab.browser.outOfMemory.Load():
		return errors.New("the browser used too much memory while it rendered the page")
	case r.tab.browser.dead():
		return errors.New("the browser exited while it rendered the page")
	case cause != nil:
		return fmt.Errorf("render stopped: %w", cause)
	default:
		return fmt.Errorf("render: %w", err)
	}
}

// pause waits for d. It returns early with an error if ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
