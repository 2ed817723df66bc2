package chrome

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"shotline/client/pageurl"
	"shotline/client/sandbox"
)

// visit describes how to request one page. The browser can neither send headers
// to one host only nor open a page by POST, so the requests are changed while
// they are intercepted. Its methods are safe for concurrent use.
type visit struct {
	header []sandbox.Pair
	post   *string

	mu   sync.Mutex
	home *url.URL // first URL of the page as normalized by the browser; nil before the first request
}

func newVisit(req sandbox.RenderRequest) *visit {
	return &visit{header: req.Header, post: req.PostData}
}

// changes reports whether requests must be changed.
func (v *visit) changes() bool { return len(v.header) > 0 || v.post != nil }

// rewrite returns the changes to an intercepted request. A request to the page's
// host gets the headers of the visit, and the request for the page itself becomes
// a POST if there is a form. Other headers of the request are kept, except
// cookies.
//
// A redirect is a separate request. The headers follow it only to the same host.
// The form is not sent again here; the browser repeats it if the status of the
// redirect says so.
func (v *visit) rewrite(ev fetch.EventRequestPaused) fetch.ContinueRequestParams {
	next := fetch.ContinueRequestParams{RequestID: ev.RequestID}
	to, err := pageurl.Parse(ev.Request.URL)
	if err != nil || !v.changes() {
		return next
	}
	first, own := v.classify(to)
	if !own {
		return next
	}
	header := http.Header{}
	for name, value := range ev.Request.Headers {
		header.Set(name, fmt.Sprint(value))
	}
	if first && v.post != nil {
		next.Method, next.PostData = http.MethodPost, []byte(*v.post)
		header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, pair := range v.header {
		header.Set(pair.Name, pair.Value)
	}
	for name, values := range header {
		next.Headers = append(next.Headers, &fetch.HeaderEntry{Name: name, Value: values[0]})
	}
	return next
}

// classify reports whether a request is the first one, which is for the page
// itself, and whether it goes to the page's host.
func (v *visit) classify(to *url.URL) (first, own bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.home == nil {
		v.home = to
		return true, true
	}
	return false, sameHost(v.home, to)
}

// sameHost reports whether headers for the page's host may be sent to a URL.
// Scheme, name and port must be equal, except for a change from http to https on
// the default ports. A change to http is not allowed, because it would send
// secrets unencrypted.
func sameHost(home, to *url.URL) bool {
	if !strings.EqualFold(home.Hostname(), to.Hostname()) {
		return false
	}
	same := home.Scheme == to.Scheme && sandbox.PortOf(home) == sandbox.PortOf(to)
	upgraded := home.Scheme == "http" && to.Scheme == "https" && sandbox.PortOf(home) == "80" && sandbox.PortOf(to) == "443"
	return same || upgraded
}

// open requests the page with its cookies, headers, referer and form, and waits
// until it has loaded.
func (r *run) open(ctx context.Context) error {
	if r.visit.changes() {
		every := append(r.tab.patterns(), &fetch.RequestPattern{URLPattern: "http*://*"})
		if err := send(ctx, r.target, fetch.Enable, fetch.EnableParams{Patterns: every}); err != nil {
			return fmt.Errorf("intercept requests: %w", err)
		}
	}
	if err := r.setCookies(ctx); err != nil {
		return err
	}
	if err := r.navigation.watch(ctx); err != nil {
		return fmt.Errorf("watch the page: %w", err)
	}
	return r.load(ctx)
}

// setCookies sets the page's cookies. The browser context is clean, so it has no
// others.
func (r *run) setCookies(ctx context.Context) error {
	for _, pair := range r.req.Cookies {
		err := send(ctx, r.target, network.SetCookies, network.SetCookiesParams{
			Cookies: []*network.CookieParam{{Name: pair.Name, Value: pair.Value, URL: r.req.URL}},
		})
		if err != nil && ctx.Err() == nil {
			return userErrorf("cookie: the browser does not accept %q for this URL", pair.Name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// errMaxWait is the cause if the wait for a page ended because of MaxWait.
var errMaxWait = errors.New("max_wait")

// load opens the page and waits for its load event. After MaxWait it stops
// loading and continues with the page as it is. If the server has not responded
// by then, load fails, because there is nothing to show.
func (r *run) load(ctx context.Context) error {
	loading, stop := ctx, context.CancelFunc(func() {})
	if r.req.MaxWait > 0 {
		loading, stop = context.WithTimeoutCause(ctx, r.req.MaxWait, errMaxWait)
	}
	defer stop()

	answered := false
	_, err := chromedp.RunResponse(loading, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		res, err := cdp.Call(ctx, target, page.Navigate, page.NavigateParams{
			URL: r.req.URL, Referrer: r.req.Referer, ReferrerPolicy: page.ReferrerPolicyUnsafeURL,
		})
		if err != nil {
			return err
		}
		r.navigation.setFrame(res.FrameID)
		if res.ErrorText != "" {
			return &chromedp.LoadError{ErrorText: res.ErrorText}
		}
		answered = true
		r.stage = "page did not finish loading"
		return nil
	}))
	if err == nil || ctx.Err() != nil || !errors.Is(context.Cause(loading), errMaxWait) {
		return err
	}
	if !answered {
		return userErrorf("page did not answer within the max_wait of %v", r.req.MaxWait)
	}
	return send(ctx, r.target, page.StopLoading, cdp.Empty{})
}
