package chrome

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	cdptarget "github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"

	"shotline/client/sandbox"
)

// hostile contains pages that try to harm the browser. Each render must produce
// an image or, if wantErr is set, fail with that error.
var hostile = []struct {
	name    string
	body    string // body of the page if serve is nil
	serve   func(w http.ResponseWriter, r *http.Request)
	wantErr string
}{
	{name: "redirects without end", serve: func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, fmt.Sprintf("/%d", time.Now().UnixNano()), http.StatusFound)
	}, wantErr: "redirects endlessly"},
	{name: "navigates without end", body: `<script>location = "/?" + Math.random()</script>`, wantErr: "within"},
	{name: "dialogs", body: `<script>for (let i = 0; i < 50; i++) { alert(i); confirm(i); prompt(i) }</script>`},
	{name: "asks before it lets go", body: `<script>onbeforeunload = e => { e.preventDefault(); return "stay" }</script>`},
	{name: "print", body: `<script>print()</script>`},
	{name: "windows", body: `<script>for (let i = 0; i < 100; i++) open("/?" + i); document.title = "opened"</script>`},
	{name: "windows that open windows", body: `<script>open(location); open(location)</script>`},
	{name: "downloads", body: `<a id="a" download href="/file">a</a><script>for (let i = 0; i < 20; i++) document.getElementById("a").click()</script>`},
	{name: "never ends its script", body: `<script>for (;;);</script>`, wantErr: "within"},
	{name: "never ends its answer", serve: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		for r.Context().Err() == nil {
			if _, err := w.Write([]byte("<p>more ")); err != nil {
				return
			}
			w.(http.Flusher).Flush()
			select {
			case <-r.Context().Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	}, wantErr: "within"},
	{name: "asks for a password", serve: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("WWW-Authenticate", `Basic realm="mine"`)
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, "<p>who are you?")
	}, wantErr: "user name and password"},
	{name: "wants camera, place and messages", body: `<script>
		navigator.mediaDevices?.getUserMedia({video: true, audio: true}).catch(() => {});
		navigator.geolocation.getCurrentPosition(() => {});
		Notification.requestPermission();
		document.documentElement.requestFullscreen?.().catch(() => {});
		</script>`},
	{name: "sockets", body: `<script>for (let i = 0; i < 300; i++) new WebSocket(location.href.replace("http", "ws") + i)</script>`},
	{name: "endless height", body: `<style>body{height:30000000px;background:#d02010}</style>`},
	{name: "deep nesting", body: `<script>document.write("<div>".repeat(5000) + "deep")</script>`},
	{name: "frames in frames", body: `<script>if (location.search.length < 5) document.write('<iframe src="/' + (location.search || "?") + 'x"></iframe>'.repeat(2))</script>`},
	{name: "huge canvas", body: `<canvas id="c" width="30000" height="30000"></canvas><script>c.getContext("2d").fillRect(0, 0, 9, 9)</script>`},
	{name: "local files", body: `<iframe src="file:///etc/passwd"></iframe><img src="file:///etc/hostname">
		<script>fetch("file:///etc/passwd").then(r => r.text()).then(t => document.title = t)</script>`},
	{name: "the browser's own pages", body: `<script>location = "chrome://settings"; open("chrome://version"); open("devtools://devtools/bundled/inspector.html")</script>`},
}

