package main

import (
	"bytes"
	"encoding/json"
	"image/png"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"shotline/orchestrator/api"
)

// TestHTTPJobImage creates a job and a batch over HTTP with a token and downloads
// the image, as a backend service would.
func TestHTTPJobImage(t *testing.T) {
	t.Parallel()
	token, secret, err := api.NewToken("shop", true)
	if err != nil {
		t.Fatal(err)
	}
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	s := newStageAt(t, filepath.Join(t.TempDir(), "shotline.db"))
	s.serve("--api-listen", address, "--api-token", token.String(), "--image-dir", filepath.Join(t.TempDir(), "images"))
	ask := func(method, path, body string, status int) []byte {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, "http://"+address+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+secret)
		request.Header.Set("Content-Type", "application/json")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		data, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != status {
			t.Fatalf("%s %s: %d %s, %v", method, path, response.StatusCode, data, err)
		}
		return data
	}
	var job, batch struct {
		ID      string `json:"id"`
		BatchID string `json:"batch_id"`
		State   string `json:"state"`
	}
	decode := func(data []byte, into any) {
		t.Helper()
		if err := json.Unmarshal(data, into); err != nil {
			t.Fatal(err)
		}
	}
	decode(ask("POST", "/v1/jobs", `{"url":"https://shop.shotline.test/"}`, 202), &job)
	s.do(exitOK, "wait", job.ID, "--timeout", "1m")
	decode(ask("GET", "/v1/jobs/"+job.ID, "", 200), &job)
	if job.State != "done" {
		t.Fatalf("got %+v, want a job that is done", job)
	}
	for range 2 { // first from the vendor, then from the cache
		if _, err := png.Decode(bytes.NewReader(ask("GET", "/v1/jobs/"+job.ID+"/image", "", 200))); err != nil {
			t.Error(err)
		}
	}

	decode(ask("POST", "/v1/batches", `{"jobs":[{"url":"https://journal.shotline.test/"},{"url":"https://gallery.shotline.test/"}]}`, 202), &batch)
	s.do(exitOK, "wait", batch.BatchID, "--timeout", "1m")
	printed := s.do(exitOK, "results", batch.BatchID)
	if results := ask("GET", "/v1/batches/"+batch.BatchID+"/results", "", 200); string(results) != printed {
		t.Errorf("results of the command line:\n%s\nof the API:\n%s", printed, results)
	}
	if log := s.log.String(); strings.Contains(log, secret) || strings.Contains(log, testKey) {
		t.Error("the log contains a secret")
	}
}
