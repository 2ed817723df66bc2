package receiver_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"shotline/receiver"
	"shotline/receiver/signature"
)

// TestWrongPath checks which requests to another path are reported, and that none
// of them reaches the inbox.
func TestWrongPath(t *testing.T) {
	for name, test := range map[string]struct {
		method, path, header, value string
		reported                    bool
	}{
		"signed":              {"POST", "/", signature.HeaderGuide, signature.Sign(secret, []byte(goodBody)), true},
		"signed, product":     {"POST", "/prefix/x", signature.HeaderProduct, anySignature, true},
		"JSON":                {"POST", "/", "Content-Type", "application/json", true},
		"JSON with a charset": {"POST", "/a", "Content-Type", "Application/JSON; charset=utf-8", true},
		"another JSON":        {"POST", "/a", "Content-Type", "application/x+json", true},
		"event":               {"POST", "/a", receiver.HeaderEvent, "x", true},
		"similar path":        {"POST", "/WebHook", "", "", true},
		"form":                {"POST", "/login", "Content-Type", "application/x-www-form-urlencoded", false},
		"no type":             {"POST", "/", "", "", false},
		"GET":                 {"GET", "/", "", "", false},
		"GET with a header":   {"GET", "/", signature.HeaderGuide, anySignature, false},
		"PUT":                 {"PUT", "/", "Content-Type", "application/json", false},
	} {
		t.Run(name, func(t *testing.T) {
			var log bytes.Buffer
			inbox := &memoryInbox{}
			r := newReceiver(t, receiver.Config{Inbox: inbox, Path: "/right", Logger: slog.New(slog.NewTextHandler(&log, nil))})
			request := httptest.NewRequest(test.method, test.path, strings.NewReader(goodBody))
			if test.header != "" {
				request.Header.Set(test.header, test.value)
			}
			response := httptest.NewRecorder()
			r.HandleWrongPath(response, request)
			if response.Code != http.StatusNotFound || len(inbox.kept) > 0 {
				t.Errorf("status %d, %d deliveries stored", response.Code, len(inbox.kept))
			}
			want := uint64(0)
			if test.reported {
				want = 1
			}
			if got := r.Counts()[receiver.WrongPath]; got != want {
				t.Errorf("counted %d, want %d", got, want)
			}
			text := log.String()
			if named := strings.Contains(text, "right") && strings.Contains(text, test.path); named != test.reported || !test.reported && text != "" {
				t.Errorf("logged %q", text)
			}
			if strings.Contains(response.Body.String(), "right") {
				t.Errorf("the response reveals the path: %q", response.Body)
			}
		})
	}
}
