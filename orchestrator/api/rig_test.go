package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"shotline/client"
	"shotline/client/outward"
	"shotline/jobs"
	"shotline/jobs/sqlite"
	"shotline/jobs/storetest"
	"shotline/orchestrator"
)

// rig is the API with a real store and a real orchestrator. Its vendor is
// unreachable unless a test replaces it.
type rig struct {
	t        *testing.T
	store    jobs.Store
	clock    *clock
	config   Config
	url      string
	token    string // sent with each request unless empty
	host     string // Host header; empty: that of the URL
	api      *server
	work     *orchestrator.Orchestrator
	mux      *http.ServeMux
	contract *contractLog
	events   int64 // number of events used for callbacks
}

// unreachableVendor is a vendor that cannot be reached.
type unreachableVendor struct{}

var errUnreachable = errors.New("vendor unreachable")

func (unreachableVendor) Create(context.Context, client.CreateRequest) (client.Screenshot, error) {
	return client.Screenshot{}, errUnreachable
}
func (unreachableVendor) Info(context.Context, string) (client.Screenshot, error) {
	return client.Screenshot{}, errUnreachable
}
func (unreachableVendor) List(context.Context, client.ListOptions) ([]client.Screenshot, error) {
	return nil, errUnreachable
}
func (unreachableVendor) Search(context.Context, client.SearchOptions) ([]client.Screenshot, error) {
	return nil, errUnreachable
}

// nopQueue is a queue that does nothing.
type nopQueue struct{}

func (nopQueue) EnqueueSubmit(context.Context, string, int64, time.Time) error { return nil }
func (nopQueue) EnqueueSubmits(context.Context, []string, int64) error         { return nil }
func (nopQueue) EnqueueSummaries(context.Context, []string, int64) error       { return nil }
func (nopQueue) EnqueueDeadlines(context.Context, time.Time, int64) error      { return nil }
func (nopQueue) EnqueueSummary(context.Context, string, int, int64) error      { return nil }
func (nopQueue) Lag(context.Context) (time.Duration, error)                    { return 0, nil }

// Sleep returns at once. With it a clock is a clock for the orchestrator.
func (c *clock) Sleep(ctx context.Context, _ time.Duration) error { return ctx.Err() }

// fakeOutputs serves the outputs of the vendor.
type fakeOutputs struct {
	calls    atomic.Int64
	have     map[string]client.Download // by KIND SCREENSHOT; Body is nil
	body     string
	broken   bool // reading the body fails
	err      error
	notReady int64 // number of calls before outputs are ready
}

func (f *fakeOutputs) get(kind, id string) (*client.Download, error) {
	if asked := f.calls.Add(1); asked <= f.notReady {
		return nil, &client.NotReadyError{API: &client.APIError{Op: "get " + kind, Status: http.StatusNotFound}}
	}
	if f.err != nil {
		return nil, f.err
	}
	d, ok := f.have[kind+" "+id]
	if !ok {
		return nil, &client.APIError{Op: "get " + kind, Status: http.StatusNotFound}
	}
	d.Body = io.NopCloser(strings.NewReader(f.body))
	if f.broken {
		d.Body = io.NopCloser(io.MultiReader(strings.NewReader(f.body[:1]), failingReader{}))
	}
	return &d, nil
}

func (f *fakeOutputs) Thumbnail(_ context.Context, id string, _ client.ThumbnailOptions) (*client.Download, error) {
	return f.get("image", id)
}
func (f *fakeOutputs) HTML(_ context.Context, id string) (*client.Download, error) {
	return f.get("html", id)
}
func (f *fakeOutputs) PDF(_ context.Context, id string) (*client.Download, error) {
	return f.get("pdf", id)
}

// createStore writes a store without rows to a file.
var createStore = storetest.Template(func(path string) (jobs.Store, error) {
	return sqlite.Open(context.Background(), path)
})

