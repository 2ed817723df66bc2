package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shotline/receiver/signature"
)

// TestTriggerSendsTheGivenFields checks what a receiver gets.
func TestTriggerSendsTheGivenFields(t *testing.T) {
	t.Setenv("WEBHOOK_SECRET", "s3cret,older")
	var header http.Header
	var body []byte
	to := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header = r.Header.Clone()
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, "one\x1b[31m\ntwo")
	}))
	t.Cleanup(to.Close)
	verifier, err := signature.New([]string{"s3cret"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args  string
		event string // value of the event header
		want  map[string]any
	}{
		{"completed --id 7 --url https://a.test/ --image-url https://a.test/7.png", "",
			map[string]any{"event": "screenshot.completed", "screenshot_id": "7", "status": "done", "url": "https://a.test/", "image_url": "https://a.test/7.png"}},
		{"completed --id 7 --status finished", "",
			map[string]any{"event": "screenshot.completed", "screenshot_id": "7", "status": "finished", "url": "https://example.com/", "image_url": "https://example.com/7.png"}},
		{"failed --id 7", "",
			map[string]any{"event": "screenshot.failed", "screenshot_id": "7", "status": "failed", "url": "https://example.com/", "image_url": nil}},
		{"completed --id 7 --dialect B --metadata a=b=c", "screenshot.finished",
			map[string]any{"event": "screenshot.finished", "screenshot_id": "7", "status": "finished", "url": "https://example.com/", "image_url": "https://example.com/7.png",
				"width": 1280.0, "height": 800.0, "metadata": map[string]any{"a": "b=c"}}},
		{"failed --id 7 --dialect B --error slow", "screenshot.failed",
			map[string]any{"event": "screenshot.failed", "screenshot_id": "7", "status": "error", "url": "https://example.com/", "image_url": nil, "error": "slow"}},
		{"batch --id 7 --count 5 --failed 2 --dialect B", "batch.finished",
			map[string]any{"event": "batch.finished", "batch_id": "7", "status": "finished", "count": 5.0, "processed": 5.0, "failed": 2.0, "zip_url": "https://example.com/7.zip"}},
	} {
		var out, notes bytes.Buffer
		args := append([]string{"shotline", "trigger", "--to", to.URL}, strings.Fields(test.args)...)
		if code := run(t.Context(), args, streams{in: strings.NewReader(""), out: &out, err: &notes}); code != exitOK {
			t.Fatalf("%s: exit code %d: %s", test.args, code, notes.String())
		}
		if want := "202 Accepted\none [31m\ntwo\n"; out.String() != want {
			t.Errorf("%s: printed %q, want %q", test.args, out.String(), want)
		}
		if err := verifier.Verify(header, body); err != nil {
			t.Errorf("%s: %v", test.args, err)
		}
		if got := header.Get("X-ScreenshotCenter-Event"); got != test.event {
			t.Errorf("%s: event header %q, want %q", test.args, got, test.event)
		}
		var got map[string]any
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatalf("%s: %v", test.args, err)
		}
		if got["created_at"] == "" {
			t.Errorf("%s: no created_at", test.args)
		}
		delete(got, "created_at")
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: body (-want +got):\n%s", test.args, diff)
		}
	}

	const raw = "\xff any bytes\r\n\n"
	if code := run(t.Context(), []string{"shotline", "trigger", "raw", "-", "--to", to.URL}, streams{in: strings.NewReader(raw), out: io.Discard, err: io.Discard}); code != exitOK {
		t.Errorf("raw: exit code %d", code)
	}
	if string(body) != raw || verifier.Verify(header, body) != nil {
		t.Errorf("raw: the receiver got %q, %v", body, verifier.Verify(header, body))
	}
}
