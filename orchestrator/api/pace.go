package api

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"
)

// The web server limits the time of a whole request. Routes that take longer lift
// this limit with liftWriteDeadline and limit each step instead.

const (
	// stepTime limits one read or write of a long exchange, and the whole of a
	// short body.
	stepTime = 30 * time.Second
	// maxBodyTime limits how long a large body may take to arrive.
	maxBodyTime = 15 * time.Minute
)

// exchange sets the deadlines of a request's connection.
type exchange struct {
	*http.ResponseController
	step time.Duration
}

type exchangeKey struct{}

// withDeadlines stores the exchange in the context. It also removes the read
// deadline when the body ends, because a deadline that passes later would cancel
// the request's context.
func (s *server) withDeadlines(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e := exchange{http.NewResponseController(w), s.step}
		if r.Body == nil || r.Body == http.NoBody {
			_ = e.SetReadDeadline(time.Time{}) // some test writers have no deadlines
		} else {
			r.Body = &timedBody{r.Body, e}
			_ = e.SetWriteDeadline(time.Now().Add(2 * s.step)) // if the body is slow, there must be time left for the response
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

// liftWriteDeadline removes the write deadline of a response. A handler that then
// writes much must write through a deadlineWriter.
func liftWriteDeadline(ctx context.Context) {
	if e, ok := ctx.Value(exchangeKey{}).(exchange); ok {
		_ = e.SetWriteDeadline(time.Time{})
	}
}

// setWriteDeadline sets a write deadline for the rest of a response after
// liftWriteDeadline.
func setWriteDeadline(ctx context.Context) {
	if e, ok := ctx.Value(exchangeKey{}).(exchange); ok {
		_ = e.SetWriteDeadline(time.Now().Add(e.step))
	}
}

// deadlineWriter sets a deadline for each write of a long response. A client that
// does not read is disconnected; one that reads slowly is not.
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

// deadlineReader sets a deadline for each read of a large body.
type deadlineReader struct {
	io.Reader
	exchange exchange
	end      time.Time
}

// newDeadlineReader returns a reader of a large body with a time limit for each
// step and for the whole.
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
