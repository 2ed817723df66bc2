package api

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"shotline/jobs"
)

// Store is what is read of the store, and written to it in one step; every
// jobs.Store is one.
type Store interface {
	jobs.Reader
	AddJob(ctx context.Context, spec jobs.BatchSpec, r jobs.Request, at time.Time) (jobs.Job, error)
}

// Work is what takes more than one step; an *orchestrator.Orchestrator does it.
type Work interface {
	RetryJob(ctx context.Context, id jobs.ID) (jobs.RetryCounts, error)
	CancelJob(ctx context.Context, id jobs.ID) (jobs.CancelCounts, error)
}

// Config is what the API is made of. What has no default beside it is required.
type Config struct {
	Readiness *Readiness
	Metrics   *Metrics
	Store     Store
	Work      Work
	Now       func() time.Time
	NewID     func() string // of batches
	// CheckURL says what is wrong with a URL that is to be called back, nil when
	// nothing is. Its errors do not repeat the URL.
	CheckURL func(url string) error
	Access   Access       // the zero value: anybody on this machine may do anything
	Version  string       // of the program, for the contract
	Logger   *slog.Logger // nil means none
}

// server is the API with all it needs.
type server struct {
	Config
	mux *http.ServeMux
	api huma.API
}

// New returns the handler of all routes.
func New(cfg Config) (http.Handler, error) {
	switch {
	case cfg.Readiness == nil || cfg.Metrics == nil:
		return nil, errors.New("new API: readiness or metrics are missing")
	case cfg.Store == nil || cfg.Work == nil:
		return nil, errors.New("new API: store or work are missing")
	case cfg.Now == nil || cfg.NewID == nil || cfg.CheckURL == nil:
		return nil, errors.New("new API: a function is missing")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &server{Config: cfg, mux: http.NewServeMux()}
	s.api = humago.New(s.mux, contract(cfg.Version))
	for _, register := range []func(){
		s.probeRoutes, s.jobRoutes,
	} {
		register()
	}
	return s.recovered(s.paced(s.named(s.admitted(s.routed())))), nil
}

// routed answers what no route takes with a problem, as everything else is.
func (s *server) routed() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := s.mux.Handler(r); pattern != "" {
			s.mux.ServeHTTP(w, r)
			return
		}
		asked := &silent{header: http.Header{}}
		s.mux.ServeHTTP(asked, r)
		if asked.status != http.StatusMethodNotAllowed {
			writeProblem(w, http.StatusNotFound, "there is nothing at this path")
			return
		}
		w.Header().Set("Allow", asked.header.Get("Allow"))
		writeProblem(w, http.StatusMethodNotAllowed, "this path takes "+asked.header.Get("Allow"))
	})
}

// silent hears what the mux would answer.
type silent struct {
	header http.Header
	status int
}

func (s *silent) Header() http.Header         { return s.header }
func (s *silent) WriteHeader(status int)      { s.status = status }
func (s *silent) Write(p []byte) (int, error) { return len(p), nil }
