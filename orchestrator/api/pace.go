package api

import (
	"context"
	"io"
	"net/http"
	"time"
)

// The web server bounds the time of a request as a whole. Routes that wait for
// others have that bound lifted by unhurried.

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

// unhurried lets a short answer come as late as it may.
func unhurried(ctx context.Context) {
	if control, ok := ctx.Value(exchangeKey{}).(*http.ResponseController); ok {
		_ = control.SetWriteDeadline(time.Time{})
	}
}
