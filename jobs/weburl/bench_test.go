package weburl_test

import (
	"testing"

	"shotline/jobs/weburl"
)

func BenchmarkNormalize(b *testing.B) {
	for _, bench := range []struct{ name, text string }{
		{"plain", "https://example.com/products/4711?view=full"},
		{"host", "example.com"},
		{"capitals", "HTTPS://Example.com/Products/4711?view=full"},
		{"port", "https://example.com:8443/products/4711?view=full"},
		{"space", "https://example.com/products/A good product?view=full"},
		{"unicode", "https://bücher.example/bücher/4711?view=full"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := weburl.Normalize(bench.text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
