package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// The web server bounds the time of a request as a whole. Routes that take their
// time have that bound lifted by unhurried, and bound each step instead.

const (
	// stepTime bounds one read or write of a long exchange, and the whole of a
	// short body.
	stepTime = 30 * time.Second
	// longestBody bounds the whole of a long body's way to us.
	maxBodyTime = 15 * time.Minute
)

// exchange is what sets the deadlines of a request's connection.
type exchange struct {
	*http.ResponseController
	step time.Duration
}

type exchangeKey struct{}

// paced keeps the exchange at hand, and ends the deadline of reading with the
// body: one that passed later would end the request's context.
func (s *server) withDeadlines(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := exchange{http.NewResponseController(w), s.step}
		if r.Body == nil || r.Body == http.NoBody {
			_ = e.SetReadDeadline(time.Time{}) // some writers of tests have none
		} else {
			r.Body = &timedBody{r.Body, e}
			_ = e.SetWriteDeadline(time.Now().Add(2 * s.step)) // a slow body leaves the answer its time
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), exchangeKey{}, e)))
	})
}

type timedBody struct {
	io.ReadCloser
	exchange exchange
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		_ = b.exchange.SetReadDeadline(time.Time{})
	}
	return n, err
}

// unhurried lets an answer come as late as it may. What then writes much must
// do it through a steady.
func liftWriteDeadline(ctx context.Context) {
	if e, ok := ctx.Value(exchangeKey{}).(exchange); ok {
		_ = e.SetWriteDeadline(time.Time{})
	}
}

// hurried bounds what is left of an answer that was unhurried.
func setWriteDeadline(ctx context.Context) {
	if e, ok := ctx.Value(exchangeKey{}).(exchange); ok {
		_ = e.SetWriteDeadline(time.Now().Add(e.step))
	}
}

// steady gives each write of a long answer its own time, so that whoever does
// not read ends it, and whoever reads slowly does not.
type deadlineWriter struct {
	io.Writer
	exchange exchange
}

func newDeadlineWriter(ctx context.Context, w io.Writer) io.Writer {
	if e, ok := ctx.Value(exchangeKey{}).(exchange); ok {
		return deadlineWriter{w, e}
	}
	return w
}

func (s deadlineWriter) Write(p []byte) (int, error) {
	_ = s.exchange.SetWriteDeadline(time.Now().Add(s.exchange.step))
	return s.Writer.Write(p)
}

// patient gives each read of a long body its own time.
type deadlineReader struct {
	io.Reader
	exchange exchange
	end      time.Time
}

// newPatient is a long body with time for each step and for the whole.
func newDeadlineReader(ctx context.Context, body io.Reader) io.Reader {
	if e, ok := ctx.Value(exchangeKey{}).(exchange); ok {
		return deadlineReader{body, e, time.Now().Add(maxBodyTime)}
	}
	return body
}

func (p deadlineReader) Read(b []byte) (int, error) {
	next := time.Now().Add(p.exchange.step)
	if next.After(p.end) {
		next = p.end
	}
	_ = p.exchange.SetReadDeadline(next)
	return p.Reader.Read(b)
}