// TestHostilePages opens the pages one after another in one tab, and a good page
// after each. The hostile pages must not affect the good one.
func TestHostilePages(t *testing.T) {
	t.Parallel()
	good := serveHTML(t, `<!doctype html><title>good</title><style>body{background:#1030c0}</style>`)
	dir := downloadDir(t)
	r := start(t, Config{Tabs: 1, AllowPrivate: loopback})
	shortTimeout := rendererOn(t, r, func(c *Config) { c.PageTimeout = time.Second })
	for _, h := range hostile {
		t.Run(h.name, func(t *testing.T) {
			serve := h.serve
			if serve == nil {
				serve = func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path == "/file" {
						w.Header().Set("Content-Disposition", "attachment; filename=gift.bin")
					} else {
						w.Header().Set("Content-Type", "text/html")
					}
					fmt.Fprint(w, "<!doctype html><title>bad</title>"+h.body)
				}
			}
			server := httptest.NewServer(http.HandlerFunc(serve))
			defer server.Close()
			defer server.CloseClientConnections()
			renderer := r
			if h.wantErr == "within" {
				renderer = shortTimeout
			}
			rendering, err := renderer.Render(t.Context(), sandbox.RenderRequest{URL: server.URL, Frame: sandbox.Frame{FullPage: true},
				Device: sandbox.Device{ScreenWidth: 100, ScreenHeight: 100}})
			switch {
			case h.wantErr == "" && err != nil:
				t.Error(err)
			case h.wantErr == "" && (len(rendering.Shots) != 1 || strings.Contains(rendering.Title, "root:")):
				t.Errorf("got %d images, title %q", len(rendering.Shots), rendering.Title)
			case h.wantErr != "" && (err == nil || !strings.Contains(err.Error(), h.wantErr)):
				t.Errorf("error %v, want one with %q", err, h.wantErr)
			}
			rendering, err = r.Render(t.Context(), sandbox.RenderRequest{URL: good, Device: small})
			if err != nil || rendering.Title != "good" {
				t.Fatalf("next page: title %q, error %v", rendering.Title, err)
			}
			wantColor(t, decode(t, rendering.Shots[0]), 150, 100, blue)
			shortTimeout.returning.Wait()
			if n := openPages(t, r); n > cap(r.pool) {
				t.Errorf("%d pages are still open", n)
			}
		})
	}
	left, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range left {
		if strings.Contains(entry.Name(), "gift") {
			t.Errorf("%s was downloaded", entry.Name())
		}
	}
}

// downloadDir returns the directory in which a browser would save downloads.
func downloadDir(t *testing.T) string {
	t.Helper()
	dir, err := os.UserHomeDir()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// openPages counts the open pages of the browser.
func openPages(t *testing.T, r *Renderer) int {
	t.Helper()
	r.returning.Wait()
	infos, err := chromedp.CallBrowser(r.current.ctx, cdptarget.GetTargets, cdptarget.GetTargetsParams{})
	if err != nil {
		t.Fatal(err)
	}
	pages := 0
	for _, info := range infos.TargetInfos {
		if info.Type == "page" && info.BrowserContextID != "" && info.URL != "about:blank" {
			pages++
		}
	}
	return pages
}

// A page whose HTML is too large fails its render, and only that. Its text is
// hidden, because the layout of so much text would take many seconds.
func TestHugePage(t *testing.T) {
	t.Parallel()
	server := serveFunc(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<style>p{display:none}</style>")
		line := []byte("<p>" + strings.Repeat("x", 1<<20))
		for range maxHTML >> 20 {
			if _, err := w.Write(line); err != nil {
				return
			}
		}
	})
	r := withConfig(t, func(c *Config) { c.Tabs = 1 })
	rendering, err := r.Render(t.Context(), sandbox.RenderRequest{URL: server, HTML: true, Device: small})
	if err == nil {
		t.Errorf("got HTML of %d bytes, want an error", len(rendering.HTML))
	} else if !strings.Contains(err.Error(), "larger than 16 MiB") {
		t.Error(err)
	}
	if _, err := r.Render(t.Context(), sandbox.RenderRequest{URL: serveHTML(t, "<p>small"), Device: small}); err != nil {
		t.Error("next page:", err)
	}
}

