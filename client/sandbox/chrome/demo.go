package chrome

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// isDemo reports whether Pages handles the URL. The request pattern of the
// browser might also match URLs that only mention the domain.
func (t *tab) isDemo(u *url.URL) bool {
	host := strings.ToLower(u.Hostname())
	return t.cfg.Pages != nil && (u.Scheme == "http" || u.Scheme == "https") &&
		(host == t.cfg.PagesDomain || strings.HasSuffix(host, "."+t.cfg.PagesDomain))
}

// serveDemo responds to a request with the handler's response, as if it came from
// the network. The handler gets the request with the changes in next.
func (t *tab) serveDemo(ctx context.Context, ev fetch.EventRequestPaused, u *url.URL, next fetch.ContinueRequestParams) {
	if t.cfg.Fail != nil {
		if err := t.cfg.Fail(ev.Request.URL); err != nil {
			fail(ctx, ev, failureReason(err))
			return
		}
	}
	req, err := demoRequest(ctx, ev, u, next)
	if err != nil {
		fail(ctx, ev, network.ErrorReasonFailed)
		return
	}
	rec := &recorder{header: http.Header{}}
	if err := serve(t.cfg.Pages, rec, req); err != nil {
		if !errors.Is(err, http.ErrAbortHandler) {
			t.cfg.Logger.Error("demo page failed", "host", u.Host, "error", err)
		}
		fail(ctx, ev, network.ErrorReasonConnectionClosed)
		return
	}
	answer := fetch.FulfillRequestParams{RequestID: ev.RequestID, ResponseCode: int64(rec.code()), Body: rec.body.Bytes()}
	for name, values := range rec.header {
		for _, value := range values {
			answer.ResponseHeaders = append(answer.ResponseHeaders, &fetch.HeaderEntry{Name: name, Value: value})
		}
	}
	_, _ = chromedp.Call(ctx, fetch.FulfillRequest, answer)
}

// demoRequest returns the paused request as a server would receive it.
func demoRequest(ctx context.Context, ev fetch.EventRequestPaused, u *url.URL, next fetch.ContinueRequestParams) (*http.Request, error) {
	method, body := ev.Request.Method, next.PostData
	if next.Method != "" {
		method = next.Method
	} else {
		for _, part := range ev.Request.PostDataEntries {
			body = append(body, part.Bytes...)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, u.String(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for name, value := range ev.Request.Headers {
		req.Header.Set(name, fmt.Sprint(value))
	}
	for _, entry := range next.Headers {
		req.Header.Set(entry.Name, entry.Value)
	}
	return req, nil
}

// serve calls the handler. If the handler panics, serve returns the panic as an
// error, because net/http would also end only the connection.
func serve(h http.Handler, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case error:
			err = p
		default:
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	h.ServeHTTP(w, r)
	return nil
}

// recorder records a handler's response.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
}

func (r *recorder) Write(p []byte) (int, error) {
	r.WriteHeader(http.StatusOK)
	if r.header.Get("Content-Type") == "" {
		r.header.Set("Content-Type", http.DetectContentType(p))
	}
	return r.body.Write(p)
}

func (r *recorder) code() int {
	if r.status == 0 {
		return http.StatusOK
	}
	return r.status
}
