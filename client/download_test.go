package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestThumbnail(t *testing.T) {
	image := bytes.Repeat([]byte("image bytes "), 1<<20) // larger than any cap on JSON
	asked := make(chan *http.Request, 1)
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- r
		w.Header().Set("Content-Type", "image/webp")
		w.Header().Set("ETag", `"v1"`)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(image))
	})
	d, err := c.Thumbnail(t.Context(), "sc_1", ThumbnailOptions{
		Format: "webp", Width: 1, Height: 2, Shot: 3, Scale: 0.5, Zoom: 150, Ratio: "fit", Quality: 80,
		Top: 4, Left: 5, Right: 6, Bottom: 7,
	})
	if err != nil {
		t.Fatal(err)
	}
	r := <-asked
	const want = "/api/v1/screenshot/thumbnail?bottom=7&format=webp&height=2&id=sc_1&left=5&quality=80" +
		"&ratio=fit&right=6&scale=0.5&shot=3&top=4&width=1&zoom=150"
	if r.RequestURI != want || r.Header.Get("X-Api-Key") != canary {
		t.Errorf("asked %s\nwant  %s", r.RequestURI, want)
	}
	if d.ContentType != "image/webp" || d.ETag != `"v1"` || d.Length != int64(len(image)) {
		t.Errorf("download %+v", d)
	}
	if d.Body.(*streamBody).patience.Stop() {
		t.Error("the timeout runs while nobody is reading")
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, d.Body); err != nil {
		t.Fatal(err)
	}
	if err := d.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if full := sha256.Sum256(image); !bytes.Equal(sum.Sum(nil), full[:]) {
		t.Error("the bytes differ")
	}
}

func TestThumbnailOfUnknownLength(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		io.WriteString(w, "a")
		w.(http.Flusher).Flush()
		io.WriteString(w, "b")
	})
	d, err := c.Thumbnail(t.Context(), "1", ThumbnailOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Body.Close()
	if body, err := io.ReadAll(d.Body); string(body) != "ab" || err != nil || d.Length != -1 {
		t.Errorf("%q, %v, length %d", body, err, d.Length)
	}
}

func TestThumbnailErrors(t *testing.T) {
	missing := serve(t, answer(404, `{"success":false,"error":"unknown id"}`))
	if _, err := missing.Thumbnail(t.Context(), "1", ThumbnailOptions{}); !errors.Is(err, ErrNotFound) {
		t.Errorf("404: got %v", err)
	}
	refused := serve(t, answer(200, `{"success":false,"error":"not ready"}`, "Content-Type", "application/json; charset=utf-8"))
	_, err := refused.Thumbnail(t.Context(), "1", ThumbnailOptions{})
	if api := new(APIError); !errors.As(err, &api) || api.Message != "not ready" {
		t.Errorf("refused with 200: got %v", err)
	}
}

// A download may take longer than the timeout, but no read may.
func TestThumbnailStalls(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "start")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}, WithTimeout(50*time.Millisecond))
	d, err := c.Thumbnail(t.Context(), "1", ThumbnailOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Body.Close()
	body, err := io.ReadAll(d.Body)
	if string(body) != "start" || !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, new(*CallError)) {
		t.Errorf("%q, %v", body, err)
	}
}

func TestThumbnailIsCutOrCancelled(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "start")
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
		if _, err := io.ReadFull(d.Body, make([]byte, 5)); err != nil {
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

func TestRedirectedDownloadDoesNotCarryTheKeyAway(t *testing.T) {
	type seen struct{ key, referer, target string }
	elsewhere := make(chan seen, 1)
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		elsewhere <- seen{r.Header.Get("X-Api-Key"), r.Referer(), r.RequestURI}
		io.WriteString(w, "image")
	}))
	t.Cleanup(store.Close)
	home := make(chan string, 3)
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		home <- r.Header.Get("X-Api-Key")
		if strings.HasSuffix(r.URL.Path, "/thumbnail") {
			http.Redirect(w, r, "/moved", http.StatusFound)
			return
		}
		http.Redirect(w, r, store.URL+"/file.png", http.StatusFound)
	})
	d, err := c.Thumbnail(t.Context(), "1", ThumbnailOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Body.Close()
	if body, _ := io.ReadAll(d.Body); string(body) != "image" {
		t.Errorf("got %q", body)
	}
	if first, second := <-home, <-home; first != canary || second != canary {
		t.Errorf("the API's own host saw the keys %q and %q", first, second)
	}
	if got := <-elsewhere; got != (seen{target: "/file.png"}) {
		t.Errorf("the other host saw %+v", got)
	}
}

func TestDownloadRefusesRedirects(t *testing.T) {
	loop := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) })
	if _, err := loop.Thumbnail(t.Context(), "1", ThumbnailOptions{}); err == nil || !strings.Contains(err.Error(), "redirects") {
		t.Errorf("endless: got %v", err)
	}
	c := newClient(t, DefaultBaseURL)
	plain := httptest.NewRequest(http.MethodGet, "http://api.screenshotcenter.com/x", nil)
	if err := c.checkRedirect(plain, nil); err == nil {
		t.Error("followed from https to http")
	}
}
