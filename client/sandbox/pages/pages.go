// Package pages holds the sandbox's demo pages: a small set of sites that look
// and misbehave like real ones, so that a demo needs no internet.
//
// Each site has a host of its own below shotline.test (a name that RFC 6761
// keeps out of the public DNS). Handler answers for all of them by the
// request's Host; Fail names the hosts that answer nothing because their
// connection fails. The table hosts lists them all.
//
// The pages are static files under site/, one for each host, with style.css
// shared by all. They use no script, no font and no picture from elsewhere,
// follow the reader's colour scheme and read well on a phone.
package pages

import (
	"bytes"
	"embed"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// Domain is the parent of every demo host.
const Domain = "shotline.test"

// SlowDelay is how long slow.shotline.test takes to answer.
const SlowDelay = 2 * time.Second

//go:embed site
var site embed.FS

// host is one demo site.
type host struct {
	name    string
	page    string // file under site/; empty when the host never gets that far
	status  int    // 0: 200
	conduct conduct
}

// conduct is how a host treats its visitors.
type conduct int

const (
	answers conduct = iota
	answersLate
	keepsSilent
	refuses
)

var hosts = []host{
	{name: "shop.shotline.test", page: "shop.html"},         // a shop window with product cards
	{name: "journal.shotline.test", page: "journal.html"},   // a long article, several screens tall
	{name: "metrics.shotline.test", page: "metrics.html"},   // a dashboard with charts
	{name: "thalassa.shotline.test", page: "thalassa.html"}, // a ferry timetable in Greek
	{name: "gallery.shotline.test", page: "gallery.html"},   // posters drawn with nothing but CSS
	{name: "slow.shotline.test", page: "slow.html", conduct: answersLate},
	{name: "missing.shotline.test", page: "missing.html", status: http.StatusNotFound},
	{name: "never.shotline.test", conduct: keepsSilent},
	{name: "broken.shotline.test", conduct: refuses},
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

// Fail reports how the network fails for an address: connection refused
// (wrapping syscall.ECONNREFUSED) for broken.shotline.test, a *net.DNSError for
// a name below Domain that is no demo host, nil for everything else, addresses
// outside Domain included.
func Fail(rawURL string) error {
	u, err := url.Parse(rawURL)
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
	case h.conduct == refuses:
		return fmt.Errorf("connect to %s: %w", name, syscall.ECONNREFUSED)
	default:
		return nil
	}
}

// Handler serves the demo sites by the request's Host. It answers an unknown
// host or path with a 404 page; where Fail names a failure, it drops the
// connection without an answer (panics with http.ErrAbortHandler).
func Handler() http.Handler { return handler{slow: SlowDelay} }

type handler struct{ slow time.Duration }

func (h handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.Host
	if bare, _, err := net.SplitHostPort(r.Host); err == nil {
		name = bare
	}
	asked, known := find(name)
	switch {
	case asked.conduct == refuses:
		panic(http.ErrAbortHandler)
	case asked.conduct == keepsSilent:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
	case r.URL.Path == "/style.css":
		send(w, r, "style.css", http.StatusOK)
	case !known || r.URL.Path != "/" || asked.status == http.StatusNotFound:
		send(w, r, "missing.html", http.StatusNotFound)
	default:
		if asked.conduct == answersLate && !wait(r, h.slow) {
			panic(http.ErrAbortHandler)
		}
		send(w, r, asked.page, http.StatusOK)
	}
}

// wait reports whether the visitor was still there after d.
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
		panic(fmt.Errorf("demo page %s: %w", file, err)) // a file that is not embedded: a test sees it
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
	_, _ = bytes.NewReader(body).WriteTo(w) // the visitor may leave at any time
}
