package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"shotline/client"
	"shotline/jobs"
	"shotline/jobs/finding"
	"shotline/jobs/summary"
	"shotline/jobs/timeline"
)

// Store has the methods of a jobs.Store that the API uses.
type Store interface {
	summary.Summaries
	summary.RowSource
	jobs.RequestReader
	Batches(ctx context.Context, before string, limit int) ([]jobs.Batch, error)
	timeline.Source
	Job(ctx context.Context, id jobs.ID) (jobs.Job, error)
	Search(ctx context.Context, f jobs.JobSearch) (page []jobs.Job, next jobs.ID, err error)
	FilesOf(ctx context.Context, batch string, after, last int64) ([]jobs.File, error)
	Refusals(ctx context.Context) ([]jobs.Refusal, error)
	Delivery(ctx context.Context, seq int64) (jobs.KeptDelivery, error)
	EventRange(ctx context.Context) (oldest, newest int64, err error)
	AddJob(ctx context.Context, spec jobs.BatchSpec, r jobs.Request, at time.Time) (jobs.Job, error)
	Pause(ctx context.Context, batch, reason string, at time.Time) error
	Resume(ctx context.Context, batch string, at time.Time) error
	finding.Reader
	SetBudget(ctx context.Context, batch string, credits *float64) error
	Callbacks(ctx context.Context, f jobs.CallbackFilter) ([]jobs.Callback, error)
	ReplayCallbacks(ctx context.Context, f jobs.CallbackFilter, at time.Time) (int, error)
}

// Work has the actions that take more than one step. An
// *orchestrator.Orchestrator implements it.
type Work interface {
	// ImportBatch creates a batch from all requests until next returns io.EOF. If
	// there is an error, or if ctx ends, nothing of the batch remains.
	ImportBatch(ctx context.Context, spec jobs.BatchSpec, next func() (jobs.Request, error)) (jobs.Batch, error)
	// PreviewBatch returns what ImportBatch would do. It changes nothing.
	PreviewBatch(ctx context.Context, spec jobs.BatchSpec, next func() (jobs.Request, error)) (jobs.Preview, error)
	// AmendBatch puts corrected rows back into a batch. If a row cannot be used, it
	// returns a *jobs.AmendError, and changes nothing. After any other error the same
	// call continues.
	AmendBatch(ctx context.Context, batch string, next func() (jobs.Request, error), options jobs.AmendOptions) (jobs.AmendCounts, error)
	RetryJob(ctx context.Context, id jobs.ID) (jobs.RetryCounts, error)
	RetryBatch(ctx context.Context, batch string, states []jobs.State) (jobs.RetryCounts, error)
	CancelJob(ctx context.Context, id jobs.ID) (jobs.CancelCounts, error)
	CancelBatch(ctx context.Context, batch string) (jobs.CancelCounts, error)
	// AwaitJob returns when the job has ended. If ctx ends or the process stops
	// before, it returns the job in its current state and context.DeadlineExceeded
	// or context.Canceled.
	AwaitJob(ctx context.Context, id jobs.ID) (jobs.Job, error)
	// AwaitBatch does the same for a batch.
	AwaitBatch(ctx context.Context, id string) (jobs.Batch, error)
	// Follow calls send with the events after f.After as they happen, and with the
	// position up to which the log was read. If there are no events for the time of
	// a heartbeat, it calls send with an empty page. Follow returns when ctx ends,
	// send fails or the process stops.
	Follow(ctx context.Context, f jobs.EventFilter, heartbeat time.Duration, send func(page []jobs.Event, upTo int64) error) error
}

// Config configures the API. Fields are required unless their comment states a
// default.
type Config struct {
	Readiness *Readiness
	Metrics   *Metrics
	Store     Store
	Work      Work
	Outputs   Outputs
	Now       func() time.Time
	NewID     func() string // returns a new batch ID
	// CheckURL returns an error if a URL must not be used for callbacks. The error
	// does not contain the URL.
	CheckURL func(url string) error
	ImageDir string // where fetched outputs are kept; empty: they are not kept
	// ImageMode is the mode of kept files; 0: DefaultImageMode.
	ImageMode fs.FileMode
	SpoolDir  string // folder of batch bodies while they arrive, such as that of the database
	MaxBatch  int64  // maximum size of a batch body in bytes; 0: DefaultMaxBatch
	MaxRows   int    // maximum number of rows of a batch; 0: no limit
	// Balance returns the credits of the vendor's account for dry runs; nil:
	// they are left out.
	Balance func(ctx context.Context) (float64, error)
	Room    func() error // returns jobs.ErrNoRoom if the disk has no room for new work; nil: no check
	Access  Access       // the zero value: every client on this machine may do everything
	Version string       // of the program, for the contract
	Logger  *slog.Logger // nil: no logs

	step      time.Duration // 0: stepTime
	heartbeat time.Duration // 0: heartbeatInterval

	outputRetry client.RetryPolicy // zero: client.OutputRetryPolicy
}

