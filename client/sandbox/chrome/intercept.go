package chrome

import (
	"context"

	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"shotline/client/pageurl"
)

// patterns returns the requests that are intercepted in every tab: those that
// might be for demo hosts, and those for local files. A visit that changes
// requests intercepts all others as well; otherwise they go to the network
// directly.
func (t *tab) patterns() []*fetch.RequestPattern {
	patterns := []*fetch.RequestPattern{{URLPattern: "file:*"}}
	if t.cfg.Pages != nil {
		patterns = append(patterns, &fetch.RequestPattern{URLPattern: "http*://*" + t.cfg.PagesDomain + "*"})
	}
	return patterns
}

// handleRequest handles one intercepted request. It ignores errors, because they
// mean that the request or the tab no longer exists.
func (t *tab) handleRequest(ctx context.Context, ev fetch.EventRequestPaused) {
	next := fetch.ContinueRequestParams{RequestID: ev.RequestID}
	if v := t.visit.Load(); v != nil {
		next = v.rewrite(ev)
	}
	u, err := pageurl.Parse(ev.Request.URL)
	switch {
	case err != nil, u.Scheme == "file":
		fail(ctx, ev, network.ErrorReasonAccessDenied)
	case t.isDemo(u):
		t.serveDemo(ctx, ev, u, next)
	default:
		_, _ = chromedp.Call(ctx, fetch.ContinueRequest, next)
	}
}

func fail(ctx context.Context, ev fetch.EventRequestPaused, reason network.ErrorReason) {
	_, _ = chromedp.Call(ctx, fetch.FailRequest, fetch.FailRequestParams{RequestID: ev.RequestID, ErrorReason: reason})
}
