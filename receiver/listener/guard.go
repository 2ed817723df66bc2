package listener

import (
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// connKey is the key of the *conn in a request's context.
type connKey struct{}

// Guard configures the server that accepts connections from the listener. Call it
// before the server starts. The server's ConnState and ConnContext must not be
// set.
func (l *Listener) Guard(server *http.Server) {
	server.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, c)
	}
	server.ConnState = func(c net.Conn, state http.ConnState) {
		wrapped, ok := c.(*conn)
		switch {
		case !ok:
		case state == http.StateActive:
			wrapped.waitIn(nil)
		case state == http.StateIdle:
			wrapped.waitIn(&l.idle)
		}
	}
	server.Handler = l.guarded(server.Handler)
}

// guarded returns a handler that applies the limits for bodies and responds to
// requests on excess connections.
func (l *Listener) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := r.Context().Value(connKey{}).(*conn)
		body := r.Body
		switch {
		case !ok:
			next.ServeHTTP(w, r)
		case c.excess: // not modified after the first request
			l.countRefused()
			refuse(w)
			c.end(w, body)
		case l.cfg.BodyStep > 0 && r.Body != nil && r.Body != http.NoBody:
			r.Body = c.beginBody(r.Body)
			defer c.complete(false)
			next.ServeHTTP(w, r)
			c.end(w, body)
		default:
			next.ServeHTTP(w, r)
			c.end(w, body)
		}
	})
}

const (
	// lingerTime is the maximum time to read from a connection after the last
	// response.
	lingerTime = time.Second
	// lingerBytes is the maximum number of body bytes to read after the last
	// response. It is twice the maximum size of a webhook.
	lingerBytes = 512 << 10
)

// end limits the rest of a connection after its last response. It reads the rest
// of the body, because a peer that is still sending might lose the response if
// the connection is closed. http.Server does this only for some bodies.
func (c *conn) end(w http.ResponseWriter, body io.Reader) {
	if w.Header().Get("Connection") != "close" {
		return
	}
	c.complete(false)
	_ = c.Conn.SetReadDeadline(time.Now().Add(lingerTime))
	c.waitIn(&c.listener.waiting)
	if body == nil || body == http.NoBody || http.NewResponseController(w).Flush() != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, body, lingerBytes)
}

const unavailable = `{"title":"Service Unavailable","status":503,"detail":"too many connections are being answered, try again later"}` + "\n"

// refuse responds without reading the body.
func refuse(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Connection", "close")
	h.Set("Retry-After", "2")
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(unavailable)))
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, unavailable)
}
