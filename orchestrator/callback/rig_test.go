package callback

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"shotline/client/outward"
	"shotline/jobs"
	"shotline/jobs/sqlite"
	"shotline/jobs/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock shows a fixed time until a test advances it.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2031, 5, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// tasks is a queue that stores its tasks, or returns err if it is set.
type tasks struct {
	mu     sync.Mutex
	queued []task
	err    error
}

func (q *tasks) EnqueueCallback(_ context.Context, seq, generation int64, lane string) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return q.err
	}
	q.queued = append(q.queued, task{seq, generation, lane})
	return nil
}

func (q *tasks) take() []task {
	q.mu.Lock()
	defer q.mu.Unlock()
	taken := q.queued
	q.queued = nil
	return taken
}

// attempts is an Observer that counts attempts by kind and outcome.
type attempts struct {
	mu     sync.Mutex
	counts map[string]int
}

func (a *attempts) Attempted(kind string, outcome Outcome, _ time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.counts[kind+" "+string(outcome)]++
}

func (a *attempts) count(key string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.counts[key]
}

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *logBuffer) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *logBuffer) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// rig is a deliverer with a real store. Its loops do not run: tests call the
// single steps.
type rig struct {
	*Deliverer
	t        *testing.T
	path     string
	store    *sqlite.Store
	clock    *clock
	tasks    *tasks
	attempts *attempts
	log      *logBuffer
	jobs     int // number of jobs

	claimFor time.Duration // claimFor of processes
}

const secretA, secretB = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"

