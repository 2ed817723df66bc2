package pages

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

func get(t *testing.T, h http.Handler, method, url string) *http.Response {
	t.Helper()
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), method, url, nil))
	return rec.Result()
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestHandler(t *testing.T) {
	cases := []struct {
		name, method, url string
		status            int
		contains          string
	}{
		{"shop", "GET", "https://shop.shotline.test/", 200, "stoneware"},
		{"a port and capitals", "GET", "http://Journal.Shotline.Test:8443/", 200, "lighthouse"},
		{"metrics", "GET", "https://metrics.shotline.test/?range=30", 200, "Requests a day"},
		{"another script", "GET", "https://thalassa.shotline.test/", 200, "Αναχωρήσεις"},
		{"gallery", "GET", "https://gallery.shotline.test/", 200, "Nine posters"},
		{"slow", "GET", "https://slow.shotline.test/", 200, "Worth the wait"},
		{"missing host page", "GET", "https://missing.shotline.test/", 404, "404"},
		{"unknown path", "GET", "https://shop.shotline.test/basket", 404, "404"},
		{"unknown host", "GET", "https://elsewhere.example/", 404, "404"},
		{"style", "GET", "https://missing.shotline.test/style.css", 200, "--accent"},
		{"head", "HEAD", "https://shop.shotline.test/", 200, ""},
		{"post", "POST", "https://shop.shotline.test/", 405, "only GET"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			res := get(t, handler{}, c.method, c.url)
			text := body(t, res)
			if res.StatusCode != c.status || !strings.Contains(text, c.contains) {
				t.Errorf("status %d, want %d with %q", res.StatusCode, c.status, c.contains)
			}
			if c.method == "HEAD" && text != "" {
				t.Error("HEAD got a body")
			}
			want := map[bool]string{true: "text/css; charset=utf-8", false: "text/html; charset=utf-8"}[strings.HasSuffix(c.url, ".css")]
			if got := res.Header.Get("Content-Type"); c.status != 405 && got != want {
				t.Errorf("content type %q, want %q", got, want)
			}
		})
	}
}

// abort calls the handler and reports whether it closed the connection.
func abort(h http.Handler, r *http.Request) (dropped bool, rec *httptest.ResponseRecorder) {
	rec = httptest.NewRecorder()
	defer func() {
		if p := recover(); p != nil {
			dropped = p == http.ErrAbortHandler
		}
	}()
	h.ServeHTTP(rec, r)
	return false, rec
}

func TestSlowRespondsAfterItsDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		res := get(t, Handler(), "GET", "https://slow.shotline.test/")
		if took := time.Since(begin); res.StatusCode != 200 || took != SlowDelay {
			t.Errorf("status %d after %v, want 200 after %v", res.StatusCode, took, SlowDelay)
		}
		if get(t, Handler(), "GET", "https://slow.shotline.test/style.css"); time.Since(begin) != SlowDelay {
			t.Error("the style sheet is delayed, too")
		}

		ctx, cancel := context.WithTimeout(t.Context(), SlowDelay/2)
		defer cancel()
		dropped, rec := abort(Handler(), httptest.NewRequestWithContext(ctx, "GET", "https://slow.shotline.test/", nil))
		if !dropped || rec.Body.Len() > 0 {
			t.Error("a client that disconnected got a response")
		}
	})
}

func TestNeverWaitsForTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		begin := time.Now()
		dropped, _ := abort(Handler(), httptest.NewRequestWithContext(ctx, "GET", "https://never.shotline.test/", nil))
		if took := time.Since(begin); !dropped || took != time.Hour {
			t.Errorf("dropped %v after %v, want true after an hour", dropped, took)
		}
	})
}

func TestBrokenDropsTheConnection(t *testing.T) {
	if dropped, _ := abort(Handler(), httptest.NewRequest("GET", "https://broken.shotline.test/", nil)); !dropped {
		t.Error("broken.shotline.test responded, want a dropped connection")
	}
}

func TestFail(t *testing.T) {
	for _, url := range []string{
		"https://shop.shotline.test/", "http://never.shotline.test/x", "https://example.com/", "https://notshotline.test/", "::",
	} {
		if err := Fail(url); err != nil {
			t.Errorf("Fail(%q) = %v, want nil", url, err)
		}
	}
	for _, url := range []string{"https://BROKEN.shotline.test:444/x", "https://broken.shotline.test/50%-off"} {
		if err := Fail(url); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("Fail(%q) = %v, want ECONNREFUSED", url, err)
		}
	}
	for _, url := range []string{"https://nobody.shotline.test/", "https://shotline.test/"} {
		var dns *net.DNSError
		if err := Fail(url); !errors.As(err, &dns) || !dns.IsNotFound {
			t.Errorf("%s: %v, want a DNS error", url, err)
		}
	}
}

// external matches references to resources on other hosts.
var external = regexp.MustCompile(`(?i)(src|href|action)\s*=\s*["']?(https?:)?//|url\(|@import|<script|<img|<iframe`)

func TestPagesStandAlone(t *testing.T) {
	for _, h := range hosts {
		if !strings.HasSuffix(h.name, "."+Domain) {
			t.Errorf("%s: not below %s", h.name, Domain)
		}
		if h.page == "" {
			continue
		}
		text := body(t, get(t, handler{}, "GET", "https://"+h.name+"/"))
		for _, want := range []string{"<!doctype html>", "<title>", `name="viewport"`, "/style.css", "prefers-color-scheme"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %s", h.name, want)
			}
		}
		if found := external.FindString(strings.ReplaceAll(text, "url(#", "")); found != "" {
			t.Errorf("%s: loads an external resource: %s", h.name, found)
		}
	}
}
