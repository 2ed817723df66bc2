package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestThumbnail(t *testing.T) {
	image := append([]byte(webpStart), bytes.Repeat([]byte("image bytes "), 1<<20)...) // larger than any limit on JSON
	requests := make(chan *http.Request, 1)
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests <- r
		w.Header().Set("Content-Type", "image/webp")
		w.Header().Set("ETag", `"v1"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(image))
	})
	d, err := c.Thumbnail(t.Context(), "sc_1", ThumbnailOptions{
		Format: "webmp", Width: 1, Height: 2, Shot: 3, Scale: 0.5, Zoom: 150, Ratio: "fit", Quality: 80,
		Filename: "front page.webp", Top: 4, Left: 5, Right: 6, Bottom: 7,
	})
	if err != nil {
		t.Fatal(err)
	}
	r := <-requests
	const want = "/api/v1/screenshot/thumbnail?bottom=7&filename=front+page.webp&format=webmp&height=2&id=sc_1&left=5&quality=80" +
		"&ratio=fit&right=6&scale=0.5&shot=3&top=4&width=1&zoom=150"
	if r.RequestURI != want || r.Header.Get("X-Api-Key") != canary {
		t.Errorf("requested %s\nwant  %s", r.RequestURI, want)
	}
	if d.ContentType != "image/webp" || d.ETag != `"v1"` || d.Length != int64(len(image)) {
		t.Errorf("download %+v", d)
	}
	if d.Body.(*streamBody).stallTimer.Stop() {
		t.Error("the timer runs although no read is in progress")
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, d.Body); err != nil {
		t.Fatal(err)
	}
	if err := d.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if full := sha256.Sum256(image); !bytes.Equal(sum.Sum(nil), full[:]) {
		t.Error("the downloaded bytes differ")
	}
}

func TestThumbnailOfUnknownLength(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "image/png")
		io.WriteString(w, pngStart)
		w.(http.Flusher).Flush()
		io.WriteString(w, "end")
	})
	d, err := c.Thumbnail(t.Context(), "1", ThumbnailOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Body.Close()
	if body, err := io.ReadAll(d.Body); string(body) != pngStart+"end" || err != nil || d.Length != -1 {
		t.Errorf("%q, %v, length %d", body, err, d.Length)
	}
}

func TestThumbnailErrors(t *testing.T) {
	refused := serve(t, answer(200, `{"success":false,"error":"not ready"}`, "Content-Type", "application/json; charset=utf-8"))
	_, err := refused.Thumbnail(t.Context(), "1", ThumbnailOptions{})
	if api := new(APIError); !errors.As(err, &api) || api.Message != "not ready" {
		t.Errorf("refused with 200: got %v", err)
	}
}

// The timeout limits each read, not the whole download.
func TestThumbnailStalls(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, pngStart)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}, WithTimeout(50*time.Millisecond))
	d, err := c.Thumbnail(t.Context(), "1", ThumbnailOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Body.Close()
	body, err := io.ReadAll(d.Body)
	if string(body) != pngStart || !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, new(*CallError)) {
		t.Errorf("%q, %v", body, err)
	}
}

func TestThumbnailIsCutOrCancelled(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, pngStart)
		w.(http.Flusher).Flush()
		if r.FormValue("id") == "cut" {
			panic(http.ErrAbortHandler)
		}
		<-r.Context().Done()
	})
	for id, want := range map[string]error{"cut": io.ErrUnexpectedEOF, "cancelled": context.Canceled} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		d, err := c.Thumbnail(ctx, id, ThumbnailOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Body.Close()
		if _, err := io.ReadFull(d.Body, make([]byte, len(pngStart))); err != nil {
			t.Fatal(err)
		}
		if id == "cancelled" {
			cancel()
		}
		if _, err := io.ReadAll(d.Body); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", id, err, want)
		}
	}
}

// If an output is not ready, the error is a NotReadyError and the call should be
// repeated. Refusals for other reasons are not NotReadyErrors.
func TestOutputsThatAreNotReady(t *testing.T) {
	for name, tc := range map[string]struct {
		status int
		body   string
		kind   string
		ready  bool
	}{
		"404":                {404, `{"success":false,"error":"Screenshot not found or not ready","code":"NOT_FOUND"}`, "application/json", false},
		"404, no body":       {404, ``, "", false},
		"404, a page":        {404, `<html>`, "text/html", false},
		"409 of that code":   {409, `{"error":"wait","code":"NOT_READY"}`, "application/json", false},
		"200 of that code":   {200, `{"success":false,"error":"wait","code":"NOT_READY"}`, "application/json", false},
		"409":                {409, `{"error":"no"}`, "application/json", true},
		"422":                {422, `{"error":"no","code":"INVALID_PARAMS"}`, "application/json", true},
		"429":                {429, `{"error":"no"}`, "application/json", true},
		"500 of that code":   {500, `{"code":"NOT_READY"}`, "application/json", true},
		"200, not an output": {200, `{"success":false,"error":"not ready"}`, "application/json", true},
	} {
		c := serve(t, answer(tc.status, tc.body, "Content-Type", tc.kind))
		_, thumbnail := c.Thumbnail(t.Context(), "1", ThumbnailOptions{})
		_, html := c.HTML(t.Context(), "1")
		_, pdf := c.PDF(t.Context(), "1")
		_, video := c.Video(t.Context(), "1")
		for call, err := range map[string]error{"thumbnail": thumbnail, "html": html, "pdf": pdf, "video": video} {
			if errors.Is(err, ErrNotReady) == tc.ready || errors.As(err, new(*NotReadyError)) == tc.ready {
				t.Errorf("%s: %s: is ErrNotReady: got %t: %v", name, call, !tc.ready, err)
			}
			if errors.Is(err, ErrNotFound) != (tc.status == 404) {
				t.Errorf("%s: %s: wrong result for ErrNotFound: %v", name, call, err)
			}
			if _, again := OutputRetryPolicy(nil).Next(err, 5); !tc.ready && !again {
				t.Errorf("%s: %s: it would not be retried", name, call)
			}
		}
		// Other calls never return a NotReadyError.
		if _, err := c.Info(t.Context(), "1"); errors.Is(err, ErrNotReady) {
			t.Errorf("%s: info: %v", name, err)
		}
		if _, err := c.DownloadBatch(t.Context(), "1"); errors.Is(err, ErrNotReady) {
			t.Errorf("%s: batch: %v", name, err)
		}
	}
}

// The key is sent only to the scheme, host and port of the base URL. A redirect
// to another target is not followed, and the error names the target.
func TestRedirectsStayWithTheBaseURL(t *testing.T) {
	requests := make(chan string, 10)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests <- "elsewhere " + r.RequestURI
		io.WriteString(w, "image")
	}))
	t.Cleanup(elsewhere.Close)
	var target string
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		requests <- r.Header.Get("X-Api-Key") + " " + r.URL.Path + " " + r.Referer()
		if strings.HasPrefix(r.URL.Path, "/api/") {
			http.Redirect(w, r, target, http.StatusFound)
			return
		}
		io.WriteString(w, pngStart)
	})
	home := c.base.Host
	_, port, _ := strings.Cut(home, ":")
	for name, tc := range map[string]struct {
		target string
		want   string // expected in the error; empty: the redirect is followed
	}{
		"path":             {"/moved?x=1", ""},
		"whole address":    {"http://" + home + "/moved", ""},
		"other letters":    {"HTTP://" + strings.ToUpper(home) + "/moved", ""},
		"another port":     {elsewhere.URL + "/file.png?signature=s3cret", "redirected to " + strings.TrimPrefix(elsewhere.URL, "http://") + " (http)"},
		"another scheme":   {"https://" + home + "/file.png", "redirected to " + home + " (https)"},
		"another host":     {"http://localhost:" + port + "/file.png", "redirected to localhost:" + port + " (http)"},
		"a host like ours": {"http://127.0.0.1.evil.test:" + port + "/", "redirected to 127.0.0.1.evil.test:" + port + " (http)"},
		"no scheme":        {"//localhost:" + port + "/x", "redirected to localhost:" + port + " (http)"},
		"with a user":      {"http://" + home + "@localhost:" + port + "/", "redirected to localhost:" + port + " (http)"},
	} {
		target = tc.target
		d, err := c.Thumbnail(t.Context(), "1", ThumbnailOptions{})
		first := <-requests
		if first != canary+" /api/v1/screenshot/thumbnail " {
			t.Errorf("%s: requested %q", name, first)
		}
		if tc.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			d.Body.Close()
			if second := <-requests; second != canary+" /moved " {
				t.Errorf("%s: after the redirect: requested %q", name, second)
			}
			continue
		}
		var api *APIError
		if !errors.As(err, &api) || api.Status != 302 || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, want it to contain %q", name, err, tc.want)
		}
		if _, again := OutputRetryPolicy(nil).Next(err, 1); again {
			t.Errorf("%s: it would be retried", name)
		}
		if len(requests) > 0 {
			t.Errorf("%s: followed to %q", name, <-requests)
		}
	}
}

func TestRedirectsEnd(t *testing.T) {
	loop := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) })
	if _, err := loop.Thumbnail(t.Context(), "1", ThumbnailOptions{}); err == nil || !strings.Contains(err.Error(), "redirects") {
		t.Errorf("endless: got %v", err)
	}
}

func TestOriginsAreCompared(t *testing.T) {
	for _, equal := range [][2]string{{"https://a.test/x", "https://A.test:443"}, {"http://a.test", "HTTP://a.test:80/"}, {"https://a.test.", "https://a.test"}} {
		a, errA := url.Parse(equal[0])
		b, errB := url.Parse(equal[1])
		if errA != nil || errB != nil || origin(a) != origin(b) {
			t.Errorf("%v: the origins differ", equal)
		}
	}
	for _, other := range []string{"http://a.test", "https://a.test:8443", "https://b.test", "https://a.test.b"} {
		a, b := &url.URL{Scheme: "https", Host: "a.test"}, other
		if u, err := url.Parse(b); err != nil || origin(a) == origin(u) {
			t.Errorf("%s has the same origin as %s", b, a)
		}
	}
}
