package chrome

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"shotline/client/sandbox"
)

// marks is a page that stores a mark in every storage that it can access. Its
// title lists the marks of earlier pages that it found. Its load event comes
// after that.
const marks = `<!doctype html><title>?</title><img src="/hold"><script>
(async () => {
	const found = [];
	if (document.cookie.includes("mark")) found.push("cookie");
	if (localStorage.mark) found.push("localStorage");
	if (sessionStorage.mark) found.push("sessionStorage");
	if (window.name) found.push("name");
	if (history.length > 2) found.push("history");
	if ((await indexedDB.databases()).length) found.push("indexedDB");
	if ((await caches.keys()).length) found.push("caches");
	if ((await navigator.serviceWorker.getRegistrations()).length) found.push("worker");
	document.cookie = "mark=1";
	localStorage.mark = sessionStorage.mark = name = "marked";
	await new Promise(done => { indexedDB.open("mark").onsuccess = done });
	await caches.open("mark");
	if (location.search) {
		await navigator.serviceWorker.register("/worker.js");
		await navigator.serviceWorker.ready;
	}
	history.pushState(1, "", "/again");
	document.title = found.join(" ") || "nothing";
	fetch("/done");
})();
</script>`

// A page cannot see anything that an earlier page in its tab did.
func TestPagesShareNothing(t *testing.T) {
	t.Parallel()
	var seen, conditional atomic.Int32
	done := make(chan struct{}, 8)
	url := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			if _, err := r.Cookie("header"); err == nil {
				seen.Add(1)
			}
			if r.Header.Get("If-None-Match") != "" {
				conditional.Add(1)
			}
		case "/hold":
			select {
			case <-done:
			case <-r.Context().Done():
			}
			return
		case "/done":
			done <- struct{}{}
			return
		}
		http.SetCookie(w, &http.Cookie{Name: "header", Value: "1", HttpOnly: true})
		w.Header().Set("Cache-Control", "max-age=3600")
		w.Header().Set("ETag", `"1"`)
		if r.URL.Path == "/worker.js" {
			w.Header().Set("Content-Type", "text/javascript")
			fmt.Fprint(w, `onfetch = e => e.respondWith(new Response("<title>from the worker</title>", {headers: {"Content-Type": "text/html"}}))`)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, marks)
	})
	r := withConfig(t, func(c *Config) { c.Tabs = 1 })
	for i, query := range []string{"", "", "?worker", "?worker", ""} {
		rendering, err := r.Render(t.Context(), sandbox.RenderRequest{URL: url + query, Device: small})
		if err != nil {
			t.Fatal(err)
		}
		if rendering.Title != "nothing" {
			t.Errorf("page %d found %s", i+1, rendering.Title)
		}
	}
	if seen.Load() > 0 || conditional.Load() > 0 {
		t.Errorf("%d requests with a cookie, %d conditional requests, want none", seen.Load(), conditional.Load())
	}
}

// The settings of one render do not affect the next one.
func TestRendersShareNoSettings(t *testing.T) {
	t.Parallel()
	url := serveValue(t, `[innerWidth, devicePixelRatio, matchMedia("(prefers-color-scheme: dark)").matches, navigator.maxTouchPoints, navigator.language, Intl.DateTimeFormat().resolvedOptions().timeZone, navigator.userAgent]`)
	r := withConfig(t, func(c *Config) { c.Tabs = 1 })
	render := func(req sandbox.RenderRequest) string {
		req.URL = url
		rendering, err := r.Render(t.Context(), withSmallScreen(req))
		if err != nil {
			t.Fatal(err)
		}
		return rendering.Title
	}
	usual := render(sandbox.RenderRequest{})
	other := render(sandbox.RenderRequest{Device: sandbox.Device{
		ScreenWidth: 500, ScreenHeight: 400, Scale: 2, Dark: true, Touch: true, Mobile: true,
		Language: "fr-FR", Timezone: "Asia/Tokyo", UserAgent: "somebody else",
	}})
	for _, part := range []string{"[500,2,true,5,", "fr-FR", "Asia/Tokyo", "somebody else"} {
		if !strings.Contains(other, part) {
			t.Errorf("%s lacks %s", other, part)
		}
	}
	for range 3 {
		if again := render(sandbox.RenderRequest{}); again != usual {
			t.Errorf("the page got %s, want %s as before", again, usual)
		}
	}
}

