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
	maxResponse      = 8 << 20  // many times a full page of /screenshot/list
	maxErrorResponse = 64 << 10 // an error needs only a few lines
)

// call describes one API request. It is a POST if it has a form, otherwise a GET.
type call struct {
	op      string // operation, for errors
	path    string
	query   url.Values
	form    *form
	once    bool    // the call costs money and must not be sent twice
	output  bool    // the call is for an output, which might not be ready
	content content // expected content of a download
}

// form is the body of a POST.
type form struct {
	kind string // media type
	data []byte
}

// noResponse returns the error for a request that might have been sent and has no
// usable response: an InDoubtError if the request costs money, otherwise err.
func (k call) noResponse(err error) error {
	if k.once {
		return &InDoubtError{Err: err}
	}
	return err
}

// fetch sends the request and returns the payload of a successful response. It
// does not follow redirects.
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
		if sent.provesNotSent() {
			return nil, &NotSentError{Err: failure}
		}
		return nil, k.noResponse(failure)
	}
	defer resp.Body.Close()

	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return nil, c.refusal(k, resp)
	}
	// Read one byte beyond the limit. If the body is shorter, this reaches EOF,
	// which is required for reusing the connection; if it is not, the body is too
	// large.
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse+1))
	if err != nil {
		return nil, k.noResponse(c.callError(k.op, timeoutCause(ctx, err)))
	}
	if len(body) > maxResponse {
		return nil, k.noResponse(c.callError(k.op, fmt.Errorf("the response is larger than %d bytes", maxResponse)))
	}
	return c.unwrap(k, resp, body)
}

// unwrap returns the payload of a 2xx response. If the body contains a refusal,
// the refusal is as definite as a 4xx, with two exceptions: the body also names a
// screenshot or a batch, or it has no "success" field.
func (c *Client) unwrap(k call, resp *http.Response, body []byte) (json.RawMessage, error) {
	env, err := parseEnvelope(body)
	if err != nil {
		return nil, k.noResponse(c.callError(k.op, err))
	}
	if !env.refused {
		return env.payload, nil
	}
	refused := c.apiError(k.op, resp, body)
	if k.once && (env.bare || hasID(env.payload)) {
		return nil, k.noResponse(refused)
	}
	return nil, refused
}

// refusal returns the error for a response outside 2xx. For a create, only a 4xx
// proves that the vendor did nothing. A redirect comes from a proxy in front of
// the vendor, a 408 often means that a gateway stopped waiting, and a 5xx might
// have been sent after the charge. In these cases the create is in doubt.
func (c *Client) refusal(k call, resp *http.Response) error {
	var body []byte
	if resp.StatusCode >= 200 { // the body of a 101 is the raw connection, and a read from it does not end with the context
		// Ignore the read error: the status is known, and a partial body is enough
		// for a message.
		body, _ = io.ReadAll(io.LimitReader(resp.Body, maxErrorResponse))
	}
	err := c.apiError(k.op, resp, body)
	if k.output {
		err = notReady(err)
	}
	definite := resp.StatusCode >= 400 && resp.StatusCode <= 499 && resp.StatusCode != http.StatusRequestTimeout
	if definite {
		return err
	}
	return k.noResponse(err)
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
		// net/http does not retry a POST without GetBody.
		req.Method = http.MethodPost
		req.Header.Set("Content-Type", k.form.kind)
		req.Body = io.NopCloser(bytes.NewReader(k.form.data))
		req.ContentLength = int64(len(k.form.data))
	case k.once:
		forbidReplay(req)
	}
	return req.WithContext(ctx)
}

// forbidReplay prevents net/http from sending a GET more than once. If a reused
// connection breaks, the transport silently retries the GET, but only if it can
// rewind the body. The request therefore gets a body that cannot be rewound. The
// body is empty, and with the identity encoding (RFC 9112 calls it "none")
// neither Content-Length nor Transfer-Encoding is sent.
func forbidReplay(req *http.Request) {
	req.Body = emptyBody{}
	req.GetBody = nil
	req.ContentLength = -1
	req.TransferEncoding = []string{"identity"}
}

// emptyBody is used instead of http.NoBody, because a request with http.NoBody
// can be retried.
type emptyBody struct{}

func (emptyBody) Read([]byte) (int, error) { return 0, io.EOF }
func (emptyBody) Close() error             { return nil }

// WriteTo avoids the 32 KB buffer that net/http would allocate for the copy.
func (emptyBody) WriteTo(io.Writer) (int64, error) { return 0, nil }

func (c *Client) timeoutError() error {
	return fmt.Errorf("no response within %s: %w", c.timeout, context.DeadlineExceeded)
}

// timeoutCause returns the cause of the context if it has ended, because that is
// clearer than the transport's error. Otherwise it returns err.
func timeoutCause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
