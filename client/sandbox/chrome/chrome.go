// Package chrome renders pages with a real headless Chromium.
//
// A Renderer owns one browser process. Every Render has a tab to itself, in a
// browser context of its own. Afterwards the tab is closed, unless the page can
// have left nothing in it (traces.go): pages share no cookies, cache or storage.
// How many renders run at once is bounded (Config.Tabs); further ones wait.
//
//	path, ok := chrome.Find()
//	if !ok {
//		// no browser on this machine: draw placeholders instead
//	}
//	r, err := chrome.New(chrome.Config{Path: path, Pages: pages.Handler(), Fail: pages.Fail})
//	if err != nil { … }
//	defer r.Close()
//	rendering, err := r.Render(ctx, sandbox.RenderRequest{URL: "https://shop.shotline.test/"})
//
// Where things are: browser.go starts and ends the process, tab.go opens a tab,
// pool.go hands tabs out, page.go leads one render through its tab: emulate.go
// and agent.go make the browser another device, visit.go asks for the page,
// moves.go, settle.go and steps.go with element.go do what was asked for in it,
// capture.go, document.go and pdf.go bring home what it looks like, all of them
// with questions to the page that script.go asks out of its reach. intercept.go
// stops or answers requests inside the browser, those for the demo hosts by way
// of demo.go; reason.go turns the browser's error codes into sentences, find.go
// looks for a browser on this machine, environment.go says what of our
// environment it may see.
//
// # What a page can reach
//
// Public addresses, and the private networks that Config.AllowPrivate names, so
// that a service under development can be photographed. The browser has one way
// out, the proxy of package egress, which looks up names and dials by itself and
// checks each address that it dials; local files and WebRTC's datagrams have
// none. The sandbox that asks (sandbox.RenderRequest.Own) is shut for it, and
// from then on for every page, though its network is allowed. As root Chromium
// refuses to start with its process sandbox, so it runs without; New logs a
// warning then.
//
// A page that crashes takes down its own tab and fails its own render. When
// the browser process dies, the renders in flight fail and the next one starts
// a new process. So does a page that takes more memory than Config.PageMemory
// (memory.go).
package chrome

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"sync"
	"time"

	"shotline/client/sandbox"
)

// Defaults of a Config.
const (
	DefaultPageTimeout = 20 * time.Second
	DefaultPagesDomain = "shotline.test"
)

// maxTabs bounds the default pool: a tab costs about 100 MB while it renders.
const maxTabs = 8

// Config says which browser to run and how. Only the zero Path is completed
// by a search; every other zero field has the default named beside it.
type Config struct {
	Path        string        // the browser's program; empty: Find
	Flags       []string      // handed to the browser, each "--flag" or "--flag=value"
	Tabs        int           // renders at once; 0: two for each CPU, at most 8
	PageTimeout time.Duration // for one page, from opening to picture, beside the pauses asked for; 0: DefaultPageTimeout
	Logger      *slog.Logger  // nil: silent

	// PageMemory is how many bytes each process of a page may take; 0:
	// DefaultPageMemory. A page that takes more is ended. All of the browser may
	// take one page more than there are Tabs. Only Linux lets us see it; elsewhere
	// it bounds the heap of scripts alone.
	PageMemory int64

	// AllowPrivate are the private networks whose addresses pages may be opened
	// at and may load from; none when empty. Demo hosts need no permission.
	AllowPrivate []netip.Prefix

	// Pages answers the requests for PagesDomain and the hosts below it, over
	// http and https, in place of the network. It may be called from several
	// goroutines; the request's context ends when the tab closes. A handler
	// that panics with http.ErrAbortHandler closes the connection. Nil: those
	// hosts are not special.
	Pages       http.Handler
	PagesDomain string // empty: DefaultPagesDomain

	// Fail is asked before Pages and may name a network failure instead:
	// syscall.ECONNREFUSED, syscall.ECONNRESET or a *net.DNSError (wrapped or
	// not) reach the page as what they are, anything else as a plain failure.
	Fail func(url string) error
}

// Renderer is a sandbox.Renderer over one headless browser.
type Renderer struct {
	cfg       Config
	slots     chan struct{} // one token for each render under way
	pool      pool
	returning sync.WaitGroup // tabs on their way back to the pool
	rest      *time.Timer    // closes tabs that nobody has used for a while

	mu      sync.Mutex
	current *browser // nil before the first start and after Close
	closed  bool
}

