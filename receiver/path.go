package receiver

import (
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"shotline/receiver/signature"
)

// maxPath is the maximum length of a logged path in bytes.
const maxPath = 100

// HandleWrongPath handles all paths of a server other than the webhook path. It
// responds with 404 without reading the body. If the request looks like a
// webhook, it is counted and logged as WrongPath, so that the operator notices a
// wrong URL in the vendor's webhook app.
func (r *Receiver) HandleWrongPath(w http.ResponseWriter, req *http.Request) {
	if !r.looksLikeWebhook(req) {
		http.NotFound(w, req)
		return
	}
	began := time.Now()
	right := "another path"
	if r.cfg.Path != "" {
		right = strconv.Quote(r.cfg.Path)
	}
	err := fmt.Errorf("webhook sent to %q, but webhooks are accepted at %s: correct the URL in the vendor's webhook app", truncate(req.URL.Path, maxPath), right)
	r.done(w, req, began, WrongPath, err)
}

// looksLikeWebhook reports whether a request is a POST that has a header of a
// webhook, has a body of JSON, or contains "webhook" in its path.
func (r *Receiver) looksLikeWebhook(req *http.Request) bool {
	if req.Method != http.MethodPost {
		return false
	}
	signed := len(req.Header[signature.HeaderGuide]) > 0 || len(req.Header[signature.HeaderProduct]) > 0
	if r.cfg.Verifier != nil {
		signed = r.cfg.Verifier.HasHeader(req.Header)
	}
	return signed || len(req.Header[HeaderEvent]) > 0 || isJSON(req.Header) || strings.Contains(strings.ToLower(req.URL.Path), "webhook")
}

// isJSON reports whether the headers announce a body of JSON.
func isJSON(h http.Header) bool {
	kind, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	return err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json"))
}
