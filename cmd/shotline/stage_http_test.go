package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"shotline/receiver/signature"
)

// post sends a signed webhook about an unknown screenshot. It fails after two
// seconds, the promised response time.
func (s *stage) post(screenshot string) (status int) {
	s.t.Helper()
	return s.postBody(fmt.Appendf(nil, `{"event":"screenshot.completed","screenshot_id":%q,"status":"done"}`, screenshot))
}

// postBody sends a signed webhook with the body.
func (s *stage) postBody(body []byte) (status int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.hooks+WebhookPath, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set(signature.HeaderGuide, signature.Sign(testSecret, body))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	return response.StatusCode
}

// ask sends a GET request to the API.
func (s *stage) ask(address, path string) (status int, body string) {
	s.t.Helper()
	response, err := http.Get("http://" + address + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return response.StatusCode, string(data)
}

// until waits until done returns true.
func (s *stage) until(desc string, done func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Second)
	defer cancel()
	for !done() {
		if clock.Sleep(ctx, 20*time.Millisecond) != nil {
			s.t.Fatalf("timeout: %s\n%s", desc, s.log)
		}
	}
}

// figure returns the value of a metric.
func figure(t *testing.T, figures, name string) float64 {
	t.Helper()
	_, rest, found := strings.Cut(figures, "\n"+name+" ")
	text, _, _ := strings.Cut(rest, "\n")
	value, err := strconv.ParseFloat(text, 64)
	if !found || err != nil {
		t.Fatalf("no %s in\n%s", name, figures)
	}
	return value
}
