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

// traces is what a page does that another page, in the same tab after it, could
// notice. A page that runs no script has few ways, and each is watched: so the
// tab of a still page can serve again, and a new tab costs more time than most
// pages. Safe for concurrent use.
type traces struct {
	mu      sync.Mutex
	pending map[network.RequestID]bool // requests on their way, which may outlive the page
	rested  chan struct{}              // closed when none is pending; nil when nobody waits for that
	left    string                     // what the page left; empty: nothing
}

func (tr *traces) note(ev any) {
	switch ev := ev.(type) {
	case *page.EventFrameAttached:
		tr.leave("a frame")
	case *page.EventWindowOpen:
		tr.leave("a window")
	case *page.EventJavascriptDialogOpening:
		tr.leave("a dialog")
	case *network.EventWebSocketCreated:
		tr.leave("a socket")
	case *network.EventRequestWillBeSent:
		tr.await(ev.RequestID, true)
		if ev.RedirectResponse != nil {
			tr.read(ev.RedirectResponse.Headers)
		}
	case *network.EventResponseReceived:
		if ev.Response != nil {
			tr.read(ev.Response.Headers)
		}
	case *network.EventResponseReceivedExtraInfo:
		tr.read(ev.Headers) // the only ones with cookies
	case *network.EventLoadingFinished:
		tr.await(ev.RequestID, false)
	case *network.EventLoadingFailed:
		tr.await(ev.RequestID, false)
	}
}

func (tr *traces) leave(what string) {
	tr.mu.Lock()
	tr.left = what
	tr.mu.Unlock()
}

func (tr *traces) await(id network.RequestID, begins bool) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if !begins {
		if delete(tr.pending, id); len(tr.pending) == 0 && tr.rested != nil {
			close(tr.rested)
			tr.rested = nil
		}
		return
	}
	if tr.pending == nil {
		tr.pending = make(map[network.RequestID]bool)
	}
	tr.pending[id] = true
}

// restTime is how long a page's last requests may take after its picture: the
// browser tells of their end, and asks for an icon, when it finds the time.
const restTime = 250 * time.Millisecond

// rest waits for the requests on their way.
func (tr *traces) rest(ctx context.Context) {
	tr.mu.Lock()
	if len(tr.pending) == 0 {
		tr.mu.Unlock()
		return
	}
	if tr.rested == nil {
		tr.rested = make(chan struct{})
	}
	rested := tr.rested
	tr.mu.Unlock()
	limited, stop := context.WithTimeout(ctx, restTime)
	defer stop()
	select {
	case <-rested:
	case <-limited.Done():
	}
}

// lasting are the headers that a browser obeys beyond the page that they came
// with.
var lasting = map[string]bool{
	"accept-ch": true, "alt-svc": true, "nel": true, "report-to": true, "reporting-endpoints": true,
	"set-cookie": true, "strict-transport-security": true, "www-authenticate": true,
}

func (tr *traces) read(headers network.Headers) {
	for name := range headers {
		if lasting[strings.ToLower(name)] {
			tr.leave("what the header " + name + " says")
		}
	}
}

// found says what there is so far.
func (tr *traces) found() error {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	switch {
	case tr.left != "":
		return errors.New("the page left " + tr.left)
	case len(tr.pending) > 0:
		return errors.New("the page left requests on their way")
	}
	return nil
}

// plain reports whether a request, and not its page, leaves nothing in the tab
// but what emulate sets anew.
func plain(req sandbox.RenderRequest) bool {
	return !newVisit(req).changes() && len(req.Cookies) == 0 && req.Location == nil &&
		req.Script == "" && len(req.Steps) == 0 && !req.HidePopups && req.PDF == nil
}

// suits reports whether a used tab may open the request's page. Connections
// that a tolerant render made would serve a strict one, too.
func (t *tab) suits(req sandbox.RenderRequest) bool {
	return t.ctx.Err() == nil && !t.browser.dead() && t.strict == req.StrictSSL
}

// check returns an error unless the pages so far can have left nothing.
func (t *tab) check(ctx context.Context) error {
	limited, stop := t.limited(ctx)
	defer stop()
	metrics, err := chromedp.Call(limited, performance.GetMetrics, cdp.Empty{})
	if err != nil {
		return fmt.Errorf("ask whether scripts ran: %w", err)
	}
	for _, metric := range metrics.Metrics {
		if metric.Name != "ScriptDuration" {
			continue
		}
		if metric.Value != 0 {
			return errors.New("the page ran scripts")
		}
		return t.traces.found()
	}
	return errors.New("the browser does not say whether scripts ran")
}

// renew makes a tab from the pool ready for its next page, unless it has died
// or its page has gone on doing things.
func (t *tab) renew(ctx context.Context) error {
	if err := t.check(ctx); err != nil {
		return err
	}
	limited, stop := t.limited(ctx)
	defer stop()
	_, err := chromedp.Call(limited, page.ResetNavigationHistory, cdp.Empty{})
	return err
}

// limited is the tab's context, which also ends with ctx, and soon: a browser
// that does not answer here would hold a slot.
func (t *tab) limited(ctx context.Context) (context.Context, context.CancelFunc) {
	limited, stop := context.WithTimeout(t.ctx, openTimeout)
	detach := context.AfterFunc(ctx, stop)
	return limited, func() {
		detach()
		stop()
	}
}
