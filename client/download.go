package client

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Download is a streamed response whose first bytes have arrived. The caller must
// close Body. A read fails if no byte arrives within the Client's timeout.
type Download struct {
	Body        io.ReadCloser
	ContentType string // from the response, or else detected from the first bytes
	Length      int64  // bytes, -1 if unknown
	ETag        string // can be empty
}

func (c *Client) download(ctx context.Context, k call) (*Download, error) {
	if ctx.Err() != nil {
		return nil, &NotSentError{Err: c.callError(k.op, context.Cause(ctx))}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stallTimer := time.AfterFunc(c.timeout, func() { cancel(c.timeoutError()) })
	release := func() { stallTimer.Stop(); cancel(nil) }

	var sent evidence
	req := c.newRequest(sent.trace(ctx), k)
	req.Header.Set("Accept", "*/*")
	// Images are already compressed, and only an unencoded body has a known length.
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := c.downloads.Do(req)
	if err != nil {
		failure := c.callError(k.op, timeoutCause(ctx, err))
		release()
		if sent.provesNotSent() {
			return nil, &NotSentError{Err: failure}
		}
		return nil, failure
	}
	if resp.StatusCode != http.StatusOK {
		defer release()
		defer resp.Body.Close()
		return nil, c.refusal(k, resp)
	}
	stallTimer.Stop() // from here on it runs only during a read
	body := &streamBody{
		ctx: ctx, client: c, op: k.op, body: resp.Body, stallTimer: stallTimer, release: release,
	}
	head, err := readHead(body)
	if err != nil {
		body.Close()
		return nil, err
	}
	body.head = head
	kind, fits := k.content.detect(resp.Header.Get("Content-Type"), head)
	if !fits {
		defer body.Close()
		return nil, c.contentError(k, resp, body)
	}
	return &Download{Body: body, ContentType: kind, Length: resp.ContentLength, ETag: resp.Header.Get("ETag")}, nil
}

const maxRedirects = 5

// checkRedirect follows a redirect only to the scheme, host and port of the base
// URL. Otherwise net/http would forward the key, because it does not know that
// X-API-KEY is a sensitive header. A redirect to another target becomes an
// APIError.
func (c *Client) checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	if origin(req.URL) != origin(c.base) {
		return http.ErrUseLastResponse
	}
	req.Header.Del("Referer") // it contains our query
	return nil
}

// origin returns the normalized scheme, host and port of an address.
func origin(u *url.URL) [3]string {
	scheme, port := strings.ToLower(u.Scheme), u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[scheme]
	}
	return [3]string{scheme, strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")), port}
}

// streamBody ends a download that has stalled and cleans read errors.
type streamBody struct {
	ctx        context.Context
	client     *Client
	op         string
	head       []byte // bytes already read from body; they are returned first
	body       io.ReadCloser
	stallTimer *time.Timer
	release    func()
}

func (s *streamBody) Read(p []byte) (int, error) {
	if len(s.head) > 0 {
		n := copy(p, s.head)
		s.head = s.head[n:]
		return n, nil
	}
	s.stallTimer.Reset(s.client.timeout)
	n, err := s.body.Read(p)
	s.stallTimer.Stop()
	if err != nil && err != io.EOF {
		err = s.client.callError(s.op, timeoutCause(s.ctx, err))
	}
	return n, err
}

func (s *streamBody) Close() error {
	s.release()
	if err := s.body.Close(); err != nil {
		return s.client.callError(s.op, err)
	}
	return nil
}