// A tab is reused only after pages that cannot leave traces.
func TestTabsAreReused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, body string
		header     map[string]string
		reused     bool
	}{
		{"static", "<p>text", nil, true},
		{"styled", "<style>p{animation: a 1s infinite} @keyframes a {to {opacity: 0}}</style><p>text", nil, true},
		{"script", "<script>document.title = 1</script>", nil, false},
		{"handler", "<body onload='document.title = 1'>", nil, false},
		{"module", "<script type=module>document.title = 1</script>", nil, false},
		{"script in an SVG", `<svg width="9" height="9"><script>document.title = 1</script></svg>`, nil, false},
		{"cookie", "<p>text", map[string]string{"Set-Cookie": "a=b"}, false},
		{"frame", `<iframe srcdoc="<p>inside"></iframe>`, nil, false},
		{"dialog", "<script>alert(1)</script>", nil, false},
		{"window", "<script>open('about:blank')</script>", nil, false},
		{"socket", "<script>new WebSocket(location.href.replace('http', 'ws'))</script>", nil, false},
		{"beacon", "<script>navigator.sendBeacon('/hang')</script>", nil, false},
		{"strict transport", "<p>text", map[string]string{"Strict-Transport-Security": "max-age=60"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			url := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/hang" {
					<-r.Context().Done()
					return
				}
				for name, value := range c.header {
					w.Header().Set(name, value)
				}
				w.Header().Set("Content-Type", "text/html")
				fmt.Fprint(w, c.body)
			})
			r := withConfig(t, func(c *Config) { c.Tabs = 1 })
			if _, err := r.Render(t.Context(), sandbox.RenderRequest{URL: url, Device: small}); err != nil {
				t.Fatal(err)
			}
			if reused := r.idleTab() != nil; reused != c.reused {
				t.Errorf("tab reused: %v, want %v", reused, c.reused)
			}
		})
	}
}

// idleTab returns an idle tab, or nil if there is none.
func (r *Renderer) idleTab() *tab {
	r.returning.Wait()
	var found *tab
	for range cap(r.pool) {
		t := <-r.pool
		if t != nil {
			found = t
		}
		r.pool <- t
	}
	return found
}

// A used tab serves only requests with the same TLS settings, and only a limited
// number of them.
func TestTabReuseConditions(t *testing.T) {
	t.Parallel()
	r := withConfig(t, func(c *Config) { c.Tabs = 1 })
	req := sandbox.RenderRequest{URL: serveHTML(t, "<p>still"), Device: small}
	if _, err := r.Render(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	used := r.idleTab()
	if used == nil || !used.canServe(req) {
		t.Fatalf("tab %v cannot serve its own request again", used)
	}
	for name, change := range map[string]func(*sandbox.RenderRequest){
		"strict TLS": func(r *sandbox.RenderRequest) { r.StrictSSL = true },
	} {
		other := req
		if change(&other); used.canServe(other) {
			t.Errorf("%s: the tab can serve the request, want a new one", name)
		}
	}
	used.uses = maxUses - 1
	for range cap(r.pool) { // each entry of the pool is used once
		if _, err := r.Render(t.Context(), req); err != nil {
			t.Fatal(err)
		}
		r.returning.Wait()
	}
	if used.uses != maxUses || used.ctx.Err() == nil {
		t.Errorf("the tab is not closed after %d uses", used.uses)
	}
}

// If a page is active in an idle tab, the tab is not reused.
func TestPageActiveInAnIdleTab(t *testing.T) {
	t.Parallel()
	moved := make(chan struct{}, 1)
	url := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		if r.URL.Path == "/next" {
			fmt.Fprint(w, `<title>next</title><script>sessionStorage.mark = 1</script>`)
			moved <- struct{}{}
			return
		}
		fmt.Fprint(w, `<title>still</title><meta http-equiv="refresh" content="1;url=/next">`)
	})
	r := withConfig(t, func(c *Config) { c.Tabs = 1 })
	if _, err := r.Render(t.Context(), sandbox.RenderRequest{URL: url, Device: small}); err != nil {
		t.Fatal(err)
	}
	r.returning.Wait()
	<-moved
	rendering, err := r.Render(t.Context(), sandbox.RenderRequest{URL: serveValue(t, "sessionStorage.length"), Device: small})
	if err != nil || rendering.Title != "0" {
		t.Errorf("title %q, %v", rendering.Title, err)
	}
}
