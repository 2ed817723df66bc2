package listener

import (
	"context"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// connKey is under what a request's context holds its *conn.
type connKey struct{}

// Guard joins the listener with the server that accepts from it, before it
// serves. The server's ConnState and ConnContext must not be set.
func (l *Listener) Guard(server *http.Server) {
	server.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, c)
	}
	server.ConnState = func(c net.Conn, state http.ConnState) {
		own, ok := c.(*conn)
		switch {
		case !ok:
		case state == http.StateActive:
			own.waits(nil)
		case state == http.StateIdle:
			own.waits(&l.idle)
		}
	}
	server.Handler = l.guarded(server.Handler)
}

// guarded bounds the bodies of requests, and answers those of excess connections.
func (l *Listener) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, ok := r.Context().Value(connKey{}).(*conn)
		body := r.Body
		switch {
		case !ok:
			next.ServeHTTP(w, r)
		case c.excess: // fixed before the first request
			l.refused()
			refuse(w)
			c.ends(w, body)
		case l.cfg.BodyStep > 0 && r.Body != nil && r.Body != http.NoBody:
			r.Body = c.begins(r.Body)
			defer c.complete(false)
			next.ServeHTTP(w, r)
			c.ends(w, body)
		default:
			next.ServeHTTP(w, r)
			c.ends(w, body)
		}
	})
}

const (
	// lingerTime bounds how long a connection is read on after the last answer.
	lingerTime = time.Second
	// lingerBytes bounds how much of a body is: twice what a webhook may have.
	lingerBytes = 512 << 10
)

// ends bounds what is left of a connection after its last answer. The rest of the
// body is read, since a peer that still sends when its connection is closed may
// lose the answer. http.Server does so for some bodies only.
func (c *conn) ends(w http.ResponseWriter, body io.Reader) {
	if w.Header().Get("Connection") != "close" {
		return
	}
	c.complete(false)
	_ = c.Conn.SetReadDeadline(time.Now().Add(lingerTime))
	c.waits(&c.listener.waiting)
	if body == nil || body == http.NoBody || http.NewResponseController(w).Flush() != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, body, lingerBytes)
}

const unavailable = `{"title":"Service Unavailable","status":503,"detail":"too many connections are being answered, try again later"}` + "\n"

// refuse answers without having read the body.
func refuse(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Connection", "close")
	h.Set("Retry-After", "2")
	h.Set("Content-Type", "application/problem+json")
	h.Set("Content-Length", strconv.Itoa(len(unavailable)))
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, unavailable)
}
