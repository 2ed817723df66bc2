// Package pages holds the sandbox's demo pages: a small set of sites that look
// and misbehave like real ones, so that a demo needs no internet.
//
// Each site has a host of its own below shotline.test (a name that RFC 6761
// keeps out of the public DNS). Handler answers for all of them by the
// request's Host; Fail names the hosts that answer nothing because their
// connection fails. Hosts lists everything with a line of description.
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

// Host is one demo site.
type Host struct {
	Name  string // such as shop.shotline.test
	About string // one line for people

	page    string // file under site/; empty when the host never gets that far
	status  int
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

var hosts = []Host{
	{Name: "shop.shotline.test", About: "a shop window with product cards", page: "shop.html"},
	{Name: "journal.shotline.test", About: "a long article, several screens tall", page: "journal.html"},
	{Name: "metrics.shotline.test", About: "a dashboard with charts", page: "metrics.html"},
	{Name: "thalassa.shotline.test", About: "a ferry timetable in Greek", page: "thalassa.html"},
	{Name: "gallery.shotline.test", About: "posters drawn with nothing but CSS", page: "gallery.html"},
	{Name: "slow.shotline.test", About: "answers after two seconds", page: "slow.html", conduct: answersLate},
	{Name: "missing.shotline.test", About: "a page that is not there (404)", page: "missing.html", status: http.StatusNotFound},
	{Name: "never.shotline.test", About: "accepts the request and never answers", conduct: keepsSilent},
	{Name: "broken.shotline.test", About: "refuses every connection", conduct: refuses},
}

// Hosts lists the demo sites, the presentable ones first. The slice is the
// caller's own.
func Hosts() []Host { return append([]Host(nil), hosts...) }

func find(name string) (Host, bool) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	for _, h := range hosts {
		if h.Name == name {
			return h, true
		}
	}
	return Host{}, false
}

// Fail reports how the network fails for an address: connection refused
// (wrapping syscall.ECONNREFUSED) for broken.shotline.test, a *net.DNSError for
// a name below Domain that is not in Hosts, nil for everything else, addresses
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
	host, known := find(name)
	switch {
	case host.conduct == refuses:
		panic(http.ErrAbortHandler)
	case host.conduct == keepsSilent:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "only GET and HEAD", http.StatusMethodNotAllowed)
	case r.URL.Path == "/style.css":
		send(w, r, "style.css", http.StatusOK)
	case !known || r.URL.Path != "/" || host.status == http.StatusNotFound:
		send(w, r, "missing.html", http.StatusNotFound)
	default:
		if host.conduct == answersLate && !wait(r, h.slow) {
			panic(http.ErrAbortHandler)
		}
		send(w, r, host.page, http.StatusOK)
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
