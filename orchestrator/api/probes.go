package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// scrapeTime limits one scrape. The default timeout of Prometheus is ten seconds.
const scrapeTime = 8 * time.Second

// health is the response of /healthz.
type health struct {
	Status string `json:"status" enum:"ok"`
}

// probeRoutes registers the routes for monitoring.
func (s *server) probeRoutes() {
	alive := operation(http.MethodGet, "/healthz", "getHealth", "operations", "Check that the process is alive")
	alive.SkipValidateParams = true
	alive.Security, alive.Errors = nil, []int{http.StatusMisdirectedRequest}
	huma.Register(s.api, alive, func(context.Context, *struct{}) (*struct{ Body health }, error) {
		return &struct{ Body health }{health{"ok"}}, nil
	})

	ready := operation(http.MethodGet, "/readyz", "getReadiness", "operations", "Check that the process can accept and do work")
	ready.Responses = map[string]*huma.Response{}
	for status, means := range map[string]string{"200": "Ready", "503": "Not ready, with the failed checks"} {
		schema := s.api.OpenAPI().Components.Schemas.Schema(reportType, true, "")
		ready.Responses[status] = &huma.Response{Description: means, Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}}
	}
	ready.Errors = []int{http.StatusUnauthorized, http.StatusMisdirectedRequest, http.StatusTooManyRequests}
	ready.SkipValidateParams = true
	s.registerHandler(ready, s.Readiness)

	metrics := operation(http.MethodGet, "/metrics", "getMetrics", "operations", "Metrics for Prometheus")
	metrics.Responses = plainResponse(http.StatusOK, "In the text format of Prometheus", "text/plain")
	metrics.SkipValidateParams = true
	s.registerHandler(metrics, promhttp.HandlerFor(s.Metrics.registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(s.Logger.Handler(), slog.LevelWarn),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: 4,
		Timeout:             scrapeTime + time.Second,
	}))
}

// registerHandler registers an operation that another handler serves.
func (s *server) registerHandler(op huma.Operation, to http.Handler) {
	huma.Register(s.api, op, func(context.Context, *struct{}) (*huma.StreamResponse, error) {
		return &huma.StreamResponse{Body: func(ctx huma.Context) {
			r, w := humago.Unwrap(ctx)
			to.ServeHTTP(w, r)
		}}, nil
	})
}

// writeJSON writes a JSON object on one line.
func writeJSON(w http.ResponseWriter, status int, object any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(object) // fails only if the client disconnected
}
