package sandbox

import (
	"net/http"
	"net/url"
	"strings"
)

var (
	errHost = &apiError{status: http.StatusForbidden, code: "FOREIGN_HOST",
		text: "The Host header is neither a loopback address nor the host of the base URL"}
	errOrigin = &apiError{status: http.StatusForbidden, code: "FOREIGN_ORIGIN",
		text: "The sandbox refuses requests from web pages of other origins"}
)

// guard refuses requests that a web page could make a browser send, including a
// page that the sandbox itself renders. There are two attacks. A create is a GET,
// so an <img> element could pay for one. And the owner of a host name can point
// it at 127.0.0.1 and let a page read the responses (DNS rebinding). Programs
// send neither Origin nor Sec-Fetch-Site, and for an address that a person types
// the browser sends the value none: both pass.
//
// Browsers send the origin of a page only over connections that they trust, which
// are loopback and https. A sandbox that listens on another address over plain
// http is protected from web pages only by its key.
func (s *Server) guard(next http.Handler) http.Handler {
	var origins http.CrossOriginProtection
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.recordListenerPort(r)
		s.setBodyDeadline(w, r)
		// CrossOriginProtection allows every GET, but here a GET can change state, so
		// check it as a POST.
		unsafe := &http.Request{Method: http.MethodPost, Host: r.Host, Header: r.Header, URL: r.URL}
		host := url.URL{Host: r.Host}
		var refusal *apiError
		switch {
		case !s.base.Load().address.matches(host.Hostname()):
			refusal = errHost
		case strings.HasPrefix(r.URL.Path, "/images/"):
			// Reports embed images. The token in the URL is the permission.
		case origins.Check(unsafe) != nil, r.Header.Get("Sec-Purpose") != "":
			// A page can request a prefetch, which has Sec-Fetch-Site: none.
			refusal = errOrigin
		}
		if refusal != nil {
			s.store.countError(refusal.code)
			s.writeError(w, refusal)
			return
		}
		next.ServeHTTP(w, r)
	})
}
