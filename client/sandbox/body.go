package sandbox

import (
	"net/http"
	"time"
)

// timeBody gives a request's body, if it has one, its time to arrive, read or
// not: otherwise whoever sends half a body, even without a key, would hold a
// connection for ever. At the body's end net/http lifts the deadline by itself,
// so that the answer may take longer.
func (s *Server) timeBody(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		// It fails where there is no connection, as in a test.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.cfg.BodyTimeout))
	}
}
