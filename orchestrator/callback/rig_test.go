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
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// clock stands still until a test moves it.
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

// task is what was enqueued.
type task struct {
	seq, generation int64
	lane            string
}

// tasks is a queue that keeps what it is given, or refuses it.
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

// attempted hears of attempts.
type attempted struct {
	mu   sync.Mutex
	told map[string]int
}

func (a *attempted) Attempted(kind string, outcome Outcome, _ time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.told[kind+" "+string(outcome)]++
}

func (a *attempted) count(of string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.told[of]
}

// journal is a log that can be read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}

// rig is a courier over a real store. Nothing runs by itself: tests call the
// steps.
type rig struct {
	*Deliverer
	t     *testing.T
	path  string
	store *sqlite.Store
	clock *clock
	tasks *tasks
	heard *attempted
	log   *journal
	made  int // jobs

	claimFor time.Duration // of processes
}

const secretA, secretB = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"

// loopback lets tests call this machine.
func loopback() *outward.Guard {
	return outward.NewGuard([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")})
}

func newRig(t *testing.T, change ...func(*Config)) *rig {
	t.Helper()
	r := &rig{t: t, path: filepath.Join(t.TempDir(), "rig.db"), clock: newClock(), tasks: &tasks{},
		heard: &attempted{told: map[string]int{}}, log: &journal{}, claimFor: time.Second}
	r.store = openStore(t, r.path)
	r.Deliverer = r.another("w1", r.store, change...)
	return r
}

func openStore(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	store, err := sqlite.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return store
}

// another is the courier of another process, or of the same one after a restart.
func (r *rig) another(worker string, store Store, change ...func(*Config)) *Deliverer {
	r.t.Helper()
	cfg := Config{Worker: worker, Guard: loopback(), Secrets: []string{secretA}}
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(cfg, Parts{
		Store: store, Queue: r.tasks, Now: r.clock.Now, Observer: r.heard, Random: func() float64 { return 0.5 },
		Logger: slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(c.Stop)
	r.must(c.Open(r.t.Context()))
	return c
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// job makes a job that came by itself, to be called at url.
func (r *rig) job(url string) jobs.ID {
	r.t.Helper()
	r.made++
	j, err := r.store.AddJob(r.t.Context(), jobs.BatchSpec{ID: fmt.Sprintf("j%d", r.made), CallbackURL: url},
		jobs.Request{URL: fmt.Sprintf("https://example.com/%d", r.made)}, r.clock.Now())
	r.must(err)
	return j.ID
}

// batch makes an open batch of n jobs.
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

// cancel ends jobs.
func (r *rig) cancel(ids ...jobs.ID) {
	r.t.Helper()
	_, err := r.store.Cancel(r.t.Context(), ids, r.clock.Now())
	r.must(err)
}

// end brings all queued jobs of a batch to an outcome.
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

// work makes one step of the loop and runs the tasks that it enqueued. It returns
// what these returned.
func (r *rig) work() (ended []error) {
	r.t.Helper()
	r.must(r.WatchOnce(r.t.Context()))
	for _, t := range r.tasks.take() {
		ended = append(ended, r.Deliver(r.t.Context(), t.seq, t.generation, t.lane))
	}
	return ended
}

// callbacks are all of them, oldest first.
func (r *rig) callbacks() (all []jobs.Callback) {
	r.t.Helper()
	page, err := r.store.Callbacks(r.t.Context(), jobs.CallbackFilter{Limit: 1000})
	r.must(err)
	for i := len(page) - 1; i >= 0; i-- {
		all = append(all, page[i])
	}
	return all
}

// only is the one callback there is.
func (r *rig) only() jobs.Callback {
	r.t.Helper()
	all := r.callbacks()
	if len(all) != 1 {
		r.t.Fatalf("%d callbacks, want 1", len(all))
	}
	return all[0]
}

// receipt is a callback as its receiver sees it.
type receipt struct {
	header http.Header
	body   []byte
	path   string
}

func (r receipt) id() string { return r.header.Get("webhook-id") }

// target is a receiver on loopback that answers as it is told.
type target struct {
	*httptest.Server
	mu       sync.Mutex
	receipts []receipt
	answer   http.HandlerFunc
	arrived  chan receipt // filled as long as there is room
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

func (to *target) answers(with http.HandlerFunc) {
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
