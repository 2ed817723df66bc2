package engine_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"shotline/client/sandbox"
	"shotline/jobs"
	"shotline/jobs/sqlite"
	"shotline/orchestrator/engine"
)

func TestMain(m *testing.M) {
	slog.SetDefault(slog.New(slog.DiscardHandler)) // examples set no logger
	goleak.VerifyTestMain(m)
}

const (
	testKey    = "key"
	testSecret = "s3cret"
	hooksPath  = "/hooks/screenshots"
)

// rig is a vendor, and the web server of a program that mounts an engine's webhook
// handler.
type rig struct {
	t      *testing.T
	vendor *sandbox.Server
	url    string // of the vendor's API
	hooks  string // where webhooks are sent to
	mounts chan http.Handler
	db     string
}

func newRig(t *testing.T, change ...func(*sandbox.Config)) *rig {
	t.Helper()
	r := &rig{t: t, mounts: make(chan http.Handler, 1), db: filepath.Join(t.TempDir(), "shots.db")}
	r.mounts <- http.NotFoundHandler()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		mounted := <-r.mounts
		r.mounts <- mounted
		mounted.ServeHTTP(w, request)
	}))
	r.hooks = server.URL + hooksPath
	cfg := sandbox.Config{APIKey: testKey, WebhookURL: r.hooks, WebhookSecret: testSecret, WebhookTries: 1000,
		RetryBackoff: func(int) time.Duration { return 20 * time.Millisecond }}
	for _, f := range change {
		f(&cfg)
	}
	var err error
	if r.vendor, err = sandbox.New(cfg); err != nil {
		t.Fatal(err)
	}
	api := httptest.NewServer(r.vendor.Handler())
	r.vendor.SetBaseURL(api.URL)
	r.url = api.URL + "/api/v1"
	t.Cleanup(func() {
		if err := r.vendor.Close(); err != nil {
			t.Error(err)
		}
		api.Close()
		server.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return r
}

func (r *rig) config() engine.Config {
	return engine.Config{
		OpenStore: sqlite.Opener(r.db), APIKey: testKey, BaseURL: r.url, Apps: []jobs.App{{ID: "12"}}, WebhookSecrets: []string{testSecret},
		Logger: slog.New(slog.DiscardHandler),
	}
}

// open opens an engine and mounts its webhook handler. The engine stops at the end of
// the test at the latest.
func (r *rig) open(change ...func(*engine.Config)) *engine.Engine {
	r.t.Helper()
	cfg := r.config()
	for _, f := range change {
		f(&cfg)
	}
	e, err := engine.Open(r.t.Context(), cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { r.must(e.Stop()) })
	<-r.mounts
	r.mounts <- e.Webhooks()
	return e
}

// start opens and starts an engine.
func (r *rig) start(change ...func(*engine.Config)) *engine.Engine {
	r.t.Helper()
	e := r.open(change...)
	r.must(e.Start())
	return e
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// soon returns a context for calls that should take a moment.
func (r *rig) soon() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	r.t.Cleanup(cancel)
	return ctx
}

func (r *rig) submit(e *engine.Engine, url string) jobs.Job {
	r.t.Helper()
	job, err := e.Submit(r.soon(), engine.Request{URL: url})
	r.must(err)
	return job
}

// await waits until a job ends, which must be done.
func (r *rig) await(e *engine.Engine, id jobs.ID) jobs.Job {
	r.t.Helper()
	job, err := e.Await(r.soon(), id)
	r.must(err)
	if job.State != jobs.Done {
		r.t.Fatalf("job %s is %s (%s), want done", id, job.State, job.Error)
	}
	return job
}

// post sends a body to the program's server.
func (r *rig) post(body *http.Request) int {
	r.t.Helper()
	response, err := http.DefaultClient.Do(body)
	r.must(err)
	r.must(response.Body.Close())
	return response.StatusCode
}