// loopback allows calls to this machine.
func loopback() *outward.Guard {
	return outward.NewGuard([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")})
}

func newRig(t *testing.T, change ...func(*Config)) *rig {
	t.Helper()
	r := &rig{t: t, path: filepath.Join(t.TempDir(), "rig.db"), clock: newClock(), tasks: &tasks{},
		attempts: &attempts{counts: map[string]int{}}, log: &logBuffer{}, claimFor: time.Second}
	createStore(t, r.path)
	r.store = openStore(t, r.path)
	r.Deliverer = r.newDeliverer("w1", r.store, change...)
	return r
}

// createStore writes a store without rows to a file.
var createStore = storetest.Template(func(path string) (jobs.Store, error) {
	return sqlite.Open(context.Background(), path)
})

func openStore(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	store, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// newDeliverer returns a deliverer on the rig's queue, as in another process or
// after a restart.
func (r *rig) newDeliverer(worker string, store Store, change ...func(*Config)) *Deliverer {
	r.t.Helper()
	cfg := Config{Worker: worker, Guard: loopback(), Secrets: []string{secretA}}
	for _, f := range change {
		f(&cfg)
	}
	d, err := New(cfg, Parts{
		Store: store, Queue: r.tasks, Now: r.clock.Now, Observer: r.attempts, Random: func() float64 { return 0.5 },
		Logger: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(d.Stop)
	r.must(d.Open(r.t.Context()))
	return d
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// job adds a single job with a callback URL.
func (r *rig) job(url string) jobs.ID {
	r.t.Helper()
	r.jobs++
	j, err := r.store.AddJob(r.t.Context(), jobs.BatchSpec{ID: fmt.Sprintf("j%d", r.jobs), CallbackURL: url},
		jobs.Request{URL: fmt.Sprintf("https://example.com/%d", r.jobs)}, r.clock.Now())
	r.must(err)
	return j.ID
}

// batch adds an open batch of n jobs.
func (r *rig) batch(id, url string, n int) {
	r.t.Helper()
	ctx := r.t.Context()
	r.must(r.store.CreateBatch(ctx, jobs.BatchSpec{ID: id, CallbackURL: url, Source: "a <b>.csv"}, r.clock.Now()))
	requests := make([]jobs.Request, n)
	for i := range requests {
		requests[i].URL = fmt.Sprintf("https://example.com/%s/%d", id, i)
	}
	r.must(r.store.AppendRequests(ctx, id, requests, r.clock.Now()))
	_, err := r.store.OpenBatch(ctx, id, r.clock.Now())
	r.must(err)
}

// cancel cancels jobs, which creates an event for each.
func (r *rig) cancel(ids ...jobs.ID) {
	r.t.Helper()
	_, err := r.store.Cancel(r.t.Context(), ids, r.clock.Now())
	r.must(err)
}

// end closes all queued jobs of a batch with the outcome.
func (r *rig) end(batch string, outcome jobs.Outcome) {
	r.t.Helper()
	ctx, now := r.t.Context(), r.clock.Now()
	leases, err := r.store.Lease(ctx, batch, "w1", 1000, now, now.Add(30*time.Second))
	r.must(err)
	for _, lease := range leases {
		_, err := r.store.OpenIntent(ctx, lease, now, now.Add(30*time.Second))
		r.must(err)
		seen := jobs.Observation{Job: lease.Job.ID, Attempt: lease.Attempt, ScreenshotID: "s" + lease.Job.ID.String(), Outcome: outcome}
		if outcome == jobs.OutcomeDone {
			seen.ImageURL = "https://cdn.example/" + lease.Job.ID.String() + ".png"
		} else {
			seen.Error = "no <such> host"
		}
		_, err = r.store.Observe(ctx, []jobs.Observation{seen}, jobs.ByCreate, now, now.Add(time.Minute))
		r.must(err)
	}
}

// work runs one step of the loop and the tasks that it enqueued. It returns their
// errors.
func (r *rig) work() (ended []error) {
	r.t.Helper()
	r.must(r.WatchOnce(r.t.Context()))
	for _, t := range r.tasks.take() {
		ended = append(ended, r.Deliver(r.t.Context(), t.seq, t.generation, t.lane))
	}
	return ended
}

// callbacks returns all callbacks, oldest first.
func (r *rig) callbacks() (all []jobs.Callback) {
	r.t.Helper()
	page, err := r.store.Callbacks(r.t.Context(), jobs.CallbackFilter{Limit: 1000})
	r.must(err)
	for i := len(page) - 1; i >= 0; i-- {
		all = append(all, page[i])
	}
	return all
}

// only returns the only callback.
func (r *rig) only() jobs.Callback {
	r.t.Helper()
	all := r.callbacks()
	if len(all) != 1 {
		r.t.Fatalf("%d callbacks, want 1", len(all))
	}
	return all[0]
}

// receipt is a callback that a target received.
type receipt struct {
	header http.Header
	body   []byte
	path   string
}

func (r receipt) id() string { return r.header.Get("webhook-id") }

// target is a server on loopback whose response tests can change.
type target struct {
	*httptest.Server
	mu       sync.Mutex
	receipts []receipt
	answer   http.HandlerFunc
	arrived  chan receipt // receipts beyond its capacity are dropped
}

func newTarget(t *testing.T, answer http.HandlerFunc) *target {
	t.Helper()
	to := &target{answer: answer, arrived: make(chan receipt, 10_000)}
	to.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		data, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		got := receipt{r.Header.Clone(), data, r.URL.Path}
		to.mu.Lock()
		to.receipts = append(to.receipts, got)
		answer := to.answer
		to.mu.Unlock()
		select {
		case to.arrived <- got:
		default:
		}
		if answer != nil {
			answer(w, r)
		}
	}))
	t.Cleanup(to.Close)
	return to
}

func (to *target) got() []receipt {
	to.mu.Lock()
	defer to.mu.Unlock()
	return append([]receipt(nil), to.receipts...)
}

func (to *target) setAnswer(with http.HandlerFunc) {
	to.mu.Lock()
	defer to.mu.Unlock()
	to.answer = with
}

// next waits for a callback.
func (to *target) next(t *testing.T) receipt {
	t.Helper()
	select {
	case got := <-to.arrived:
		return got
	case <-time.After(30 * time.Second):
		t.Fatal("no callback arrived")
		return receipt{}
	}
}

func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}
