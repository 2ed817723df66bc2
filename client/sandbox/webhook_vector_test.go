package sandbox_test

import (
	"bytes"
	"net/http"
	"testing"

	"shotline/client/sandbox"
)

// The signature in vectorSign was computed over vectorBody by another program:
//
//	printf %s "$vectorBody" | openssl dgst -sha256 -hmac s3cret
const (
	vectorBody = `{"event":"screenshot.completed","screenshot_id":"1001","url":"https://example.com/","status":"done","image_url":"http://127.0.0.1:8070/images/1001-7a05f8eb09fd10300bd2d935c61f9176.png","created_at":"2026-03-04T05:06:07Z"}`
	vectorSign = "sha256=ee273487e9cc5cc70eff12aabc28990bfae80d9f39cd9cdb949a9f40bcfe9934"
)

func TestWebhookVector(t *testing.T) {
	address, hooks := receiver(t, always(http.StatusOK))
	srv, err := sandbox.New(sandbox.Config{
		WebhookURL: address, WebhookSecret: "s3cret", BaseURL: "http://127.0.0.1:8070", FirstID: 1001,
		Now: fixedClock, Rand: bytes.NewReader(make([]byte, 32)),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	if _, err := once(t.Context(), "http://"+serve(t, srv.Handler())+faultyCreate); err != nil {
		t.Fatal(err)
	}
	h := next(t, hooks)
	if string(h.body) != vectorBody {
		t.Errorf("body is\n%s\nwant\n%s", h.body, vectorBody)
	}
	if got := h.header.Get("X-Signature"); got != vectorSign {
		t.Errorf("signature is %s, want %s", got, vectorSign)
	}
}
