package sandbox_test

import (
	"net/http"
	"strings"
	"testing"

	"shotline/client/sandbox"
)

// Crawl calls with the vendor's methods and a valid key get a clear error.
func TestCrawlIsNotSupported(t *testing.T) {
	v := start(t, sandbox.Config{})
	for path, method := range map[string]string{"create": http.MethodPost, "info": http.MethodGet, "list": http.MethodGet, "cancel": http.MethodPost} {
		a := v.do(method, "/api/v1/crawl/"+path, sandbox.DefaultAPIKey, nil)
		if a.status != http.StatusNotImplemented || !strings.Contains(string(a.body), `"code":"NOT_SUPPORTED"`) {
			t.Errorf("%s: status %d, body %s, want 501", path, a.status, a.body)
		}
		if a := v.do(method, "/api/v1/crawl/"+path, "wrong", nil); a.status != http.StatusUnauthorized {
			t.Errorf("%s with a wrong key: status %d, want 401", path, a.status)
		}
	}
}
