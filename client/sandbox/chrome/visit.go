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

	"shotline/client/sandbox"
)

// visit is how one page is asked for. The browser has no way to send headers to
// one host only, or to open a page by POST, so the requests are changed while
// they are paused. Safe for concurrent use.
type visit struct {
	header []sandbox.Pair
	post   *string

	mu   sync.Mutex
	home *url.URL // the page's first address as the browser spells it; nil before
}

func newVisit(req sandbox.RenderRequest) *visit {
	return &visit{header: req.Header, post: req.PostData}
}

// changes reports whether any request has to be changed.
func (v *visit) changes() bool { return len(v.header) > 0 || v.post != nil }

// amend returns how the paused request goes on: with the headers of the visit
// when it goes to the page's own host, as POST when it is the page itself. The
// request's own headers, without the cookies, are kept.
//
// A redirect is a request of its own: the headers follow it only to the same
// host, and the form is not sent a second time by us (the browser repeats it
// where the redirect's status says so).
func (v *visit) amend(ev fetch.EventRequestPaused) fetch.ContinueRequestParams {
	next := fetch.ContinueRequestParams{RequestID: ev.RequestID}
	to, err := url.Parse(ev.Request.URL)
	if err != nil || !v.changes() {
		return next
	}
	first, own := v.place(to)
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

// place reports whether a request is the first one, the page itself, and
// whether it goes to the page's own host.
func (v *visit) place(to *url.URL) (first, own bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.home == nil {
		v.home = to
		return true, true
	}
	return false, sameHost(v.home, to)
}

// sameHost reports whether what is meant for the page's host may go to the
// address: the same scheme, name and port, or the same name after the change
// from http to https on their usual ports. Never the other way, which would
// send a secret in the clear.
func sameHost(home, to *url.URL) bool {
	if !strings.EqualFold(home.Hostname(), to.Hostname()) {
		return false
	}
	same := home.Scheme == to.Scheme && sandbox.PortOf(home) == sandbox.PortOf(to)
	upgraded := home.Scheme == "http" && to.Scheme == "https" && sandbox.PortOf(home) == "80" && sandbox.PortOf(to) == "443"
	return same || upgraded
}

// open asks for the page with its cookies, headers, referer and form, and
// waits for it to load.
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
	if err := r.moves.watch(ctx); err != nil {
		return fmt.Errorf("watch the page: %w", err)
	}
	return r.load(ctx)
}

// setCookies gives the browser the page's cookies. Its browser context is new,
// so there are no others.
func (r *run) setCookies(ctx context.Context) error {
	for _, pair := range r.req.Cookies {
		err := send(ctx, r.target, network.SetCookies, network.SetCookiesParams{
			Cookies: []*network.CookieParam{{Name: pair.Name, Value: pair.Value, URL: r.req.URL}},
		})
		if err != nil && ctx.Err() == nil {
			return faultf("cookie: the browser does not accept %q for this address", pair.Name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// errMaxWait is why the waiting for a page ended early.
var errMaxWait = errors.New("max_wait")

// load opens the page and waits for its load event, or until MaxWait is over:
// then loading stops, and what is there is the page. A server that has sent
// nothing by then leaves nothing to show, so that fails.
func (r *run) load(ctx context.Context) error {
	patient, impatient := ctx, context.CancelFunc(func() {})
	if r.req.MaxWait > 0 {
		patient, impatient = context.WithTimeoutCause(ctx, r.req.MaxWait, errMaxWait)
	}
	defer impatient()

	answered := false
	_, err := chromedp.RunResponse(patient, chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		res, err := cdp.Call(ctx, target, page.Navigate, page.NavigateParams{
			URL: r.req.URL, Referrer: r.req.Referer, ReferrerPolicy: page.ReferrerPolicyUnsafeURL,
		})
		if err != nil {
			return err
		}
		r.moves.follow(res.FrameID)
		if res.ErrorText != "" {
			return &chromedp.LoadError{ErrorText: res.ErrorText}
		}
		answered = true
		r.stage = "page did not finish loading"
		return nil
	}))
	if err == nil || ctx.Err() != nil || !errors.Is(context.Cause(patient), errMaxWait) {
		return err
	}
	if !answered {
		return faultf("page did not answer within the max_wait of %v", r.req.MaxWait)
	}
	return send(ctx, r.target, page.StopLoading, cdp.Empty{})
}
