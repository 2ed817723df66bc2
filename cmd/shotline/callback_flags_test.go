package main

import (
	"strings"
	"testing"

	"shotline/client/outward"
	"shotline/orchestrator/callback"
	"shotline/orchestrator/engine"
)

func TestRefusedCallbackURLsNameTheFlag(t *testing.T) {
	secrets := []string{callback.NewSecret()}
	for _, test := range []struct {
		secrets   []string
		url, want string
	}{
		{nil, "https://example.com/", "; set one with --callback-secret"},
		{secrets, "http://10.0.0.1/", "; to allow its network use --allow-private"},
		{secrets, "ftp://example.com/", "https:// or http://"},
	} {
		w := work{Config: engine.Config{Callbacks: &callback.Config{Guard: outward.NewGuard(nil), Secrets: test.secrets}}}
		if err := w.checkURL(test.url); err == nil || !strings.HasSuffix(err.Error(), test.want) {
			t.Errorf("%s with %d secrets: %v, want … %s", test.url, len(test.secrets), err, test.want)
		}
	}
	w := work{Config: engine.Config{Callbacks: &callback.Config{Secrets: secrets}}}
	if err := w.checkURL("https://example.com/"); err != nil {
		t.Error(err)
	}
}
