package sandbox

import (
	"net/http"
	"net/url"
	"strings"
)

var (
	errHost = &apiError{status: http.StatusForbidden, code: "FOREIGN_HOST",
		text: "The Host header names neither this machine's loopback nor the sandbox's own address"}
	errOrigin = &apiError{status: http.StatusForbidden, code: "FOREIGN_ORIGIN",
		text: "The sandbox takes no requests from web pages of other origins"}
)

// guard refuses what a web page in somebody's browser, the sandbox's own
// included, could make that browser send here: a create is a GET, so that an
// <img> would pay for one, and a host name that its owner points at 127.0.0.1
// would let his page read the answers (DNS rebinding). Programs send neither
// Origin nor Sec-Fetch-Site, an address that a person types has the value
// none: both pass.
//
// Browsers name a page's origin only where they trust the connection, that is
// on loopback and over https. A sandbox that listens elsewhere over plain http
// has only its key against them.
func (s *Server) guard(next http.Handler) http.Handler {
	var origins http.CrossOriginProtection
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.noteListener(r)
		s.timeBody(w, r)
		// CrossOriginProtection lets every GET pass; here a GET changes things.
		unsafe := &http.Request{Method: http.MethodPost, Host: r.Host, Header: r.Header, URL: r.URL}
		host := url.URL{Host: r.Host}
		var refusal *apiError
		switch {
		case !s.base.Load().address.names(host.Hostname()):
			refusal = errHost
		case strings.HasPrefix(r.URL.Path, "/images/"):
			// Reports show these; the token in the address is the permission.
		case origins.Check(unsafe) != nil, r.Header.Get("Sec-Purpose") != "":
			// A prefetch, which a page asks for, says that it has no site.
			refusal = errOrigin
		}
		if refusal != nil {
			s.books.countError(refusal.code)
			s.writeError(w, refusal)
			return
		}
		next.ServeHTTP(w, r)
	})
}
