package api

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
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
	return localOnly(mux), nil
}

// localOnly answers who asks this machine by a name of its own. A web page whose
// host name was made to point here asks by that name; what listens on loopback
// without access control must not answer it.
func localOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isLocal(r.Host) {
			answer(w, http.StatusMisdirectedRequest, map[string]string{"error": "ask for localhost or a loopback address"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isLocal takes a Host header, with or without a port. None at all comes from
// no browser.
func isLocal(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return host == "" || strings.EqualFold(host, "localhost") || net.ParseIP(host).IsLoopback()
}

// answer writes one JSON object on one line.
func answer(w http.ResponseWriter, status int, object any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(object) // whoever left does not need it
}
