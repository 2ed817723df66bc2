package chrome

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/chromedp/chromedp"

	"shotline/client/sandbox"
)

// run is one render under way in a tab. Everything it does happens in one
// goroutine, except that visit and moves hear of the page's events.
type run struct {
	tab    *tab
	req    sandbox.RenderRequest
	target *chromedp.Target
	visit  *visit
	moves  moves
	limit  time.Duration // for all of it
	stage  string        // what is not done yet, for the reason of a timeout
	out    sandbox.Rendering
}

// fault is a failure already in words for the person who asked.
type fault string

func (f fault) Error() string { return string(f) }

// faultf formats a fault.
func faultf(format string, args ...any) error { return fault(fmt.Sprintf(format, args...)) }

// render loads the page, does in it what was asked for and takes its pictures,
// all within the page timeout and the pauses that were asked for.
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
			return r.unreached(ctx, failed.ErrorText)
		}
		return err
	}))
	if err != nil {
		return sandbox.Rendering{}, r.explain(limited, err)
	}
	return r.out, nil
}

// perform is the order of things. What changes the page comes before the
// pictures, the PDF comes last because printing lays the page out anew.
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
		{"picture was not ready", r.shots},
		{"page's address and title were not read", r.describe},
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

// newsTime is how long the news of a crash may come after what the crash broke.
const newsTime = 500 * time.Millisecond

// explain turns what stopped a render into a reason for the person who asked.
func (r *run) explain(limited context.Context, err error) error {
	var told fault
	if errors.As(err, &told) {
		return told
	}
	_ = pause(limited, newsTime) // none when limited has ended
	cause := context.Cause(limited)
	switch {
	case errors.Is(cause, errPageTimeout):
		return fmt.Errorf("%s within %v", r.stage, r.limit)
	case errors.Is(cause, errTabCrashed):
		return errTabCrashed
	case errors.Is(cause, errTabMemory):
		return fmt.Errorf("%w: a page may take %d MiB", errTabMemory, r.tab.cfg.PageMemory>>20)
	case r.tab.browser.starved.Load():
		return errors.New("the browser took too much memory while it rendered the page")
	case r.tab.browser.dead():
		return errors.New("the browser died while it rendered the page")
	case cause != nil:
		return fmt.Errorf("render stopped: %w", cause)
	default:
		return fmt.Errorf("render: %w", err)
	}
}

// pause waits for d, or less when ctx ends.
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
