package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"shotline/client"
	"shotline/jobs"
)

// TestImagesNotReady checks that an image that is not ready is requested again,
// but not if the job ended long ago and the vendor has deleted it.
func TestImagesNotReady(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ended time.Duration // time since the end
		calls int64
		got   string
	}{
		"just ended":     {0, 2, "image"},
		"ended long ago": {client.OutputGrace + time.Minute, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if calls.Add(1) == 1 {
					http.Error(w, `{"success":false,"error":"Screenshot not found or not ready"}`, http.StatusNotFound)
					return
				}
				w.Header().Set("Content-Type", "image/png")
				_, _ = io.WriteString(w, "image")
			}))
			defer server.Close()
			vendor, err := client.New(client.WithAPIKey("k"), client.WithBaseURL(server.URL))
			if err != nil {
				t.Fatal(err)
			}
			defer vendor.CloseIdleConnections()
			image, err := fetchImage(t.Context(), vendor, jobs.Job{ScreenshotID: "1", ClosedAt: clock.Now().Add(-test.ended)})
			if string(image) != test.got || (err == nil) != (test.got != "") || err != nil && !errors.Is(err, client.ErrNotReady) {
				t.Errorf("got %q, %v", image, err)
			}
			if calls.Load() != test.calls {
				t.Errorf("got %d vendor calls, want %d", calls.Load(), test.calls)
			}
		})
	}
}

// TestPageInsteadOfImage checks that an HTML page is refused.
func TestPageInsteadOfImage(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!DOCTYPE html><title>Sign in</title>")
	}))
	defer server.Close()
	vendor, err := client.New(client.WithAPIKey("k"), client.WithBaseURL(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	defer vendor.CloseIdleConnections()
	image, err := readImage(t.Context(), vendor, "1")
	if len(image) > 0 || err == nil || !strings.Contains(err.Error(), "Sign in") {
		t.Errorf("got %q, %v", image, err)
	}
}