// The browser does not send the console messages of a page.
func TestPageConsoleIsNotForwarded(t *testing.T) {
	t.Parallel()
	r := withConfig(t, func(c *Config) { c.Tabs = 1 })
	tab, err := r.takeTab(t.Context(), sandbox.RenderRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var events atomic.Int32
	if err := chromedp.Listen(tab.ctx, func(ev any) {
		switch ev.(type) {
		case *runtime.EventConsoleAPICalled, *runtime.EventExceptionThrown, *cdplog.EventEntryAdded:
			events.Add(1)
		}
	}); err != nil {
		t.Fatal(err)
	}
	req, err := complete(sandbox.RenderRequest{URL: serveHTML(t, `<script>console.log("A".repeat(1 << 20)); document.title = "ran"; throw new Error("B")</script>`), Device: small})
	if err != nil {
		t.Fatal(err)
	}
	rendering, err := tab.render(t.Context(), req)
	r.putTab(tab, req, err)
	if err != nil || rendering.Title != "ran" || events.Load() != 0 {
		t.Errorf("title %q, error %v, %d console events, want none", rendering.Title, err, events.Load())
	}
}

// The length of a page's texts is limited, even if the page replaces the
// functions that return them.
func TestPageTextsAreBounded(t *testing.T) {
	t.Parallel()
	page := serveHTML(t, `<!doctype html><title>mine</title><p>written</p><script>
		const long = "A".repeat(1 << 20)
		history.replaceState(0, "", "#" + "A".repeat(1 << 14))
		window.String = () => ({slice: () => long})
		String.prototype.slice = () => long
		Array.prototype.toJSON = () => [long, long]
		Object.defineProperty(document, "title", {get: () => long})
		Object.defineProperty(Element.prototype, "outerHTML", {get: () => "forged"})
		</script>`)
	r, err := shared(t).Render(t.Context(), sandbox.RenderRequest{URL: page, Device: small, HTML: true})
	if err != nil {
		t.Fatal(err)
	}
	if r.Title != "mine" || r.FinalURL != "" || !strings.Contains(string(r.HTML), "<p>written</p>") {
		t.Errorf("title %.50q, URL %.50q, HTML %.100q", r.Title, r.FinalURL, r.HTML)
	}
	// The same applies to failed steps and to the wait for lazy images.
	page = serveHTML(t, `<!doctype html><title>mine</title><select id="s"><option>a</select><img loading="lazy" src="/x"><script>
		const long = "A".repeat(1 << 20)
		const toss = () => { throw new Error(long) }
		JSON.stringify = () => long
		window.Promise = Document.prototype.querySelectorAll = Array.prototype.filter = Array.prototype.map = toss
		</script>`)
	fill := sandbox.Step{Command: sandbox.StepFill, Selector: "#s", Value: "z"}
	_, err = shared(t).Render(t.Context(), sandbox.RenderRequest{URL: page, Device: small, Pace: sandbox.Pace{Steps: []sandbox.Step{fill}}})
	if err == nil || err.Error() != `step 1 (fill): the element "#s" has no option "z"` {
		t.Errorf("step failed with %.200v", err)
	}
	if _, err := shared(t).Render(t.Context(), sandbox.RenderRequest{URL: page, Device: small, Frame: sandbox.Frame{FullPage: true}}); err != nil {
		t.Errorf("full page: %.200v", err)
	}
}

// A page cannot reach the sandbox's API by any method.
func TestPageCannotReachItsSandboxIndirectly(t *testing.T) {
	t.Parallel()
	reached := make(chan string, 1000)
	vendor, err := url.Parse(serveFunc(t, func(_ http.ResponseWriter, r *http.Request) { reached <- r.URL.Path }))
	if err != nil {
		t.Fatal(err)
	}
	own := sandbox.Address{Host: "pictures.test", Port: "443", LocalPort: vendor.Port()}
	attack := func(name, body string) string {
		return fmt.Sprintf(body+"<!-- %[1]s %[2]s -->", vendor.JoinPath(name), vendor.Port())
	}
	together := "" // those that stay on their page share one, and with it one tab
	for name, body := range map[string]string{
		"ping":   `<a id="a" ping="%[1]s" href="#x">a</a><script>a.click()</script>`,
		"beacon": `<script>navigator.sendBeacon("%[1]s"); new Image().src = "%[1]s"</script>`,
		"worker": `<script>new Worker(URL.createObjectURL(new Blob(['fetch("%[1]s").catch(() => {})'])));
			new EventSource("%[1]s")</script>`,
		"prefetch":      `<link rel="prefetch" href="%[1]s"><link rel="preload" as="image" href="%[1]s"><link rel="icon" href="%[1]s">`,
		"object":        `<object data="%[1]s"></object><embed src="%[1]s"><video src="%[1]s"></video>`,
		"shared worker": `<script>new SharedWorker(URL.createObjectURL(new Blob(['fetch("%[1]s", {mode: "no-cors"}).catch(() => {})'])))</script>`,
		"mapped": `<script>new SharedWorker(URL.createObjectURL(new Blob(['fetch("http://[::ffff:127.0.0.1]:%[2]s/", {mode: "no-cors"}).catch(() => {})'])));
			fetch("http://[::ffff:7f00:1]:%[2]s/", {mode: "no-cors"}).catch(() => {}); fetch("http://[::1]:%[2]s/").catch(() => {});
			fetch("http://2130706433:%[2]s/").catch(() => {}); fetch("http://localhost:%[2]s/").catch(() => {}); fetch("http://0.0.0.0:%[2]s/").catch(() => {})</script>`,
		"speculation": `<script type="speculationrules">{"prefetch": [{"urls": ["%[1]s"], "eagerness": "immediate"}], "prerender": [{"urls": ["%[1]s"], "eagerness": "immediate"}]}</script>`,
		"socket":      `<script>new WebSocket("ws://127.0.0.1:%[2]s/")</script>`,
		"style":       `<style>@import "%[1]s"; body { background: url("%[1]s") } @font-face { font-family: a; src: url("%[1]s") } p { font-family: a }</style><p>a`,
	} {
		together += attack(name, body)
	}
	bodies := map[string]string{
		"together":     together,
		"meta refresh": attack("meta refresh", `<meta http-equiv="refresh" content="0;url=%[1]s">`),
		"form":         attack("form", `<form method="post" action="%[1]s"></form><script>document.forms[0].submit()</script>`),
		"window":       attack("window", `<script>open("%[1]s"); open("/again")</script>`),
	}
	for name, body := range bodies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page := serveHTML(t, "<!doctype html>"+body)
			// The result of the render does not matter.
			_, _ = shared(t).Render(t.Context(), sandbox.RenderRequest{URL: page, Own: own, Device: small, Pace: sandbox.Pace{Delay: 200 * time.Millisecond}})
		})
	}
	t.Run("service worker", func(t *testing.T) {
		t.Parallel()
		page := serveFunc(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/worker.js" {
				w.Header().Set("Content-Type", "text/javascript")
				fmt.Fprintf(w, `fetch("%s", {mode: "no-cors"}).catch(() => {})`, vendor.JoinPath("service worker"))
				return
			}
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprint(w, `<script>navigator.serviceWorker.register("/worker.js")</script>`)
		})
		if _, err := shared(t).Render(t.Context(), sandbox.RenderRequest{URL: page, Own: own, Device: small, Pace: sandbox.Pace{Delay: 500 * time.Millisecond}}); err != nil {
			t.Error(err)
		}
	})
	// The browser requests the issuer certificates that a certificate refers to.
	t.Run("certificate", func(t *testing.T) {
		t.Parallel()
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "page") }))
		server.TLS = &tls.Config{Certificates: []tls.Certificate{certificateWithIssuerURL(t, vendor.JoinPath("certificate").String())}}
		server.Config.ErrorLog = log.New(io.Discard, "", 0)
		server.StartTLS()
		t.Cleanup(server.Close)
		if _, err := shared(t).Render(t.Context(), sandbox.RenderRequest{URL: server.URL, Own: own, Device: small}); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		for len(reached) > 0 {
			t.Errorf("a request reached the sandbox: %s", <-reached)
		}
	})
}

// certificateWithIssuerURL returns a certificate for loopback that names the URL
// of its issuer's certificate.
func certificateWithIssuerURL(t *testing.T, issuer string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ca := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "issuer"}, IsCA: true, BasicConstraintsValid: true}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "page"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IssuingCertificateURL: []string{issuer},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}
