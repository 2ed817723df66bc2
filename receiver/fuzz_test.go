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

// countingReader counts the bytes read from a body. If cut is set, the body ends
// with an error.
type countingReader struct {
	io.Reader
	cut  bool
	read int
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read += n
	if c.cut && errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return n, err
}

// headersOf parses lines of name and value into headers. It accepts any input.
func headersOf(text string) http.Header {
	h := http.Header{}
	for line := range strings.SplitSeq(text, "\n") {
		if name, value, found := strings.Cut(line, ":"); found {
			h.Add(name, strings.TrimSpace(value))
		}
	}
	return h
}

// signedOver implements the documented rule independently of package signature:
// at least one of the two headers is set, each has at most one value, and each
// value is the HMAC of exactly these bytes.
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

// Every request gets a documented response. A delivery is stored if and only if
// the status is 200, which requires a valid signature over exactly these bytes.
// All requests share one small budget, so a request that does not release its
// memory, or uses too much, leads to a 503.
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
	inbox := &memoryInbox{}
	r := newReceiver(f, receiver.Config{Inbox: inbox, MaxBody: maxBody, MaxInFlight: 12 << 10})
	f.Fuzz(func(t *testing.T, method, headers string, body []byte, chunked, cut bool) {
		// The fuzzer cannot find an HMAC on its own.
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		headers = strings.ReplaceAll(headers, "SIGNED", "sha256="+hex.EncodeToString(mac.Sum(nil)))

		source := &countingReader{Reader: strings.NewReader(string(body)), cut: cut}
		req := httptest.NewRequest(http.MethodPost, "/webhooks/screenshotcenter", source)
		req.Method, req.Header, req.ContentLength = method, headersOf(headers), int64(len(body))
		if chunked {
			req.ContentLength = -1
		}
		inbox.kept = nil
		w := httptest.NewRecorder()
		r.ServeHTTP(w, req)

		valid := signedOver(req.Header, body)
		fits := len(body) <= maxBody
		plain := true
		for _, coding := range req.Header["Content-Encoding"] {
			plain = plain && (coding == "" || strings.EqualFold(coding, "identity"))
		}
		switch w.Code {
		case http.StatusOK:
			if !valid || !fits || !plain || cut || method != http.MethodPost || !json.Valid(body) {
				t.Fatalf("%q with %q accepted: %q", method, headers, body)
			}
			if len(inbox.kept) != 1 || string(inbox.kept[0].Body) != string(body) {
				t.Fatalf("200, but stored %+v", inbox.kept)
			}
		case http.StatusBadRequest:
			if !valid && !cut {
				t.Fatalf("%q was parsed without a valid signature", body)
			}
		case http.StatusUnauthorized:
			if valid {
				t.Fatalf("refused a valid signature: %q", headers)
			}
		case http.StatusMethodNotAllowed:
			if method == http.MethodPost {
				t.Fatal("POST is not allowed")
			}
		case http.StatusRequestEntityTooLarge:
			if fits {
				t.Fatalf("refused %d bytes as too large", len(body))
			}
		case http.StatusUnsupportedMediaType:
			if plain {
				t.Fatalf("refused a body without an encoding: %q", headers)
			}
		default:
			t.Fatalf("got status %d", w.Code)
		}
		if w.Code != http.StatusOK && len(inbox.kept) > 0 {
			t.Fatalf("got status %d, but stored %+v", w.Code, inbox.kept)
		}
		if source.read > maxBody+1 {
			t.Fatalf("read %d bytes beyond the limit", source.read)
		}
		if !json.Valid(w.Body.Bytes()) || strings.Contains(w.Body.String(), secret) || w.Body.Len() > 500 {
			t.Fatalf("got %q", w.Body)
		}
	})
}