// server holds the state of the API.
type server struct {
	Config
	mux     *http.ServeMux
	api     huma.API
	images  *images
	uploads *slots // batch bodies that are being received
	waits   *slots
	streams *slots
	frames  frameCache

	shieldedFrames frameCache // for read-only tokens
}

// DefaultMaxBatch is the default maximum size of a batch body, in bytes.
const DefaultMaxBatch = 256 << 20

// New returns the handler of all routes.
func New(cfg Config) (http.Handler, error) {
	s, err := newServer(cfg)
	if err != nil {
		return nil, fmt.Errorf("new API: %w", err)
	}
	return s.handler(), nil
}

func newServer(cfg Config) (*server, error) {
	switch {
	case cfg.Readiness == nil || cfg.Metrics == nil:
		return nil, errors.New("config: Readiness or Metrics is missing")
	case cfg.Store == nil || cfg.Work == nil || cfg.Outputs == nil:
		return nil, errors.New("config: Store, Work or Outputs is missing")
	case cfg.Now == nil || cfg.NewID == nil || cfg.CheckURL == nil:
		return nil, errors.New("config: Now, NewID or CheckURL is missing")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.step == 0 {
		cfg.step = stepTime
	}
	if cfg.heartbeat == 0 {
		cfg.heartbeat = heartbeatInterval
	}
	if cfg.outputRetry.Attempts == 0 {
		cfg.outputRetry = client.OutputRetryPolicy(rand.Float64)
	}
	if cfg.MaxBatch <= 0 {
		cfg.MaxBatch = DefaultMaxBatch
	}
	if cfg.Room == nil {
		cfg.Room = func() error { return nil }
	}
	shared := len(cfg.Access.Tokens) > 1
	s := &server{Config: cfg, mux: http.NewServeMux(),
		uploads: newSlots("batch uploads", maxUploads, shared, cfg.Metrics.uploads),
		waits:   newSlots("waiting requests", maxWaits, shared, cfg.Metrics.waits),
		streams: newSlots("event streams", maxStreams, shared, cfg.Metrics.streams)}
	var err error
	if s.images, err = openImages(cfg.ImageDir, cfg.ImageMode, cfg.Logger); err != nil {
		return nil, fmt.Errorf("image folder: %w", err)
	}
	if cfg.SpoolDir != "" {
		if err := cleanSpool(cfg.SpoolDir); err != nil {
			cfg.Logger.Warn("leftover request bodies not removed", "error", err)
		}
	}
	s.api = humago.New(s.mux, newContract(cfg.Version))
	s.api.UseMiddleware(s.checkParameters)
	for _, register := range []func(){
		s.jobRoutes, s.outputRoutes, s.batchRoutes, s.reportRoutes, s.eventRoutes, s.callbackRoutes, s.inboxRoutes, s.probeRoutes, s.docsRoutes,
	} {
		register()
	}
	for _, describe := range []func(*huma.OpenAPI){describeParameters, describeWebhooks, describeExamples} {
		describe(s.api.OpenAPI())
	}
	return s, nil
}

func (s *server) handler() http.Handler {
	return s.recoverPanics(s.withDeadlines(s.checkHost(s.authorize(plainJSON(s.route())))))
}

// route passes requests to the mux. If no route matches, it responds with a
// problem document instead of the text of the mux.
func (s *server) route() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, pattern := s.mux.Handler(r); pattern != "" {
			s.mux.ServeHTTP(w, r)
			return
		}
		probe := &responseProbe{header: http.Header{}}
		s.mux.ServeHTTP(probe, r)
		if probe.status != http.StatusMethodNotAllowed {
			writeProblem(w, http.StatusNotFound, "there is no route at this path")
			return
		}
		w.Header().Set("Allow", probe.header.Get("Allow"))
		writeProblem(w, http.StatusMethodNotAllowed, "this path accepts only "+probe.header.Get("Allow"))
	})
}

// responseProbe records the header and the status of a response and discards its
// body.
type responseProbe struct {
	header http.Header
	status int
}

func (s *responseProbe) Header() http.Header         { return s.header }
func (s *responseProbe) WriteHeader(status int)      { s.status = status }
func (s *responseProbe) Write(p []byte) (int, error) { return len(p), nil }
