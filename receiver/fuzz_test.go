package receiver_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"shotline/receiver"
)

// counter counts what is read of a body, which may be cut off at its end.
type counter struct {
	io.Reader
	cut  bool
	read int
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read += n
	if c.cut && errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// headersOf reads lines of name and value, however wild, as a server would file them.
func headersOf(text string) http.Header {
	h := http.Header{}
	for line := range strings.SplitSeq(text, "\n") {
		if name, value, found := strings.Cut(line, ":"); found {
			h.Add(name, strings.TrimSpace(value))
		}
	}
	return h
}

// signedOver is the documented rule, without the package that implements it:
// one value in at least one of the two headers, the same in both, and it is the
// HMAC of exactly these bytes.
func signedOver(h http.Header, body []byte) bool {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	want := "sha256=" + hex.EncodeToString(mac.Sum(nil))
	found := false
	for _, name := range []string{"X-Signature", "X-Screenshotcenter-Signature"} {
		values := h[http.CanonicalHeaderKey(name)]
		if len(values) == 0 {
			continue
		}
		if len(values) > 1 || values[0] != want {
			return false
		}
		found = true
	}
	return found
}

// Whatever is sent, the answer is a documented one, and something is kept when,
// and only when, it is 200, which takes a signature over exactly these bytes.
// All requests share one small budget: what one does not give back, or takes
// too much of, shows as a 503.
func FuzzServeHTTP(f *testing.F) {
	const maxBody = 6 << 10
	good := "X-Signature: SIGNED"
	for _, seed := range []struct {
		method, headers, body string
		chunked, cut          bool
	}{
		{"POST", good, goodBody, false, false},
		{"POST", "x-screenshotcenter-signature: SIGNED\nX-ScreenshotCenter-Event: screenshot.finished", `{"screenshot_id":7}`, true, false},
		{"POST", good + "\n" + good, goodBody, false, false},
		{"POST", good + "\nX-ScreenshotCenter-Signature: SIGNED\nContent-Encoding: identity", goodBody, false, false},
		{"POST", "X-Signature: " + anySignature, goodBody, false, false},
		{"POST", good + "\nContent-Encoding: gzip", "\x1f\x8b", false, false},
		{"POST", good, strings.Repeat(" ", maxBody) + "{}", true, false},
		{"POST", good, goodBody + strings.Repeat("\n", 5<<10), true, false},
		{"POST", good, goodBody, true, true},
		{"POST", "", "", false, false},
		{"GET", good, goodBody, false, false},
		{"", good, "null", false, false},
		{"POST", good, `{"screenshot_id":"a","screenshot_id":null}`, false, false},
	} {
		f.Add(seed.method, seed.headers, []byte(seed.body), seed.chunked, seed.cut)
	}
	inbox := &memory{}
	r := newReceiver(f, receiver.Config{Inbox: inbox, MaxBody: maxBody, MaxInFlight: 12 << 10})
	f.Fuzz(func(t *testing.T, method, headers string, body []byte, chunked, cut bool) {
		// A fuzzer does not find an HMAC by itself.
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		headers = strings.ReplaceAll(headers, "SIGNED", "sha256="+hex.EncodeToString(mac.Sum(nil)))

		source := &counter{Reader: strings.NewReader(string(body)), cut: cut}
		req := httptest.NewRequest(http.MethodPost, "/webhooks/screenshotcenter", source)
		req.Method, req.Header, req.ContentLength = method, headersOf(headers), int64(len(body))
		if chunked {
			req.ContentLength = -1
		}
		inbox.kept = nil
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)

		holds := signedOver(req.Header, body)
		fits := len(body) <= maxBody
		plain := true
		for _, coding := range req.Header["Content-Encoding"] {
			plain = plain && (coding == "" || strings.EqualFold(coding, "identity"))
		}
		switch w.Code {
		case http.StatusOK:
			if !holds || !fits || !plain || cut || method != http.MethodPost || !json.Valid(body) {
				t.Fatalf("%q with %q accepted: %q", method, headers, body)
			}
			if len(inbox.kept) != 1 || string(inbox.kept[0].Body) != string(body) {
				t.Fatalf("200, but kept %+v", inbox.kept)
			}
		case http.StatusBadRequest:
			if !holds && !cut {
				t.Fatalf("%q was looked into without a signature over it", body)
			}
		case http.StatusUnauthorized:
			if holds {
				t.Fatalf("refused a signature that holds: %q", headers)
			}
		case http.StatusMethodNotAllowed:
			if method == http.MethodPost {
				t.Fatal("POST is not allowed")
			}
		case http.StatusRequestEntityTooLarge:
			if fits {
				t.Fatalf("%d bytes are too large", len(body))
			}
		case http.StatusUnsupportedMediaType:
			if plain {
				t.Fatalf("a body without an encoding is refused: %q", headers)
			}
		default:
			t.Fatalf("answered %d", w.Code)
		}
		if w.Code != http.StatusOK && len(inbox.kept) > 0 {
			t.Fatalf("answered %d, yet kept %+v", w.Code, inbox.kept)
		}
		if source.read > maxBody+1 {
			t.Fatalf("read %d bytes", source.read)
		}
		if !json.Valid(w.Body.Bytes()) || strings.Contains(w.Body.String(), secret) || w.Body.Len() > 500 {
			t.Fatalf("answered %q", w.Body)
		}
	})
}
