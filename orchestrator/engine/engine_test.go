package engine_test

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"shotline/client"
	"shotline/jobs"
	"shotline/jobs/sqlite"
	"shotline/orchestrator"
	"shotline/orchestrator/engine"
	"shotline/receiver/signature"
)

// countingVendor counts the creates.
type countingVendor struct {
	orchestrator.Vendor
	creates *atomic.Int64
}

func (c countingVendor) Create(ctx context.Context, r client.CreateRequest) (client.Screenshot, error) {
	c.creates.Add(1)
	return c.Vendor.Create(ctx, r)
}

// endRecorder records the provenance of each closed job.
type endRecorder struct {
	mu     sync.Mutex
	closed []jobs.Provenance
}

func (h *endRecorder) Changed(e jobs.Effects) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, closed := range e.Closed {
		h.closed = append(h.closed, closed.By)
	}
}
func (*endRecorder) Applied(jobs.Applied) {}
func (*endRecorder) Doubts(int, int, int) {}

func TestSignedWebhookClosesAJob(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var creates, accepted atomic.Int64
	observer := &endRecorder{}
	e := r.start(func(c *engine.Config) {
		c.Role = "shop"
		c.Observer = observer
		c.WrapVendor = func(v orchestrator.Vendor) orchestrator.Vendor { return countingVendor{v, &creates} }
		c.WebhookObserver = func(result string, _ time.Duration) {
			if result == "accepted" {
				accepted.Add(1)
			}
		}
	})
	job := r.submit(e, "example.com")
	if job.State != jobs.Queued || job.URL != "https://example.com/" {
		t.Errorf("submitted: %s, %s; want queued, https://example.com/", job.State, job.URL)
	}
	job = r.await(e, job.ID)
	if job.ClosedBy != jobs.ByWebhook || job.ImageURL == "" {
		t.Errorf("closed by %s with image %q, want by webhook with an image", job.ClosedBy, job.ImageURL)
	}
	image, err := e.Client().Thumbnail(t.Context(), job.ScreenshotID, client.ThumbnailOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if image.ContentType != "image/png" || image.Body.Close() != nil {
		t.Errorf("got content type %s, want image/png", image.ContentType)
	}
	workers, err := e.Store().Workers(t.Context(), job.CreatedAt.Add(-jobs.WorkerAlive))
	r.must(err)
	if len(workers) != 1 || workers[0].Role != "shop" || !workers[0].Receives || workers[0].PID != os.Getpid() {
		t.Errorf("workers: %+v, want one of role shop that receives, in this process", workers)
	}
	r.must(r.vendor.Idle(r.soon())) // the webhook was answered
	r.must(e.Stop())
	observer.mu.Lock()
	defer observer.mu.Unlock()
	if creates.Load() != 1 || accepted.Load() != 1 || len(observer.closed) != 1 {
		t.Errorf("%d creates, %d webhooks and %d closures were observed, want one of each", creates.Load(), accepted.Load(), len(observer.closed))
	}
}

func TestVendorIsPolledWithoutWebhooks(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.start(func(c *engine.Config) { c.Apps, c.WebhookSecrets = nil, nil })
	if job := r.await(e, r.submit(e, "https://example.com/").ID); job.ClosedBy != jobs.ByPoll {
		t.Errorf("closed by %s, want by poll", job.ClosedBy)
	}
	if code := r.post(r.webhook(testSecret)); code != http.StatusNotFound {
		t.Errorf("a webhook was answered %d, want 404", code)
	}
}

// webhook returns a webhook for an unknown screenshot.
func (r *rig) webhook(secret string) *http.Request {
	r.t.Helper()
	body := `{"event":"screenshot.completed","screenshot_id":"1","status":"done"}`
	request, err := http.NewRequestWithContext(r.soon(), http.MethodPost, r.hooks, strings.NewReader(body))
	r.must(err)
	if secret != "" {
		request.Header.Set(signature.HeaderGuide, signature.Sign(secret, []byte(body)))
	}
	return request
}

func TestWebhooksAreVerified(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.open(func(c *engine.Config) { c.WebhookSecrets = []string{"new", testSecret} })
	for secret, want := range map[string]int{testSecret: 200, "new": 200, "forged": 401, "": 401} {
		if code := r.post(r.webhook(secret)); code != want {
			t.Errorf("a webhook signed with %q was answered %d, want %d", secret, code, want)
		}
	}
	r.must(e.Stop())
	if code := r.post(r.webhook("new")); code != http.StatusServiceUnavailable {
		t.Errorf("after Stop a webhook was answered %d, want 503", code)
	}
	r.open(func(c *engine.Config) { c.WebhookSecrets, c.InsecureNoSecret = nil, true })
	if code := r.post(r.webhook("")); code != 200 {
		t.Errorf("an engine that verifies nothing answered %d, want 200", code)
	}
}

func TestLifeCycle(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.must(r.open().Stop()) // without Start

	e := r.start()
	if err := e.Start(); err == nil {
		t.Error("the second Start did not fail")
	}
	r.await(e, r.submit(e, "https://example.com/").ID)
	e.Drain()
	e.Drain()
	if code := r.post(r.webhook(testSecret)); code != 200 {
		t.Errorf("after Drain a webhook was answered %d, want 200", code)
	}
	r.must(e.Stop())
	r.must(e.Stop())
	if err := e.Start(); !errors.Is(err, engine.ErrStopped) {
		t.Errorf("Start after Stop: %v, want ErrStopped", err)
	}
	if _, err := e.Submit(t.Context(), engine.Request{URL: "https://example.com/"}); !errors.Is(err, engine.ErrStopped) {
		t.Errorf("Submit after Stop: %v, want ErrStopped", err)
	}
	if _, err := os.Stat(r.db + "-wal"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the database is still open: %v", err)
	}
}

func TestStoreOfTheCallerStaysOpen(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	store, err := sqlite.Open(t.Context(), r.db)
	r.must(err)
	defer func() { r.must(store.Close()) }()
	e := r.start(func(c *engine.Config) { c.Store = store })
	job := r.await(e, r.submit(e, "https://example.com/").ID)
	r.must(e.Stop())
	if _, err := store.Job(t.Context(), job.ID); err != nil {
		t.Errorf("after Stop: %v", err)
	}
}

// blockedVendor blocks creates until they are released.
type blockedVendor struct {
	orchestrator.Vendor
	begun   chan struct{}
	release chan struct{}
}

func (h blockedVendor) Create(ctx context.Context, r client.CreateRequest) (client.Screenshot, error) {
	h.begun <- struct{}{}
	<-h.release
	return h.Vendor.Create(ctx, r)
}

// Stop is called while a create is under way, a second job is queued, and a
// caller waits. The engine finishes the create. The next engine submits the
// second job and receives the webhooks.
func TestNextEngineContinuesAfterStop(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	vendor := blockedVendor{begun: make(chan struct{}, 10), release: make(chan struct{})}
	e := r.open(func(c *engine.Config) {
		c.Concurrency = 1
		c.WrapVendor = func(v orchestrator.Vendor) orchestrator.Vendor { vendor.Vendor = v; return vendor }
	})
	var ids []jobs.ID
	b, err := e.SubmitBatch(r.soon(), jobs.BatchSpec{}, func(yield func(engine.Row) bool) {
		_ = yield(engine.Row{URL: "https://a.test/"}) && yield(engine.Row{URL: "https://b.test/"})
	})
	r.must(err)
	for row := range int64(2) {
		ids = append(ids, jobs.ID{Batch: b.ID, Row: row + 1})
	}
	r.must(e.Start())
	<-vendor.begun

	waited := make(chan error, 1)
	go func() {
		_, err := e.Await(r.soon(), ids[0])
		waited <- err
	}()
	stopped := make(chan error, 1)
	go func() { stopped <- e.Stop() }()
	if err := <-waited; !errors.Is(err, engine.ErrStopped) {
		t.Errorf("the wait ended with %v, want ErrStopped", err)
	}
	close(vendor.release)
	r.must(<-stopped)

	e = r.open()
	var states []jobs.State
	for _, id := range ids {
		job, err := e.Store().Job(t.Context(), id)
		r.must(err)
		states = append(states, job.State)
	}
	// The webhook might have arrived, but is not applied before Start.
	if states[0] != jobs.Pending || states[1] != jobs.Queued {
		t.Errorf("after Stop the jobs are %v, want pending and queued", states)
	}
	r.must(e.Start())
	for _, id := range ids {
		r.await(e, id)
	}
	if creates := r.vendor.Ledger().Creates; len(creates) != 2 {
		t.Errorf("the vendor saw %d creates, want 2", len(creates))
	}
}

func TestTwoEnginesOnDifferentFiles(t *testing.T) {
	t.Parallel()
	one, other := newRig(t), newRig(t)
	e, f := one.start(), other.start()
	job, second := one.submit(e, "https://one.test/"), other.submit(f, "https://other.test/")
	one.await(e, job.ID)
	other.await(f, second.ID)
	if _, err := f.Await(t.Context(), job.ID); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("the job of one engine in the other: %v, want ErrNotFound", err)
	}
	one.must(e.Stop())
	other.await(f, other.submit(f, "https://other.test/again").ID)
}

func TestTwoEnginesOnOneFile(t *testing.T) {
	t.Parallel()
	for name, redis := range map[string]string{"embedded queues": "", "one Redis": "redis://" + miniredis.RunT(t).Addr()} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			shared := func(c *engine.Config) { c.RedisURL = redis }
			e, f := r.start(shared), r.start(shared)
			b, err := e.SubmitBatch(r.soon(), jobs.BatchSpec{}, numbered(50))
			r.must(err)
			if b, err = f.AwaitBatch(r.soon(), b.ID); err != nil || b.Counts.Of(jobs.Done) != 50 {
				t.Fatalf("%d done, %v; want 50", b.Counts.Of(jobs.Done), err)
			}
			r.must(e.Stop())
			r.await(f, r.submit(f, "https://after.test/").ID)
			if creates := r.vendor.Ledger().Creates; len(creates) != 51 {
				t.Errorf("the vendor saw %d creates, want 51", len(creates))
			}
		})
	}
}
