//go:build !race

// The race detector makes sync.Pool drop items at random.

package signature_test

import (
	"net/http"
	"strings"
	"testing"

	"shotline/receiver/signature"
)

func TestVerifyDoesNotAllocate(t *testing.T) {
	body := []byte(strings.Repeat("b", 400))
	v := newVerifier(t, []string{"old", "s"}, []string{"X-Hook"})
	h := http.Header{signature.HeaderProduct: {signature.Sign("s", body)}}
	allocs := testing.AllocsPerRun(1000, func() {
		if err := v.Verify(h, body); err != nil {
			t.Fatal(err)
		}
	})
	if allocs >= 1 {
		t.Errorf("Verify allocates %.0f times", allocs)
	}
}
