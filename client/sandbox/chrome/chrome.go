// Package chrome renders pages with a real headless Chromium.
//
// A Renderer owns one browser process. Every Render has its own tab in its own
// browser context. Afterwards the tab is closed, unless the page cannot have left
// any state in it (traces.go), so pages share no cookies, cache or storage. The
// number of concurrent renders is limited (Config.Tabs); further ones wait.
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
// # Files
//
// browser.go starts and stops the process, tab.go opens a tab, and pool.go
// manages the tabs. page.go runs one render in its tab: emulate.go and agent.go
// emulate the device, visit.go requests the page, and navigation.go, prepare.go,
// steps.go and element.go perform the requested actions in it. capture.go,
// document.go and pdf.go produce the outputs. They run their scripts with
// script.go, out of the page's reach. intercept.go blocks or answers requests
// inside the browser, with demo.go for the demo hosts. reason.go translates the
// browser's error codes, find.go finds a browser on this machine, and
// environment.go selects the environment variables for it.
//
// # Network access of pages
//
// Pages can reach public addresses and the private networks in
// Config.AllowPrivate, so that a service under development can be captured. All
// connections of the browser go through the proxy of package egress, which
// resolves names, checks each address and connects by itself. Pages have no
// access to local files, and WebRTC cannot send datagrams. The sandbox that
// requests a render (sandbox.RenderRequest.Own) is blocked from then on, for all
// pages and even if its network is allowed. As root, Chromium refuses to start
// with its process sandbox, so it runs without one, and New logs a warning.
//
// # Failures
//
// If a page crashes, only its own tab and render fail. If the browser process
// dies, the current renders fail and the next render starts a new process. A page
// that uses more memory than Config.PageMemory is killed (memory.go).
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

// maxTabs limits the default number of tabs. A tab takes about 100 MB while it
// renders.
const maxTabs = 8

// Config configures the browser. If Path is empty, New searches for a browser;
// the other zero values mean the defaults below.
type Config struct {
	Path        string        // executable of the browser; empty means Find
	Flags       []string      // additional flags of the browser, each "--flag" or "--flag=value"
	Tabs        int           // number of concurrent renders; 0 means two per CPU, at most 8
	PageTimeout time.Duration // limit for one page, from opening it to its outputs, not counting requested pauses; 0 means DefaultPageTimeout
	Logger      *slog.Logger  // nil discards messages

	// PageMemory limits the memory of each process of a page, in bytes; 0 means
	// DefaultPageMemory. A page that exceeds it is killed. The whole browser may
	// use the memory of Tabs+1 pages. On systems other than Linux memory cannot be
	// measured, and the value only limits the heap of scripts.
	PageMemory int64

	// AllowPrivate are the private networks that pages may use, for the page itself
	// and for its resources. If it is empty, there are none. Demo hosts are always
	// allowed.
	AllowPrivate []netip.Prefix

	// Pages responds to requests for PagesDomain and its subdomains, over http and
	// https, instead of the network. It must be safe for concurrent use. The
	// request's context ends when the tab closes. A handler that panics with
	// http.ErrAbortHandler closes the connection. If Pages is nil, those hosts are
	// not special.
	Pages       http.Handler
	PagesDomain string // empty means DefaultPagesDomain

	// Fail is called before Pages and can return a network error instead.
	// syscall.ECONNREFUSED, syscall.ECONNRESET and a *net.DNSError (wrapped or not)
	// are passed on as such; the page sees all other errors as a general failure.
	Fail func(url string) error
}

// Renderer is a sandbox.Renderer that uses one headless browser.
type Renderer struct {
	cfg       Config
	slots     chan struct{} // holds one token per running render
	pool      pool
	returning sync.WaitGroup // goroutines that return tabs to the pool
	idleTimer *time.Timer    // closes tabs that were idle for a while

	mu      sync.Mutex
	current *browser // nil before the first start and after Close
	closed  bool
}

var _ sandbox.Renderer = (*Renderer)(nil)

var errClosed = errors.New("the browser is closed")

// New starts the browser and waits until it responds, so that the caller learns
// immediately if it cannot run here. The caller must Close the Renderer.
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
		r.idleTimer.Stop()
		return nil, err
	}
	if os.Getuid() == 0 {
		cfg.Logger.Warn("running as root, so the browser runs without its process sandbox (--no-sandbox)")
	}
	return r, nil
}

func newRenderer(cfg Config) *Renderer {
	r := &Renderer{cfg: cfg, slots: make(chan struct{}, cfg.Tabs), pool: newPool(cfg.Tabs)}
	r.idleTimer = time.AfterFunc(idleTime, r.closeIdle)
	return r
}

// Name returns "chrome".
func (r *Renderer) Name() string { return "chrome" }

// Render opens req.URL in a clean tab and captures it. If both Width and Height
// are given, the image fills that size. It is never distorted, but cropped at the
// bottom or at both sides. A full page is at most raster.MaxSide px high.
//
// An error page of the server (such as 404 or 500) is rendered like any other
// page. An error means that there was no page, and states the reason.
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
	// Workers, prefetches and certificate checks send requests that are not those
	// of the page, but all of them use the proxy.
	t.browser.proxy.Block(req.Own.Host, req.Own.Ports()...)
	rendering, err := t.render(ctx, req)
	r.putTab(t, req, err)
	return rendering, err
}

// browser returns the running browser. It starts one if there is none.
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
		r.cfg.Logger.Warn("browser exited, starting a new one", "pid", r.current.pid)
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

// Close kills the browser and its child processes, waits for them, and removes
// the temporary profile. Running renders fail. Later calls do nothing.
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
		for range cap(r.slots) { // once all slots are taken, no render is running
			r.slots <- struct{}{}
		}
		for range cap(r.slots) {
			<-r.slots
		}
		r.idleTimer.Stop()
		r.closeTabs()
	}
	return nil
}
