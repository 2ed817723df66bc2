// Package pages contains the demo pages of the sandbox. They look and fail like
// real sites, so that a demo needs no internet connection.
//
// Each site has its own host below shotline.test, a name that RFC 6761 keeps out
// of the public DNS. Handler serves all sites and selects one by the request's
// Host. Fail returns the network errors of the hosts whose connection fails. The
// table hosts lists all of them.
//
// The pages are static files under site/, one per host, and share style.css. They
// use no scripts, and no fonts or images from other hosts. They follow the
// reader's color scheme and are readable on a phone.
package pages

import (
	"bytes"
	"embed"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"shotline/client/pageurl"
)

// Domain is the parent domain of all demo hosts.
const Domain = "shotline.test"

// SlowDelay is how long slow.shotline.test takes to respond.
const SlowDelay = 2 * time.Second

//go:embed site
var site embed.FS

// host is one demo site.
type host struct {
	name     string
	page     string // file under site/; empty if the host never sends a page
	status   int    // 0 means 200
	behavior behavior
}

// behavior is how a host responds to requests.
type behavior int

const (
	respond behavior = iota
	respondLate
	neverRespond
	refuse
)

var hosts = []host{
	{name: "shop.shotline.test", page: "shop.html"},         // shop with product cards
	{name: "journal.shotline.test", page: "journal.html"},   // long article, several screens high
	{name: "metrics.shotline.test", page: "metrics.html"},   // dashboard with charts
	{name: "thalassa.shotline.test", page: "thalassa.html"}, // ferry timetable in Greek
	{name: "gallery.shotline.test", page: "gallery.html"},   // posters drawn only with CSS
	{name: "slow.shotline.test", page: "slow.html", behavior: respondLate},
	{name: "missing.shotline.test", page: "missing.html", status: http.StatusNotFound},
	{name: "never.shotline.test", behavior: neverRespond},
	{name: "broken.shotline.test", behavior: refuse},
}

func find(name string) (host, bool) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	for _, h := range hosts {
		if h.name == name {
			return h, true
		}
	}
	return host{}, false
}

// Fail returns the network error for a URL. It returns an error that wraps
// syscall.ECONNREFUSED for broken.shotline.test, and a *net.DNSError for a name
// below Domain that is not a demo host. For all other URLs, including those
// outside Domain, it returns nil.
func Fail(rawURL string) error {
	u, err := pageurl.Parse(rawURL)
	if err != nil {
		return nil
	}
	name := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if name != Domain && !strings.HasSuffix(name, "."+Domain) {
		return nil
	}
	switch h, ok := find(name); {
	case !ok:
		return &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	case h.behavior == refuse:
		return fmt.Errorf("connect to %s: %w", name, syscall.ECONNREFUSED)
	default:
		return nil
	}
}

// Handler serves the demo sites. An unknown host or path gets a 404 page. For a
// host whose connection fails, the handler panics with http.ErrAbortHandler,
// which closes the connection without a response.
func Handler() http.Handler { return handler{slow: SlowDelay} }

type handler struct{ slow time.Duration }

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.Host
	if hostname, _, err := net.SplitHostPort(r.Host); err == nil {
		name = hostname
	}
	found, known := find(name)
	switch {
	case found.behavior == refuse:
		panic(http.ErrAbortHandler)
	case found.behavior == neverRespond:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
	case r.URL.Path == "/style.css":
		send(w, r, "style.css", http.StatusOK)
	case !known || r.URL.Path != "/" || found.status == http.StatusNotFound:
		send(w, r, "missing.html", http.StatusNotFound)
	default:
		if found.behavior == respondLate && !wait(r, h.slow) {
			panic(http.ErrAbortHandler)
		}
		send(w, r, found.page, http.StatusOK)
	}
}

// wait waits for d. It returns false if the client disconnected before.
func wait(r *http.Request, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

func send(w http.ResponseWriter, r *http.Request, file string, status int) {
	body, err := site.ReadFile("site/" + file)
	if err != nil {
		panic(fmt.Errorf("demo page %s: %w", file, err)) // the file is not embedded; a test would find this
	}
	kind := "text/html; charset=utf-8"
	if strings.HasSuffix(file, ".css") {
		kind = "text/css; charset=utf-8"
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	_, _ = bytes.NewReader(body).WriteTo(w) // an error means that the client disconnected
}
