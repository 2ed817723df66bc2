package outward

import (
	"cmp"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// Limits bound one call.
type Limits struct {
	Time time.Duration // all of it, from the name's look-up to the last byte of the answer; 0: no bound
	Body int64         // bytes of the answer's body, further ones are ErrTooLarge; 0: no bound
	Idle int           // connections that are kept open for further calls; 0: 64
}

// ErrTooLarge is why reading an answer's body failed.
var ErrTooLarge = errors.New("answer is too large")

// ErrNotFinal is why an answer with a status below 200 was refused.
var ErrNotFinal = errors.New("the answer's status is below 200, which ends no request")

// Bounds of the parts of a call, below those of the whole.
const (
	dialTime       = 10 * time.Second
	headerTime     = 30 * time.Second
	maxHeader      = 64 << 10
	idleTime       = 30 * time.Second
	maxIdle        = 64
	maxIdlePerHost = 4
)

// Client makes a client whose connections are all checked. It follows no
// redirect, but returns the answer that asks for one; it uses no proxy of the
// environment, keeps no cookies and unpacks nothing. It speaks HTTP/1.1 only. An
// answer that would switch to another protocol is ErrNotFinal, and its connection
// is closed. Close the idle connections at the end.
func (g *Guard) Client(l Limits) *http.Client { return g.client(l, nil) }

// client looks names up with resolver, or as the system does when it is nil.
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

// bounded bounds the bodies of answers, and refuses answers that are not final.
type bounded struct {
	*http.Transport
	body int64
}

// RoundTrip implements http.RoundTripper.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.Transport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode < http.StatusOK {
		// The body of a 101 is the raw connection: neither the request's context nor
		// the client's timeout ends a read from it.
		_ = answer.Body.Close()
		return nil, ErrNotFinal
	}
	if b.body > 0 {
		answer.Body = &boundedBody{answer.Body, b.body}
	}
	return answer, nil
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
