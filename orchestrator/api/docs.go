package api

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed" // for docs.html and docs.css
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

//go:embed docs.html
var docsHTML string

//go:embed docs.css
var docsCSS string

var docsTemplate = template.Must(template.New("docs").Parse(docsHTML))

// docsPolicy is the Content-Security-Policy of the page. It allows only the
// page's own style sheet.
var docsPolicy = func() string {
	sum := sha256.Sum256([]byte(docsCSS))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}()

// rootPath is the pattern that matches only the root.
const rootPath = "/{$}"

// docsRoutes registers the contract, as OpenAPI and as a web page. Both are built
// when they are first requested, because they need all routes.
func (s *server) docsRoutes() {
	document := sync.OnceValues(func() ([]byte, error) { return json.Marshal(s.api.OpenAPI()) })
	page := sync.OnceValues(func() ([]byte, error) {
		var out bytes.Buffer
		err := docsTemplate.Execute(&out, newManual(s.api.OpenAPI(), template.CSS(docsCSS)))
		return out.Bytes(), err
	})
	s.registerText("/openapi.json", "getContract", "This contract as OpenAPI 3.1", "application/json", "", document)
	s.registerText("/docs", "getDocs", "This contract as a web page", "text/html", docsPolicy, page)
	s.mux.HandleFunc("GET "+rootPath, redirectToDocs)
}

// registerText registers a route that needs no token.
func (s *server) registerText(path, id, summary, kind, policy string, read func() ([]byte, error)) {
	op := operation(http.MethodGet, path, id, "operations", summary)
	op.Security, op.Errors, op.SkipValidateParams = nil, []int{http.StatusMisdirectedRequest}, true
	op.Responses = plainResponse(http.StatusOK, summary, kind)
	if kind == "application/json" {
		op.Responses["200"].Content[kind].Schema = &huma.Schema{Type: huma.TypeObject}
	} else {
		kind += "; charset=utf-8"
	}
	huma.Register(s.api, op, func(ctx context.Context, _ *struct{}) (*huma.StreamResponse, error) {
		body, err := read()
		if err != nil {
			return nil, s.failed(ctx, "show the contract", fmt.Errorf("%s: %w", path, err))
		}
		return &huma.StreamResponse{Body: func(out huma.Context) {
			r, w := humago.Unwrap(out)
			if policy != "" {
				w.Header().Set("Content-Security-Policy", policy)
			}
			w.Header().Set("Content-Type", kind)
			_, _ = w.Write(withAddress(body, r)) // fails only if the client disconnected
		}}, nil
	})
}
