package receiver_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shotline/jobs"
	"shotline/receiver"
	"shotline/receiver/signature"
)

// discardInbox is an Inbox that stores nothing, so that benchmarks measure only
// the handler.
type discardInbox struct{}

func (discardInbox) StoreDelivery(context.Context, jobs.Delivery) error { return nil }

type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(p []byte) (int, error) { return len(p), nil }
func (d *discard) WriteHeader(int)             {}

// BenchmarkDecode measures both of the vendor's dialects.
func BenchmarkDecode(b *testing.B) {
	for _, file := range []string{"guide-completed.json", "guide-failed.json", "product-finished.json", "product-failed.json"} {
		b.Run(strings.TrimSuffix(file, ".json"), func(b *testing.B) {
			body, err := os.ReadFile(filepath.Join(vectorDir, file))
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := receiver.Decode(body, http.Header{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerifyAndDecode(b *testing.B) {
	v, body := newVerifier(b), []byte(goodBody)
	h := http.Header{signature.HeaderGuide: {signature.Sign(secret, body)}}
	b.ReportAllocs()
	for b.Loop() {
		if err := v.Verify(h, body); err != nil {
			b.Fatal(err)
		}
		if _, err := receiver.Decode(body, h); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkServeHTTP(b *testing.B) {
	r := newReceiver(b, receiver.Config{Inbox: discardInbox{}, Now: time.Now})
	body := strings.NewReader(goodBody)
	req := httptest.NewRequest(http.MethodPost, "/", body)
	req.Header.Set("X-Signature", signature.Sign(secret, []byte(goodBody)))
	w := &discard{header: http.Header{}}
	b.ReportAllocs()
	for b.Loop() {
		body.Reset(goodBody)
		r.ServeHTTP(w, req)
	}
	if r.Counts()[receiver.Accepted] == 0 {
		b.Fatal("nothing was accepted")
	}
}
