package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"shotline/client"
	"shotline/client/outward"
)

func TestPicturesAreNotFetchedFromPrivateAddresses(t *testing.T) {
	reached := make(chan struct{}, 1)
	private := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		reached <- struct{}{}
		w.Header().Set("Content-Type", "image/png")
	}))
	defer private.Close()
	elsewhere := strings.Replace(private.URL, "127.0.0.1", "127.0.0.2", 1)
	redirects := false
	vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if redirects {
			http.Redirect(w, r, elsewhere+"/file.png", http.StatusFound)
			return
		}
		w.Header().Set("Content-Type", "image/png")
	}))
	defer vendor.Close()

	outputs, err := client.New(client.WithAPIKey("k"), client.WithBaseURL(vendor.URL),
		client.WithDialContext(guardedDial(outward.NewGuard(nil), ownHosts(vendor.URL)...)))
	if err != nil {
		t.Fatal(err)
	}
	defer outputs.CloseIdleConnections()
	download, err := outputs.Thumbnail(t.Context(), "1", client.ThumbnailOptions{})
	if err != nil {
		t.Fatalf("the vendor itself, on a private address that the operator named: %v", err)
	}
	download.Body.Close()

	redirects = true
	if _, err := outputs.Thumbnail(t.Context(), "1", client.ThumbnailOptions{}); !errors.Is(err, outward.ErrPrivate) {
		t.Errorf("redirected to a private address: %v", err)
	}
	if len(reached) > 0 {
		t.Error("the private address was called")
	}
}