// newRig starts a server that runs until the test ends. If change is not nil, it
// can change the configuration first.
func newRig(t *testing.T, change func(*Config)) *rig {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.db")
	createStore(t, path)
	store, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, store: store, clock: newClock()}
	work := r.newWork()
	readiness := NewReadiness(r.clock.Now, Check{"store", func(context.Context) error { return nil }})
	var made atomic.Int64
	r.config = Config{
		Readiness: readiness,
		Metrics: NewMetrics("v1", []string{"accepted", "not_kept"}, Sources{
			Store: store, Storage: func() Storage { return Storage{} }, Readiness: readiness,
			Queues:    func(context.Context) ([]Queue, error) { return nil, nil },
			Listeners: func() []Connections { return nil },
		}),
		Store: store, Work: work, Outputs: &fakeOutputs{}, Now: r.clock.Now, Version: "v1",
		NewID:    func() string { return fmt.Sprintf("b%d", made.Add(1)) },
		CheckURL: outward.NewGuard([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}).CheckURL,
		Access:   Access{Loopback: true},
	}
	r.config.SpoolDir = t.TempDir()
	if change != nil {
		change(&r.config)
	}
	api, err := newServer(r.config)
	if err != nil {
		t.Fatal(err)
	}
	r.api, r.work = api, work
	r.mux, r.contract = api.mux, &contractLog{doc: api.api.OpenAPI(), received: map[string]bool{}}
	handler := api.handler()
	server := httptest.NewServer(handler)
	r.url = server.URL
	t.Cleanup(func() {
		work.Drain() // ends the streams
		server.Close()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// newWork returns an orchestrator on the rig's store.
func (r *rig) newWork() *orchestrator.Orchestrator {
	r.t.Helper()
	work, err := orchestrator.New(orchestrator.Config{Worker: jobs.Worker{ID: "worker"}},
		orchestrator.Parts{Store: r.store, Vendor: unreachableVendor{}, Queue: nopQueue{}, Clock: r.clock, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		r.t.Fatal(err)
	}
	return work
}

// anotherProcess serves the same store at another URL, which it returns.
func (r *rig) anotherProcess() string {
	r.t.Helper()
	work := r.newWork()
	cfg := r.config
	cfg.Work = work
	handler, err := New(cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	r.t.Cleanup(func() {
		work.Drain()
		server.Close()
	})
	return server.URL
}

// startServer starts a server with a small write buffer and returns its URL.
func startServer(t *testing.T, handler http.Handler, writeTimeout time.Duration) string {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.WriteTimeout = writeTimeout
	server.Config.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		if err := c.(*net.TCPConn).SetWriteBuffer(4 << 10); err != nil {
			t.Error(err)
		}
		return ctx
	}
	server.Start()
	t.Cleanup(server.Close)
	return server.URL
}

// openIntent leases the job and opens its intent.
func (r *rig) openIntent(id string) jobs.Lease {
	r.t.Helper()
	job := r.job(id)
	now := r.clock.Now()
	leases, err := r.store.Lease(r.t.Context(), job.ID.Batch, "worker", 1, now, now.Add(time.Minute))
	if err != nil || len(leases) != 1 {
		r.t.Fatalf("%d leases, %v", len(leases), err)
	}
	lease, err := r.store.OpenIntent(r.t.Context(), leases[0], now, now.Add(time.Minute))
	if err != nil {
		r.t.Fatal(err)
	}
	return lease
}

// closeJob closes a queued job.
func (r *rig) closeJob(id string, state jobs.State, screenshot string) {
	r.t.Helper()
	lease, now := r.openIntent(id), r.clock.Now()
	seen := jobs.Observation{Job: lease.Job.ID, Attempt: lease.Attempt, ScreenshotID: screenshot, Outcome: jobs.OutcomeDone}
	if state != jobs.Done {
		seen.Outcome, seen.Error = jobs.OutcomeFailed, "no such page"
	}
	if screenshot == "" {
		seen.ScreenshotID = "s0"
	}
	_, err := r.store.Observe(r.t.Context(), []jobs.Observation{seen}, jobs.ByCreate, now, now.Add(time.Minute))
	if err != nil {
		r.t.Fatal(err)
	}
	if got := r.job(id); got.State != state {
		r.t.Fatalf("job %s is %s", id, got.State)
	}
}

// addDeadCallback adds a callback about a job, makes it dead and returns its
// position.
func (r *rig) addDeadCallback(id, sink string) int64 {
	r.t.Helper()
	ctx, job, now := r.t.Context(), r.job(id), r.clock.Now()
	target := jobs.Target{Sink: sink}
	if sink == "" {
		target.URL = "https://user.test/hook?token=s3cret"
	}
	r.events++
	place, err := r.store.OpenCursor(ctx, "test", now)
	if err == nil {
		_, err = r.store.AddCallbacks(ctx, "test", place, place, []jobs.Callback{{
			EventID: fmt.Sprintf("evt_%d", r.events), Type: jobs.EventJobDone, Event: r.events, Batch: job.ID.Batch, Job: job.ID, Target: target, Lane: "lane", Body: []byte("{}"),
		}}, now)
	}
	var claimed []jobs.Callback
	if err == nil {
		claimed, err = r.store.ClaimCallbacks(ctx, now, now.Add(time.Minute), 1, 1)
	}
	if err != nil || len(claimed) != 1 {
		r.t.Fatalf("%d callbacks, %v", len(claimed), err)
	}
	started, err := r.store.BeginCallback(ctx, claimed[0].Seq, claimed[0].Generation, now, now.Add(time.Minute))
	if err == nil {
		err = r.store.SettleCallback(ctx, started, jobs.CallbackEnd{State: jobs.CallbackDead, Status: 500, Error: "HTTP 500"}, now, now)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	return started.Seq
}

func (r *rig) job(id string) jobs.Job {
	r.t.Helper()
	parsed, err := jobs.ParseID(id)
	if err != nil {
		r.t.Fatal(err)
	}
	job, err := r.store.Job(r.t.Context(), parsed)
	if err != nil {
		r.t.Fatal(err)
	}
	return job
}

// kinds returns the names of all kinds of outputs.
func (f *fakeOutputs) kinds() (names []string) {
	for _, kind := range outputs {
		names = append(names, kind.name)
	}
	return names
}

// reply is a response that was read completely.
type reply struct {
	t      *testing.T
	status int
	header http.Header
	body   []byte
}

// do sends a request. Header contains names and values in turn. A body that is
// not a string or a reader is encoded as JSON.
func (r *rig) do(method, path string, body any, header ...string) reply {
	r.t.Helper()
	var sent io.Reader
	kind := ""
	switch b := body.(type) {
	case nil:
	case string:
		sent, kind = strings.NewReader(b), "application/json"
	case io.Reader:
		sent, kind = b, "application/json"
	default:
		data, err := json.Marshal(b)
		if err != nil {
			r.t.Fatal(err)
		}
		sent, kind = strings.NewReader(string(data)), "application/json"
	}
	request, err := http.NewRequestWithContext(r.t.Context(), method, r.url+path, sent)
	if err != nil {
		r.t.Fatal(err)
	}
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	if r.token != "" {
		request.Header.Set("Authorization", "Bearer "+r.token)
	}
	request.Host = r.host
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	data, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	a := reply{r.t, response.StatusCode, response.Header, data}
	r.contract.check(r.t, r.mux, request, a)
	return a
}

// want checks the status and returns the fields of the body.
func (a reply) want(status int) map[string]any {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("%d %s, want %d", a.status, a.body, status)
	}
	var fields map[string]any
	if err := json.Unmarshal(a.body, &fields); err != nil {
		a.t.Fatalf("%s: %v", a.body, err)
	}
	return fields
}

// problem checks that the response is a problem document with this status. It
// must contain the location, unless that is empty, and wantText.
func (a reply) problem(status int, location, wantText string) {
	a.t.Helper()
	fields := a.want(status)
	if kind := a.header.Get("Content-Type"); kind != problemType {
		a.t.Errorf("%s: content type %q", a.body, kind)
	}
	if fields["status"] != float64(status) || fields["title"] != http.StatusText(status) {
		a.t.Errorf("%s: status or title is wrong", a.body)
	}
	if location != "" && !strings.Contains(string(a.body), `"location":"`+location+`"`) {
		a.t.Errorf("%s: the response does not contain the location %s", a.body, location)
	}
	if !strings.Contains(string(a.body), wantText) {
		a.t.Errorf("%s: the response does not contain %q", a.body, wantText)
	}
}
