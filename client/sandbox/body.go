package sandbox

import (
	"net/http"
	"time"
)

// setBodyDeadline limits the time in which the body of a request must arrive.
// Without the limit, a client that sends only half a body, even one without a
// key, could hold a connection forever. At the end of the body net/http removes
// the deadline, so the response may take longer.
func (s *Server) setBodyDeadline(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength != 0 {
		// This fails if there is no connection, as in some tests.
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.cfg.BodyTimeout))
	}
}
