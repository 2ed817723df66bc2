package api

import (
	"context"
	"math"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/time/rate"
)

// Access configures who may use the API.
type Access struct {
	// Tokens are the accepted tokens. If there are none, every client that reaches
	// the address may do everything, which is acceptable only on a loopback
	// address.
	Tokens []Token
	// Hosts are further host names that the API answers to. In addition it answers
	// to localhost and loopback addresses if it listens on loopback, and otherwise
	// to the address at which the connection arrived.
	Hosts    []string
	Loopback bool    // the API listens on a loopback address
	Rate     float64 // requests per second and token; 0: no limit
}

// localCaller is the name of the caller if no token is required.
const localCaller = "local"

// openPaths need no token. Their responses contain only text of the program
// itself.
var openPaths = []string{"/", "/healthz", "/docs", "/openapi.json"}

type callerKey struct{}

// callerOf returns the name of the caller.
func callerOf(ctx context.Context) string {
	caller, _ := ctx.Value(callerKey{}).(Token)
	return caller.Name
}

// readOnly reports whether the caller's token is read-only.
func readOnly(ctx context.Context) bool {
	caller, known := ctx.Value(callerKey{}).(Token)
	return known && !caller.Write
}

// checkHost refuses requests for foreign host names. Otherwise a web page whose
// host name was made to resolve to this address could use the API. It also sets
// the headers that all responses have.
func (s *server) checkHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Cache-Control", "no-store")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; sandbox")
		if !s.Access.answersTo(r) {
			writeProblem(w, http.StatusMisdirectedRequest, "the API does not answer to this host name: use one that --api-host names, or on this machine localhost or a loopback address")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (a Access) answersTo(r *http.Request) bool {
	name := hostName(r.Host)
	if slices.ContainsFunc(a.Hosts, func(known string) bool { return strings.EqualFold(known, name) }) {
		return true
	}
	if a.Loopback {
		return isLocal(name)
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	if !ok {
		return false
	}
	return local.IP.IsLoopback() && isLocal(name) || local.IP.Equal(net.ParseIP(name))
}

// hostName returns the name in a Host header, without the port.
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"), ".")
}

// isLocal reports whether a name is localhost or a loopback address. An empty
// name is local, too, because browsers always send a name.
func isLocal(name string) bool {
	return name == "" || strings.EqualFold(name, "localhost") || net.ParseIP(name).IsLoopback()
}

// authorize checks the token of a request, its rate and whether it may write.
func (s *server) authorize(next http.Handler) http.Handler {
	limits := s.Access.limiters()
	crossSite := http.NewCrossOriginProtection()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if slices.Contains(openPaths, r.URL.Path) {
			next.ServeHTTP(w, r)
			return
		}
		caller := Token{Name: localCaller, Write: true}
		if len(s.Access.Tokens) > 0 {
			var detail string
			if caller, detail = s.Access.identify(r); detail != "" {
				w.Header().Set("WWW-Authenticate", `Bearer realm="shotline"`)
				writeProblem(w, http.StatusUnauthorized, detail)
				return
			}
		}
		if limit := limits[caller.Name]; limit != nil && !limit.Allow() {
			w.Header().Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(1/float64(limit.Limit()))))))
			writeProblem(w, http.StatusTooManyRequests, "this token sends more requests than --api-rate allows")
			return
		}
		safe := r.Method == http.MethodGet || r.Method == http.MethodHead
		if !safe && !caller.Write {
			writeProblem(w, http.StatusForbidden, "this token is read-only")
			return
		}
		if crossSite.Check(r) != nil {
			writeProblem(w, http.StatusForbidden, "requests from web pages of other sites are refused")
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, caller)))
	})
}

// identify returns the token of a request, or the reason why it has none that is
// valid.
func (a Access) identify(r *http.Request) (t Token, wrong string) {
	given := r.Header.Values("Authorization")
	if len(given) == 0 {
		return Token{}, "a bearer token is required: Authorization: Bearer …"
	}
	scheme, secret, _ := strings.Cut(given[0], " ")
	if len(given) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return Token{}, "want one header Authorization: Bearer …"
	}
	t, ok := findToken(a.Tokens, strings.TrimSpace(secret))
	if !ok {
		return Token{}, "unknown token"
	}
	return t, ""
}

// limiters returns a limiter for each token. The burst is the number of requests
// of one second.
func (a Access) limiters() map[string]*rate.Limiter {
	if a.Rate <= 0 {
		return nil
	}
	limits := map[string]*rate.Limiter{localCaller: nil}
	for _, t := range a.Tokens {
		limits[t.Name] = nil
	}
	for name := range limits {
		limits[name] = rate.NewLimiter(rate.Limit(a.Rate), max(1, int(math.Ceil(a.Rate))))
	}
	return limits
}
