package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// TestSinkCallbacks delivers the events of a batch to two sinks. The first
// delivery is refused and must be retried.
func TestSinkCallbacks(t *testing.T) {
	t.Parallel()
	const secret, canary = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "hunter2canary"
	type call struct {
		path   string
		header http.Header
		body   []byte
	}
	calls := make(chan call, 100)
	refusals := make(chan struct{}, 1)
	n := 3 // batch.finished to both sinks, and job.failed to people
	if !testing.Short() {
		refusals <- struct{}{}
		n++ // its retry, after some seconds
	}
	to := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		calls <- call{r.URL.Path, r.Header.Clone(), body}
		select {
		case <-refusals:
			w.WriteHeader(http.StatusServiceUnavailable)
		default:
		}
	}))
	t.Cleanup(to.Close)
	s := newStage(t, "--allow-private", "127.0.0.0/8", "--callback-secret", secret, "--log-level", "debug",
		"--sink", "program:batch.finished="+to.URL+"/program/"+canary, "--sink", "people:slack:failures="+to.URL+"/people/"+canary)
	batch := s.submit(exitFlawed, "url\nhttps://shop.shotline.test/\nhttps://broken.shotline.test/\n")

	got := map[string]int{} // number of callbacks by sink
	bodies := map[string]string{}
	library, err := standardwebhooks.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		select {
		case c := <-calls:
			if err := library.Verify(c.body, c.header); err != nil {
				t.Errorf("%s: %v", c.body, err)
			}
			key := c.path + " " + c.header.Get("webhook-id")
			if before, again := bodies[key]; again && before != string(c.body) {
				t.Errorf("body %s changed to %s on retry", before, c.body)
			}
			bodies[key] = string(c.body)
			got[strings.Split(c.path, "/")[1]]++
		case <-time.After(30 * time.Second):
			t.Fatalf("no callback after 30s; got %v", got)
		}
	}
	if len(bodies) != 3 {
		t.Errorf("got callbacks %v, want 3", bodies)
	}
	for key, body := range bodies {
		if strings.HasPrefix(key, "/program/") {
			var m struct {
				Type string
				Data map[string]any
			}
			if err := json.Unmarshal([]byte(body), &m); err != nil || m.Type != "batch.finished" || m.Data["batch_id"] != batch || m.Data["failed"] != 1.0 {
				t.Errorf("sink program got %s", body)
			}
		} else if !strings.HasPrefix(body, `{"text":"`) {
			t.Errorf("sink people got %s", body)
		}
	}
	for s.do(exitOK, "callbacks", "--state", "owed", "--json") != "" {
		if clock.Sleep(t.Context(), 10*time.Millisecond) != nil {
			t.Fatal("callbacks are still undelivered")
		}
	}
	if n := strings.Count(s.do(exitOK, "callbacks", batch, "--json"), `"state":"delivered"`); n != 3 {
		t.Errorf("got %d delivered callbacks, want 3", n)
	}
	if strings.Contains(s.log.String(), canary) || strings.Contains(s.log.String(), secret) {
		t.Error("the log contains a secret")
	}
	for _, file := range []string{s.db, s.db + "-wal"} {
		if data, err := os.ReadFile(file); err == nil && strings.Contains(string(data), canary) {
			t.Errorf("%s contains a secret", file)
		}
	}
}
