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

// Download is a streamed answer whose first bytes have come. The caller must
// close Body; a read fails when no byte comes within the Client's timeout.
type Download struct {
	Body        io.ReadCloser
	ContentType string // the answer's, or else what the first bytes tell
	Length      int64  // bytes, -1 when unknown
	ETag        string // may be empty
}

func (c *Client) download(ctx context.Context, k call) (*Download, error) {
	if ctx.Err() != nil {
		return nil, &NotSentError{Err: c.callError(k.op, context.Cause(ctx))}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	patience := time.AfterFunc(c.timeout, func() { cancel(c.timeoutError()) })
	release := func() { patience.Stop(); cancel(nil) }

	var sent evidence
	req := c.newRequest(sent.trace(ctx), k)
	req.Header.Set("Accept", "*/*")
	// Images are compressed already, and only an unencoded body has a length.
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := c.downloads.Do(req)
	if err != nil {
		failure := c.callError(k.op, timeoutCause(ctx, err))
		release()
		if sent.surelyNotSent() {
			return nil, &NotSentError{Err: failure}
		}
		return nil, failure
	}
	if resp.StatusCode != http.StatusOK {
		defer release()
		defer resp.Body.Close()
		return nil, c.refusal(k, resp)
	}
	patience.Stop() // from here on it runs only while a read waits
	body := &streamBody{
		ctx: ctx, client: c, op: k.op, body: resp.Body, patience: patience, release: release,
	}
	head, err := readHead(body)
	if err != nil {
		body.Close()
		return nil, err
	}
	body.head = head
	kind, fits := k.content.of(resp.Header.Get("Content-Type"), head)
	if !fits {
		defer body.Close()
		return nil, c.unfit(k, resp, body)
	}
	return &Download{Body: body, ContentType: kind, Length: resp.ContentLength, ETag: resp.Header.Get("ETag")}, nil
}

const maxRedirects = 5

// checkRedirect keeps a download on the scheme, host and port of the base URL:
// net/http would carry the key along, since it knows only its own header names
// as sensitive. Another target is not asked; the redirect becomes an APIError.
func (c *Client) checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	if origin(req.URL) != origin(c.base) {
		return http.ErrUseLastResponse
	}
	req.Header.Del("Referer") // it holds our query
	return nil
}

// origin is scheme, host and port of an address, the same for equal ones.
func origin(u *url.URL) [3]string {
	scheme, port := strings.ToLower(u.Scheme), u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[scheme]
	}
	return [3]string{scheme, strings.ToLower(strings.TrimSuffix(u.Hostname(), ".")), port}
}

// streamBody ends a download that has stalled, and cleans the errors of reading.
type streamBody struct {
	ctx      context.Context
	client   *Client
	op       string
	head     []byte // has been read of body, and is read first
	body     io.ReadCloser
	patience *time.Timer
	release  func()
}

func (s *streamBody) Read(p []byte) (int, error) {
	if len(s.head) > 0 {
		n := copy(p, s.head)
		s.head = s.head[n:]
		return n, nil
	}
	s.patience.Reset(s.client.timeout)
	n, err := s.body.Read(p)
	s.patience.Stop()
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
