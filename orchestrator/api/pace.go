package api

import (
	"context"
	"io"
	"net/http"
	"time"
)

// The web server bounds the time of a request as a whole. Routes that take their
// time have that bound lifted by unhurried, and must bound each step instead.

// stepTime bounds one read or write of a long exchange.
const stepTime = 30 * time.Second

type exchangeKey struct{}

// paced keeps at hand what sets the deadlines of a connection, and ends that of
// reading with the body: one that passed later would end the request's context.
func (s *server) paced(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		if r.Body == nil || r.Body == http.NoBody {
			_ = control.SetReadDeadline(time.Time{}) // some writers of tests have none
		} else {
			r.Body = &readOnce{r.Body, control}
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), exchangeKey{}, control)))
	})
}

type readOnce struct {
	io.ReadCloser
	control *http.ResponseController
}

func (b *readOnce) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// unhurried lets an answer come as late as it may. What then writes much must
// do it through a steady.
func unhurried(ctx context.Context) {
	if control, ok := ctx.Value(exchangeKey{}).(*http.ResponseController); ok {
		_ = control.SetWriteDeadline(time.Time{})
	}
}

// steady gives each write of a long answer its own time, so that whoever does
// not read ends it, and whoever reads slowly does not.
type steady struct {
	io.Writer
	control *http.ResponseController
}

func newSteady(ctx context.Context, w io.Writer) io.Writer {
	control, ok := ctx.Value(exchangeKey{}).(*http.ResponseController)
	if !ok {
		return w
	}
	return steady{w, control}
}

func (s steady) Write(p []byte) (int, error) {
	_ = s.control.SetWriteDeadline(time.Now().Add(stepTime))
	return s.Writer.Write(p)
}

// patient gives each read of a long body its own time.
type patient struct {
	io.Reader
	control *http.ResponseController
}

func newPatient(ctx context.Context, r io.Reader) io.Reader {
	control, ok := ctx.Value(exchangeKey{}).(*http.ResponseController)
	if !ok {
		return r
	}
	return patient{r, control}
}

func (p patient) Read(b []byte) (int, error) {
	_ = p.control.SetReadDeadline(time.Now().Add(stepTime))
	return p.Reader.Read(b)
}
