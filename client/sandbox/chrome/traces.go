package chrome

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/chromedp"

	"shotline/client/sandbox"
)

// traces records actions of a page that a later page in the same tab could
// notice. A page without scripts has few such ways, and each is watched. The tab
// of such a page can be reused, which saves time: opening a tab takes longer than
// rendering most pages. Its methods are safe for concurrent use.
type traces struct {
	mu      sync.Mutex
	pending map[network.RequestID]bool // unfinished requests, which might outlive the page
	done    chan struct{}              // closed when no request is pending; nil if nothing waits for that
	left    string                     // description of a trace; empty if there is none
}

func (tr *traces) handleEvent(ev any) {
	switch ev := ev.(type) {
	case *page.EventFrameAttached:
		tr.record("a frame")
	case *page.EventWindowOpen:
		tr.record("a window")
	case *page.EventJavascriptDialogOpening:
		tr.record("a dialog")
	case *network.EventWebSocketCreated:
		tr.record("a socket")
	case *network.EventRequestWillBeSent:
		tr.track(ev.RequestID, true)
		if ev.RedirectResponse != nil {
			tr.readHeaders(ev.RedirectResponse.Headers)
		}
	case *network.EventResponseReceived:
		if ev.Response != nil {
			tr.readHeaders(ev.Response.Headers)
		}
	case *network.EventResponseReceivedExtraInfo:
		tr.readHeaders(ev.Headers) // only this event contains cookies
	case *network.EventLoadingFinished:
		tr.track(ev.RequestID, false)
	case *network.EventLoadingFailed:
		tr.track(ev.RequestID, false)
	}
}

func (tr *traces) record(trace string) {
	tr.mu.Lock()
	tr.left = trace
	tr.mu.Unlock()
}

func (tr *traces) track(id network.RequestID, begins bool) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if !begins {
		if delete(tr.pending, id); len(tr.pending) == 0 && tr.done != nil {
			close(tr.done)
			tr.done = nil
		}
		return
	}
	if tr.pending == nil {
		tr.pending = make(map[network.RequestID]bool)
	}
	tr.pending[id] = true
}

// requestWait is how long to wait for the last requests of a page after its
// outputs. The browser reports their end, and requests an icon, with a delay.
const requestWait = 250 * time.Millisecond

// awaitRequests waits for pending requests, for at most requestWait.
func (tr *traces) awaitRequests(ctx context.Context) {
	tr.mu.Lock()
	if len(tr.pending) == 0 {
		tr.mu.Unlock()
		return
	}
	if tr.done == nil {
		tr.done = make(chan struct{})
	}
	done := tr.done
	tr.mu.Unlock()
	limited, stop := context.WithTimeout(ctx, requestWait)
	defer stop()
	select {
	case <-done:
	case <-limited.Done():
	}
}

// lastingHeaders are the response headers whose effect can outlast the page.
var lastingHeaders = map[string]bool{
	"accept-ch": true, "alt-svc": true, "nel": true, "report-to": true, "reporting-endpoints": true,
	"set-cookie": true, "strict-transport-security": true, "www-authenticate": true,
}

func (tr *traces) readHeaders(headers network.Headers) {
	for name := range headers {
		if lastingHeaders[strings.ToLower(name)] {
			tr.record("the effect of the header " + name)
		}
	}
}

// err returns an error if there are traces.
func (tr *traces) err() error {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	switch {
	case tr.left != "":
		return errors.New("the page left " + tr.left)
	case len(tr.pending) > 0:
		return errors.New("requests of the page are still pending")
	}
	return nil
}

// leavesNoTraces reports whether the options of a request leave no state in the
// tab, except settings that emulate resets. It does not consider the page itself.
func leavesNoTraces(req sandbox.RenderRequest) bool {
	return !newVisit(req).changes() && len(req.Cookies) == 0 && req.Location == nil &&
		req.Script == "" && len(req.Steps) == 0 && !req.HidePopups && req.PDF == nil
}

// canServe reports whether a used tab can serve a request. A tab is not reused
// with another value of StrictSSL, because the browser could reuse connections
// that were made without certificate checks.
func (t *tab) canServe(req sandbox.RenderRequest) bool {
	return t.ctx.Err() == nil && !t.browser.dead() && t.strict == req.StrictSSL
}

// checkClean returns an error unless the previous pages cannot have left any
// traces.
func (t *tab) checkClean(ctx context.Context) error {
	limited, stop := t.limited(ctx)
	defer stop()
	metrics, err := chromedp.Call(limited, performance.GetMetrics, cdp.Empty{})
	if err != nil {
		return fmt.Errorf("read the script metrics: %w", err)
	}
	for _, metric := range metrics.Metrics {
		if metric.Name != "ScriptDuration" {
			continue
		}
		if metric.Value != 0 {
			return errors.New("the page ran scripts")
		}
		return t.traces.err()
	}
	return errors.New("the browser did not report whether scripts ran")
}

// prepare prepares a tab from the pool for its next page. It returns an error if
// the tab is dead or its page has been active in the meantime.
func (t *tab) prepare(ctx context.Context) error {
	if err := t.checkClean(ctx); err != nil {
		return err
	}
	limited, stop := t.limited(ctx)
	defer stop()
	_, err := chromedp.Call(limited, page.ResetNavigationHistory, cdp.Empty{})
	return err
}

// limited returns the tab's context with a timeout, which also ends with ctx.
// Without the timeout, a browser that does not respond would hold a slot.
func (t *tab) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	limited, stop := context.WithTimeout(t.ctx, openTimeout)
	detach := context.AfterFunc(ctx, stop)
	return limited, func() {
		detach()
		stop()
	}
}
