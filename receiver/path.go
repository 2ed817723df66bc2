package receiver

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"shotline/receiver/signature"
)

// maxPath is how much of a path is logged, in bytes.
const maxPath = 100

// Misdirected is the handler for all paths of a server but the webhooks' own. It
// answers 404 without reading a body. What looks like a webhook is counted and
// logged as WrongPath, so that a wrong address in the vendor's webhook app shows.
func (r *Receiver) Misdirected(w http.ResponseWriter, req *http.Request) {
	if !r.looksLikeWebhook(req) {
		http.NotFound(w, req)
		return
	}
	began := time.Now()
	err := fmt.Errorf("a webhook came to %q, where none are taken: correct the URL in the vendor's webhook app", cut(req.URL.Path, maxPath))
	r.done(w, req, began, WrongPath, err)
}

// looksLikeWebhook reports whether a request has a header of a webhook, or speaks
// of webhooks in its path.
func (r *Receiver) looksLikeWebhook(req *http.Request) bool {
	if req.Method != http.MethodPost {
		return false
	}
	signed := len(req.Header[signature.HeaderGuide]) > 0 || len(req.Header[signature.HeaderProduct]) > 0
	if r.cfg.Verifier != nil {
		signed = r.cfg.Verifier.Claimed(req.Header)
	}
	return signed || len(req.Header[HeaderEvent]) > 0 || strings.Contains(strings.ToLower(req.URL.Path), "webhook")
}
