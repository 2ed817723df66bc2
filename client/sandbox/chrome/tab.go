package chrome

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	cdpbrowser "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/fetch"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// openTimeout limits the opening of an empty tab. A browser that takes longer
// hangs and is killed, so that a new one can start.
const openTimeout = 15 * time.Second

var (
	errPageTimeout = errors.New("page timeout")
	errTabCrashed  = errors.New("the page crashed")
)

// tab shows one page after another in its own browser context. It must be used by
// one render at a time.
type tab struct {
	cfg     *Config
	browser *browser
	ctx     context.Context
	cancel  context.CancelCauseFunc
	free    func()         // closes the tab in the browser
	work    sync.WaitGroup // event loops and demo requests

	visit    atomic.Pointer[visit] // of the current render; nil if there is none
	traces   traces
	emulated emulatedDevice
	strict   bool // invalid certificates fail
	uses     int  // number of renders so far

}

// openTab opens an empty tab and configures it: it denies downloads, dismisses
// dialogs, watches for crashes, answers requests for demo hosts and refuses local
// files.
func openTab(b *browser, cfg *Config) (*tab, error) {
	hung := time.AfterFunc(openTimeout, b.kill)
	defer hung.Stop()

	parent, cancel := context.WithCancelCause(b.ctx)
	ctx, free := chromedp.NewContext(parent, chromedp.WithNewBrowserContext())
	t := &tab{cfg: cfg, browser: b, ctx: ctx, cancel: cancel, free: free}
	b.tabs.Add(1)
	if err := chromedp.Do(ctx, chromedp.Func(t.guard)); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (t *tab) guard(ctx context.Context, to *chromedp.Target) error {
	onEvent(t, target.TargetCrashed, func(ev target.EventTargetCrashed) {
		if ev.TargetID == to.TargetID {
			t.cancel(t.browser.crashReason(ev))
		}
	})
	onEvent(t, page.JavascriptDialogOpening, func(page.EventJavascriptDialogOpening) {
		// An error means that the dialog or the tab no longer exists.
		_, _ = chromedp.Call(ctx, page.HandleJavaScriptDialog, page.HandleJavaScriptDialogParams{Accept: false})
	})
	onEvent(t, fetch.RequestPaused, func(ev fetch.EventRequestPaused) {
		t.work.Go(func() { t.handleRequest(ctx, ev) })
	})
	if err := chromedp.Listen(ctx, t.traces.handleEvent); err != nil {
		return fmt.Errorf("watch the tab: %w", err)
	}
	// A page must not see cached resources of an earlier one.
	if err := send(ctx, to, network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: true}); err != nil {
		return fmt.Errorf("disable the cache: %w", err)
	}
	if err := send(ctx, to, performance.Enable, performance.EnableParams{}); err != nil {
		return fmt.Errorf("watch for scripts: %w", err)
	}
	// Otherwise every console message of a page would be sent here, regardless of
	// its length.
	if err := send(ctx, to, runtime.Disable, cdp.Empty{}); err != nil {
		return fmt.Errorf("turn the console off: %w", err)
	}
	if err := send(ctx, to, cdplog.Disable, cdp.Empty{}); err != nil {
		return fmt.Errorf("turn the log off: %w", err)
	}
	// A prerendered page would run scripts that the metrics do not count.
	if err := send(ctx, to, page.SetPrerenderingAllowed, page.SetPrerenderingAllowedParams{IsAllowed: false}); err != nil {
		return fmt.Errorf("forbid prerendering: %w", err)
	}
	if _, err := cdp.Call(ctx, to, fetch.Enable, fetch.EnableParams{Patterns: t.patterns()}); err != nil {
		return fmt.Errorf("intercept requests: %w", err)
	}
	_, err := chromedp.CallBrowser(ctx, cdpbrowser.SetDownloadBehavior, cdpbrowser.SetDownloadBehaviorParams{
		Behavior:         cdpbrowser.SetDownloadBehaviorBehaviorDeny,
		BrowserContextID: chromedp.FromContext(ctx).BrowserContextID,
	})
	if err != nil {
		return fmt.Errorf("deny downloads: %w", err)
	}
	return nil
}

// onEvent calls fn for every event of this type in the tab, sequentially, until
// the tab closes.
func onEvent[E any](t *tab, event cdp.Event[E], fn func(E)) {
	events := chromedp.Events(t.ctx, event)
	t.work.Go(func() {
		for ev, err := range events {
			if err != nil {
				return // the tab is closing, or a newer protocol has another event format
			}
			fn(ev)
		}
	})
}

// close closes the tab and waits for the goroutines that it started.
func (t *tab) close() {
	t.cancel(context.Canceled)
	t.free()
	t.work.Wait()
	t.browser.tabs.Add(-1)
}
