package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

const (
	maxAnswer      = 8 << 20  // a full page of /screenshot/list fits many times over
	maxErrorAnswer = 64 << 10 // an error needs a line, not a document
)

// call is one request: op names it in errors, once marks those that cost money
// and must not be put on the wire twice, output those for what a screenshot
// brings, which may not be ready yet, content is what a download must be. With a
// form it is a POST, otherwise a GET.
type call struct {
	op      string
	path    string
	query   url.Values
	form    *form
	once    bool
	output  bool
	content content
}

// form is the body of a POST.
type form struct {
	kind string // its media type
	data []byte
}

// unanswered is the error of a request that left without a usable answer.
func (k call) unanswered(err error) error {
	if k.once {
		return &InDoubtError{Err: err}
	}
	return err
}

// fetch sends the request, follows no redirect, and returns the payload of a
// successful answer, taken out of its envelope.
func (c *Client) fetch(ctx context.Context, k call) (json.RawMessage, error) {
	if ctx.Err() != nil {
		return nil, &NotSentError{Err: c.callError(k.op, context.Cause(ctx))}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, c.timeoutError())
	defer cancel()

	var sent evidence
	resp, err := c.transport.RoundTrip(c.newRequest(sent.trace(ctx), k))
	if err != nil {
		failure := c.callError(k.op, timeoutCause(ctx, err))
		if sent.surelyNotSent() {
			return nil, &NotSentError{Err: failure}
		}
		return nil, k.unanswered(failure)
	}
	defer resp.Body.Close()

	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, c.refusal(k, resp)
	}
	// Reading one byte beyond the limit tells a full answer from a cut one and
	// reaches EOF, without which the connection would not be reused.
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return nil, k.unanswered(c.callError(k.op, timeoutCause(ctx, err)))
	}
	if len(body) > maxAnswer {
		return nil, k.unanswered(c.callError(k.op, fmt.Errorf("the answer is larger than %d bytes", maxAnswer)))
	}
	return c.open(k, resp, body)
}

// open takes the payload out of a 2xx answer. A refusal in it is as definite as
// a 4xx, unless it names a screenshot or a batch all the same, or does not say
// that it is one.
func (c *Client) open(k call, resp *http.Response, body []byte) (json.RawMessage, error) {
	env, err := openEnvelope(body)
	if err != nil {
		return nil, k.unanswered(c.callError(k.op, err))
	}
	if !env.refused {
		return env.payload, nil
	}
	refused := c.apiError(k.op, resp, body)
	if k.once && (env.bare || hasID(env.payload)) {
		return nil, k.unanswered(refused)
	}
	return nil, refused
}

// refusal turns an answer outside 2xx into its error. For a create, only 4xx
// tells that nothing was done. A redirect was answered by whatever stands in
// front of the vendor, a 408 often means that a gateway gave up waiting, and a
// 5xx may have come after the charge: these leave doubt.
func (c *Client) refusal(k call, resp *http.Response) error {
	var body []byte
	if resp.StatusCode >= 200 { // the body of a 101 is a raw connection, which no context ends
		// What could be read of an error is enough: its status is already known.
		body, _ = io.ReadAll(io.LimitReader(resp.Body, maxErrorAnswer))
	}
	err := c.apiError(k.op, resp, body)
	if k.output {
		err = notReady(err)
	}
	definite := resp.StatusCode >= 400 && resp.StatusCode <= 499 && resp.StatusCode != http.StatusRequestTimeout
	if definite {
		return err
	}
	return k.unanswered(err)
}

func (c *Client) newRequest(ctx context.Context, k call) *http.Request {
	target := c.base.JoinPath(k.path)
	target.RawQuery = k.query.Encode()
	req := &http.Request{
		Method: http.MethodGet,
		URL:    target,
		Host:   target.Host,
		Header: http.Header{
			"X-Api-Key":  {c.key},
			"User-Agent": {c.userAgent},
			"Accept":     {"application/json"},
		},
	}
	switch {
	case k.form != nil:
		// Without GetBody, and being a POST, it is not repeated by net/http.
		req.Method = http.MethodPost
		req.Header.Set("Content-Type", k.form.kind)
		req.Body = io.NopCloser(bytes.NewReader(k.form.data))
		req.ContentLength = int64(len(k.form.data))
	case k.once:
		forbidReplay(req)
	}
	return req.WithContext(ctx)
}

// forbidReplay makes net/http put a GET on the wire at most once. The
// transport silently repeats a GET when a reused connection dies, but only if
// it can produce the body again; so the request gets a body that cannot be
// rewound. It is empty, and the identity encoding (RFC 9112 calls it "none")
// keeps both Content-Length and Transfer-Encoding off the wire.
func forbidReplay(req *http.Request) {
	req.Body = emptyBody{}
	req.GetBody = nil
	req.ContentLength = -1
	req.TransferEncoding = []string{"identity"}
}

// emptyBody is deliberately not http.NoBody, which counts as repeatable.
type emptyBody struct{}

func (emptyBody) Read([]byte) (int, error) { return 0, io.EOF }
func (emptyBody) Close() error             { return nil }

// WriteTo spares net/http the buffer of 32 KB by which it would copy nothing.
func (emptyBody) WriteTo(io.Writer) (int64, error) { return 0, nil }

func (c *Client) timeoutError() error {
	return fmt.Errorf("no answer within %s: %w", c.timeout, context.DeadlineExceeded)
}

// timeoutCause prefers our own account of a context that ended to what the
// transport made of it.
func timeoutCause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
