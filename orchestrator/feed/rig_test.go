package feed

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"shotline/jobs"
	"shotline/jobs/sqlite"
	"shotline/jobs/storetest"
)

// TestMain lets many tests run in parallel on any machine, because they mostly wait
// for the disk. A -parallel on the command line still decides.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// waitLimit bounds the waits of tests.
const waitLimit = 20 * time.Second

// rig is a feed over a real store. Tests write to the store as an orchestrator
// does.
type rig struct {
	*Feed
	t     *testing.T
	store jobs.Store
	path  string
	now   time.Time
	stop  context.CancelFunc // stops the feed
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, path: filepath.Join(t.TempDir(), "feed.db"), now: time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)}
	createStore(t, r.path)
	r.store = r.open()
	stopping, stop := context.WithCancel(t.Context())
	r.Feed, r.stop = New(stopping, r.store), stop
	return r
}

// createStore writes a store without rows to a file.
var createStore = storetest.Template(func(path string) (jobs.Store, error) {
	return sqlite.Open(context.Background(), path)
})

// open opens the rig's file once more, as another process does.
func (r *rig) open() jobs.Store {
	r.t.Helper()
	store, err := sqlite.Open(r.t.Context(), r.path)
	r.must(err)
	r.t.Cleanup(func() { store.Close() })
	return store
}

func (r *rig) ctx() context.Context { return r.t.Context() }

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// row is a row of batch b1.
func row(n int64) jobs.ID { return jobs.ID{Batch: "b1", Row: n} }

// load opens a batch of n rows.
func (r *rig) load(batch string, n int) {
	r.t.Helper()
	requests := make([]jobs.Request, n)
	for i := range requests {
		requests[i] = jobs.Request{Line: i + 1, URL: fmt.Sprintf("https://%s.test/%d/", batch, i+1)}
	}
	r.must(r.store.CreateBatch(r.ctx(), jobs.BatchSpec{ID: batch}, r.now))
	r.must(r.store.AppendRequests(r.ctx(), batch, requests, r.now))
	_, err := r.store.OpenBatch(r.ctx(), batch, r.now)
	r.must(err)
}

// submit brings the queued jobs of a batch to pending.
func (r *rig) submit(batch string) {
	r.t.Helper()
	leases, err := r.store.Lease(r.ctx(), batch, "w1", 100, r.now, r.now.Add(time.Minute))
	r.must(err)
	for _, lease := range leases {
		lease, err = r.store.OpenIntent(r.ctx(), lease, r.now, r.now.Add(time.Minute))
		r.must(err)
		r.observe(jobs.ByCreate, lease.Job.ID, lease.Job.Attempt, jobs.OutcomeProcessing)
	}
}

// end closes the first attempt of a job with an outcome.
func (r *rig) end(outcome jobs.Outcome, id jobs.ID) { r.endAttempt(outcome, id, 1) }

func (r *rig) endAttempt(outcome jobs.Outcome, id jobs.ID, attempt int) {
	r.t.Helper()
	r.observe(jobs.ByPoll, id, attempt, outcome)
	r.Wake()
}

func (r *rig) observe(by jobs.Provenance, id jobs.ID, attempt int, outcome jobs.Outcome) {
	r.t.Helper()
	o := jobs.Observation{Job: id, Attempt: attempt, ScreenshotID: fmt.Sprintf("s%s-%d", id, attempt), Outcome: outcome}
	_, err := r.store.Observe(r.ctx(), []jobs.Observation{o}, by, r.now, r.now.Add(time.Minute))
	r.must(err)
}

// cancel cancels the n jobs of a batch.
func (r *rig) cancel(batch string, n int) {
	r.t.Helper()
	ids := make([]jobs.ID, n)
	for i := range ids {
		ids[i] = jobs.ID{Batch: batch, Row: int64(i + 1)}
	}
	_, err := r.store.Cancel(r.ctx(), ids, r.now)
	r.must(err)
}

// summarize stores a summary of the newest revision of batch b1.
func (r *rig) summarize() {
	r.t.Helper()
	b, err := r.store.Batch(r.ctx(), "b1")
	r.must(err)
	stored, err := r.store.SaveSummary(r.ctx(), b.ID, b.Revision, b.Counts, []byte("{}"), r.now)
	r.must(err)
	if !stored {
		r.t.Fatal("the summary was not stored")
	}
}

// waits runs wait in a goroutine and returns when f has one more subscriber. finish
// returns the result of wait.
func (r *rig) waits(f *Feed, wait func(ctx context.Context) error) (finish func() error) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.ctx(), waitLimit)
	r.t.Cleanup(cancel)
	before := f.countSubscribers()
	done := make(chan error, 1)
	go func() { done <- wait(ctx) }()
	for f.countSubscribers() == before {
		select {
		case err := <-done:
			r.t.Fatalf("the wait ended before it began: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	return func() error { return <-done }
}

func (f *Feed) countSubscribers() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, subscribers := range f.subscribers {
		n += len(subscribers)
	}
	return n
}
