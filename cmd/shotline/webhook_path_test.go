package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"shotline/receiver/signature"
)

func TestWebhookPath(t *testing.T) {
	t.Parallel()
	const body = `{"event":"screenshot.completed","screenshot_id":"1","status":"done"}`
	s := newStageAt(t, filepath.Join(t.TempDir(), "shotline.db"))
	s.serve("--webhook-path", "/own//h%C3%B6oks/")
	for path, want := range map[string]int{
		"/own/h%C3%B6oks": http.StatusOK, "/own/h%c3%b6oks/": http.StatusOK, "//own/h%C3%B6oks?a=b": http.StatusOK,
		WebhookPath: http.StatusNotFound, "/own": http.StatusNotFound, "/": http.StatusNotFound, "/healthz": http.StatusNotFound,
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.hooks+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set(signature.HeaderGuide, signature.Sign(testSecret, []byte(body)))
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: status %d, want %d", path, response.StatusCode, want)
		}
	}
	if log := s.log.String(); !strings.Contains(log, `accepted at \"/own/höoks\"`) || !strings.Contains(log, s.hooks+"/own/h%C3%B6oks") {
		t.Errorf("the log does not name the path: %s", log)
	}
	before := strings.Count(s.log.String(), "\n")
	response, err := http.Get("http://" + s.hooks + "/")
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusNotFound || strings.Count(s.log.String(), "\n") != before {
		t.Errorf("GET /: status %d, log %s", response.StatusCode, s.log)
	}
}

func TestWebhookPathErrors(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"https://a.test/x": "whole URL", "x/y": "does not begin with /", "/x?y": "has a ? or #",
		"/x y": "contains a space", "/%zz": "not part of an escape", "/healthz/": "health checks",
	} {
		code, _, stderr := invoke(t, "serve", "--db", filepath.Join(t.TempDir(), "a.db"), "--api-key", "k", "--webhook-secret", "s", "--webhook-path", value)
		if code != exitUsage || !strings.Contains(stderr, "--webhook-path") || !strings.Contains(stderr, want) {
			t.Errorf("%q: exit code %d, stderr %q, want %q", value, code, stderr, want)
		}
	}
}