var _ sandbox.Renderer = (*Renderer)(nil)

var errClosed = errors.New("the browser is closed")

// New starts the browser and waits until it answers, so that a browser that
// cannot run here is known at once. The caller must Close the Renderer.
func New(cfg Config) (*Renderer, error) {
	if cfg.Path == "" {
		path, ok := Find()
		if !ok {
			return nil, errors.New("find browser: no Chromium or Chrome on PATH or in the usual places; CHROME_PATH can name one")
		}
		cfg.Path = path
	}
	if cfg.Tabs <= 0 {
		cfg.Tabs = min(2*runtime.NumCPU(), maxTabs)
	}
	if cfg.PageTimeout <= 0 {
		cfg.PageTimeout = DefaultPageTimeout
	}
	if cfg.PageMemory <= 0 {
		cfg.PageMemory = DefaultPageMemory
	}
	if cfg.PagesDomain == "" {
		cfg.PagesDomain = DefaultPagesDomain
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	r := newRenderer(cfg)
	if _, err := r.browser(); err != nil {
		r.rest.Stop()
		return nil, err
	}
	if os.Getuid() == 0 {
		cfg.Logger.Warn("running as root, so the browser runs without its process sandbox (--no-sandbox)")
	}
	return r, nil
}

func newRenderer(cfg Config) *Renderer {
	r := &Renderer{cfg: cfg, slots: make(chan struct{}, cfg.Tabs), pool: newPool(cfg.Tabs)}
	r.rest = time.AfterFunc(idleTime, r.closeIdle)
	return r
}

// Name is "chrome".
func (r *Renderer) Name() string { return "chrome" }

// Render opens req.URL in a clean tab and takes its picture. When both Width and
// Height are given the page fills them, cut from the top and the middle rather
// than distorted. A full page is at most raster.MaxSide px tall.
//
// An error page of the server (404, 500 …) is a page like any other; an error
// means that there was no page at all, and says why.
func (r *Renderer) Render(ctx context.Context, req sandbox.RenderRequest) (sandbox.Rendering, error) {
	req, err := complete(req)
	if err != nil {
		return sandbox.Rendering{}, err
	}
	select {
	case r.slots <- struct{}{}:
	case <-ctx.Done():
		return sandbox.Rendering{}, fmt.Errorf("wait for a free tab: %w", ctx.Err())
	}
	defer func() { <-r.slots }()

	t, err := r.takeTab(ctx, req)
	if err != nil {
		return sandbox.Rendering{}, err
	}
	// Workers, prefetches and certificates fetch past the page's own requests, but
	// all go by way of the proxy.
	t.browser.way.Block(req.Own.Host, req.Own.Ports()...)
	rendering, err := t.render(ctx, req)
	r.putTab(t, req, err)
	return rendering, err
}

// browser returns the running browser and starts one when there is none.
func (r *Renderer) browser() (*browser, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errClosed
	}
	if r.current != nil {
		if !r.current.dead() {
			return r.current, nil
		}
		r.cfg.Logger.Warn("browser died, starting another", "pid", r.current.pid)
		r.current.stop()
		r.current = nil
	}
	b, err := startBrowser(&r.cfg)
	if err != nil {
		return nil, fmt.Errorf("start browser %s: %w", r.cfg.Path, err)
	}
	r.cfg.Logger.Debug("browser started", "pid", b.pid, "version", b.version, "tabs", r.cfg.Tabs)
	r.current = b
	return b, nil
}

// Close kills the browser with its children, waits for them, and removes its
// temporary profile. A render that still runs fails. Closing twice is fine.
func (r *Renderer) Close() error {
	r.mu.Lock()
	closing := !r.closed
	r.closed = true
	if r.current != nil {
		r.current.stop()
		r.current = nil
	}
	r.mu.Unlock()
	if closing {
		for range cap(r.slots) { // every render has left when all slots are ours
			r.slots <- struct{}{}
		}
		for range cap(r.slots) {
			<-r.slots
		}
		r.rest.Stop()
		r.closeTabs()
	}
	return nil
}
