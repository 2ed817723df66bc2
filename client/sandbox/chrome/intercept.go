package chrome

import (
	"context"
	"net/url"

	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// patterns are the requests that the browser hands to us in every tab: those
// that may be for the demo hosts, and local files. A visit that changes requests
// adds all others; without one they go to the network directly.
func (t *tab) patterns() []*fetch.RequestPattern {
	patterns := []*fetch.RequestPattern{{URLPattern: "file:*"}}
	if t.cfg.Pages != nil {
		patterns = append(patterns, &fetch.RequestPattern{URLPattern: "http*://*" + t.cfg.PagesDomain + "*"})
	}
	return patterns
}

// answer decides about one paused request. Its errors mean that the request
// or the tab is gone, so there is nobody left to tell.
func (t *tab) answer(ctx context.Context, ev fetch.EventRequestPaused) {
	next := fetch.ContinueRequestParams{RequestID: ev.RequestID}
	if v := t.visit.Load(); v != nil {
		next = v.amend(ev)
	}
	u, err := url.Parse(ev.Request.URL)
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
