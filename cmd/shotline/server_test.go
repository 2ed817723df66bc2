package main

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"shotline/receiver/signature"
)

// TestWebhooksAtOtherPaths checks that additional slashes in the path are
// ignored, and that webhooks at other paths are counted and logged.
func TestWebhooksAtOtherPaths(t *testing.T) {
	api, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	s := newStageAt(t, filepath.Join(t.TempDir(), "shotline.db"))
	s.serve("--api-listen", api, "--signature-header", "X-Own")
	const body = `{"event":"screenshot.completed","screenshot_id":"1","status":"done"}`
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	post := func(path, header string) int {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+s.hooks+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if header != "" {
			request.Header.Set(header, signature.Sign(testSecret, []byte(body)))
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		return response.StatusCode
	}
	accepted := []string{WebhookPath, WebhookPath + "/", "/" + WebhookPath, "/webhooks//screenshotcenter//", WebhookPath + "?x=1", WebhookPath + "/?x=1"}
	for _, path := range accepted {
		if got := post(path, signature.HeaderGuide); got != http.StatusOK {
			t.Errorf("%s: status %d", path, got)
		}
	}
	lost := map[string]string{"/prefix" + WebhookPath: "X-Signature", "/": "X-Screenshotcenter-Signature", "/own": "X-Own",
		"/webhooks": "", "//prefix/": "X-Signature", WebhookPath + "/more": "", "/event": "X-Screenshotcenter-Event"}
	for path, header := range lost {
		if got := post(path, header); got != http.StatusNotFound {
			t.Errorf("%s: status %d", path, got)
		}
	}
	if got := post("/elsewhere", ""); got != http.StatusNotFound {
		t.Errorf("not a webhook: status %d, want 404", got)
	}
	_, figures := s.ask(api, "/metrics")
	if n := figure(t, figures, `shotline_webhooks_total{result="path"}`); int(n) != len(lost) {
		t.Errorf("got %v lost webhooks, want %d", n, len(lost))
	}
	if n := figure(t, figures, `shotline_webhooks_total{result="accepted"}`); int(n) != len(accepted) {
		t.Errorf("got %v accepted webhooks, want %d", n, len(accepted))
	}
	if n := strings.Count(s.log.String(), `but webhooks are accepted at \"`+WebhookPath+`\"`); n != 1 {
		t.Errorf("got %d log lines about lost webhooks, want 1 in ten seconds:\n%s", n, s.log)
	}
}
