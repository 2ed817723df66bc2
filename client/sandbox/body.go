package sandbox

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// timeBody gives a request's body, if it has one, its time to arrive, read or
// not: otherwise whoever sends half a body, even without a key, would hold a
// connection for ever.
func (s *Server) timeBody(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength == 0 {
		return
	}
	control := http.NewResponseController(w)
	if control.SetReadDeadline(time.Now().Add(s.cfg.BodyTimeout)) != nil {
		return // no connection, as in a test
	}
	r.Body = timedBody{r.Body, control}
}

// timedBody lifts the deadline at the body's end: the answer may take longer.
type timedBody struct {
	io.ReadCloser
	control *http.ResponseController
}

func (b timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}
