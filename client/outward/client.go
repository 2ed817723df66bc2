package outward

import (
	"cmp"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// Limits are the limits of one call.
type Limits struct {
	Time time.Duration // the whole call, from the name lookup to the last byte of the response; 0: no limit
	Body int64         // bytes of the response body; if it is longer, reading it fails with ErrTooLarge; 0: no limit
	Idle int           // connections kept open for further calls; 0: 64
}

// ErrTooLarge is returned by reads from a response body that is longer than the
// limit.
var ErrTooLarge = errors.New("response is too large")

// ErrNotFinal is returned for a response with a status below 200.
var ErrNotFinal = errors.New("the response status is below 200, which is not final")

// Limits for the parts of a call, in addition to the limits for the whole call.
const (
	dialTime       = 10 * time.Second
	headerTime     = 30 * time.Second
	maxHeader      = 64 << 10
	idleTime       = 30 * time.Second
	maxIdle        = 64
	maxIdlePerHost = 4
)

// Client returns a client that checks every connection. It does not follow
// redirects but returns the response that contains the redirect. It does not use
// a proxy from the environment, store cookies or decompress bodies, and it
// supports only HTTP/1.1. If a response would switch to another protocol, the
// error is ErrNotFinal and the connection is closed. The caller should close idle
// connections when it no longer needs the client.
func (g *Guard) Client(l Limits) *http.Client { return g.client(l, nil) }

// client is like Client but resolves names with resolver. If resolver is nil, it
// uses the system's.
func (g *Guard) client(l Limits, resolver *net.Resolver) *http.Client {
	dialer := &net.Dialer{Timeout: dialTime, Control: g.Control, Resolver: resolver}
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	transport := &http.Transport{
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    dialTime,
		ResponseHeaderTimeout:  headerTime,
		MaxResponseHeaderBytes: maxHeader,
		IdleConnTimeout:        idleTime,
		MaxIdleConns:           cmp.Or(l.Idle, maxIdle),
		MaxIdleConnsPerHost:    maxIdlePerHost,
		DisableCompression:     true,
		Protocols:              &protocols,
	}
	return &http.Client{
		Timeout:       l.Time,
		Transport:     bounded{transport, l.Body},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// bounded limits the length of response bodies and rejects responses that are not
// final.
type bounded struct {
	*http.Transport
	body int64
}

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := b.Transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode < http.StatusOK {
		// The body of a 101 is the raw connection. Neither the request's context nor
		// the client's timeout ends a read from it.
		_ = resp.Body.Close()
		return nil, ErrNotFinal
	}
	if b.body > 0 {
		resp.Body = &boundedBody{resp.Body, b.body}
	}
	return resp, nil
}

type boundedBody struct {
	io.ReadCloser
	left int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if int64(n) > b.left {
		n, err = int(b.left), ErrTooLarge
	}
	b.left -= int64(n)
	return n, err
}
