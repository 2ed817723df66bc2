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

// A picture that the vendor has not ready yet is fetched again, but not for a job
// that ended long ago: its picture is gone.
func TestPicturesThatAreNotReadyYet(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ended time.Duration // ago
		asked int64
		got   string
	}{
		"just ended":     {0, 2, "picture"},
		"ended long ago": {client.OutputGrace + time.Minute, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if asked.Add(1) == 1 {
					http.Error(w, `{"success":false,"error":"Screenshot not found or not ready"}`, http.StatusNotFound)
					return
				}
				w.Header().Set("Content-Type", "image/png")
				_, _ = io.WriteString(w, "picture")
			}))
			defer server.Close()
			vendor, err := client.New(client.WithAPIKey("k"), client.WithBaseURL(server.URL))
			if err != nil {
				t.Fatal(err)
			}
			defer vendor.CloseIdleConnections()
			picture, err := fetchImage(t.Context(), vendor, jobs.Job{ScreenshotID: "1", ClosedAt: clock.Now().Add(-test.ended)})
			if string(picture) != test.got || (err == nil) != (test.got != "") || err != nil && !errors.Is(err, client.ErrNotReady) {
				t.Errorf("got %q, %v", picture, err)
			}
			if asked.Load() != test.asked {
				t.Errorf("the vendor was asked %d times, want %d", asked.Load(), test.asked)
			}
		})
	}
}

// A page that comes in the place of a picture is no picture.
func TestPagesAreNoPictures(t *testing.T) {
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
	picture, err := readImage(t.Context(), vendor, "1")
	if len(picture) > 0 || err == nil || !strings.Contains(err.Error(), "Sign in") {
		t.Errorf("got %q, %v", picture, err)
	}
}
