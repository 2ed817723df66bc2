package api

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Config is what the API is made of. All but the Logger are required.
type Config struct {
	Readiness *Readiness
	Metrics   *Metrics
	Logger    *slog.Logger // nil means none
}

// scrapeTime bounds one scrape. Prometheus gives up after ten seconds.
const scrapeTime = 8 * time.Second

// New returns the handler of all routes.
func New(cfg Config) (http.Handler, error) {
	if cfg.Readiness == nil || cfg.Metrics == nil {
		return nil, errors.New("new API: readiness or metrics are missing")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.Handle("GET /readyz", cfg.Readiness)
	mux.Handle("GET /metrics", promhttp.HandlerFor(cfg.Metrics.registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelWarn),
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: 4,
		Timeout:             scrapeTime + time.Second,
	}))
	return mux, nil
}

// answer writes one JSON object on one line.
func answer(w http.ResponseWriter, status int, object any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(object) // whoever left does not need it
}
