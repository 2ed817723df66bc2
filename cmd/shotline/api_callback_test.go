package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// TestHTTPJobCallback creates a job over HTTP with a token. It verifies the
// callback about its end with the library that receivers use.
func TestHTTPJobCallback(t *testing.T) {
	t.Parallel()
	const callbackSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	type call struct {
		header http.Header
		body   []byte
	}
	calls := make(chan call, 10)
	to := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		calls <- call{r.Header.Clone(), body}
	}))
	t.Cleanup(to.Close)
	apiAddress, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	s := newStageAt(t, t.TempDir()+"/shotline.db")
	var token struct {
		Secret string `json:"token"`
		Flag   string `json:"api_token"`
	}
	var printed bytes.Buffer
	if code := run(t.Context(), []string{"shotline", "token", "shop", "--json"}, streams{in: strings.NewReader(""), out: &printed, err: t.Output()}); code != exitOK {
		t.Fatalf("exit code of token: %d", code)
	}
	if err := json.Unmarshal(printed.Bytes(), &token); err != nil {
		t.Fatal(err)
	}
	s.serve("--api-listen", apiAddress, "--api-token", token.Flag, "--log-level", "debug",
		"--callback-secret", callbackSecret, "--allow-private", "127.0.0.0/8")

	ask := func(body, secret string) (status int, job map[string]any) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+apiAddress+"/v1/jobs", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Authorization", "Bearer "+secret)
		request.Header.Set("Idempotency-Key", "order-17")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if err := json.NewDecoder(response.Body).Decode(&job); err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, job
	}
	body := `{"url":"https://shop.shotline.test/","metadata":{"order":"17"},"callback_url":"` + to.URL + `/hook"}`
	if status, _ := ask(body, token.Secret+"x"); status != http.StatusUnauthorized {
		t.Errorf("wrong token: status %d, want 401", status)
	}
	status, job := ask(body, token.Secret)
	if status != http.StatusAccepted {
		t.Fatalf("got status %d and job %v, want 202", status, job)
	}

	library, err := standardwebhooks.NewWebhook(callbackSecret)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case c := <-calls:
		if err := library.Verify(c.body, c.header); err != nil {
			t.Errorf("%s: %v", c.body, err)
		}
		var event struct {
			Type string
			Data map[string]any
		}
		if err := json.Unmarshal(c.body, &event); err != nil || event.Type != "job.done" || event.Data["id"] != job["id"] || event.Data["closed_by"] != "webhook" {
			t.Errorf("got callback %s, want job.done of %v", c.body, job)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("no callback")
	}
	if status, again := ask(body, token.Secret); status != http.StatusOK || again["id"] != job["id"] || again["state"] != "done" {
		t.Errorf("repeated request: got status %d and job %v", status, again)
	}
	if paid := len(s.vendor.Ledger().Creates); paid != 1 {
		t.Errorf("got %d paid creates, want 1", paid)
	}
	if strings.Contains(s.log.String(), token.Secret) || strings.Contains(s.log.String(), callbackSecret) {
		t.Error("the log contains a secret")
	}
}
