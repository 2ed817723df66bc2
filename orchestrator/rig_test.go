package orchestrator

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"shotline/client"
	"shotline/jobs"
	"shotline/jobs/sqlite"
	"shotline/jobs/storetest"
)

// TestMain lets many tests run in parallel on any machine, because they mostly
// wait for the disk. A -parallel on the command line still decides.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// rig is an orchestrator with a real store, and a scripted vendor, queue and
// clock. Its loops do not run: tests call the single steps.
type rig struct {
	*Orchestrator
	t      *testing.T
	full   jobs.Store // the store with all methods
	vendor *fakeVendor
	queue  *fakeQueue
	clock  *fakeClock
	path   string
}

func newRig(t *testing.T, change ...func(*Config)) *rig {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rig.db")
	createStore(t, path)
	return newRigAt(t, path, change...)
}

// createStore writes a store without rows to a file.
var createStore = storetest.Template(func(path string) (jobs.Store, error) {
	return sqlite.Open(context.Background(), path)
})

func newRigAt(t *testing.T, path string, change ...func(*Config)) *rig {
	t.Helper()
	r := &rig{t: t, vendor: &fakeVendor{}, queue: &fakeQueue{}, clock: newFakeClock(), path: path}
	r.Orchestrator = r.newWorker("worker1", change...)
	r.full = r.store.(jobs.Store)
	return r
}

// newWorker returns the orchestrator of another process with the same file,
// vendor, queue and clock.
func (r *rig) newWorker(worker string, change ...func(*Config)) *Orchestrator {
	r.t.Helper()
	cfg := Config{
		Worker: jobs.Worker{ID: worker, Role: "test"}, Apps: []jobs.App{{ID: "7"}},
		JobTimeout: time.Minute, DeadlineGrace: time.Minute, Settle: 10 * time.Second,
	}
	for _, f := range change {
		f(&cfg)
	}
	var options []sqlite.Option
	if cfg.MaxHeld > 0 {
		options = append(options, sqlite.WithMaxHeld(cfg.MaxHeld))
	}
	store, err := sqlite.Open(r.t.Context(), r.path, options...)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { store.Close() })
	o, err := New(cfg, Parts{Store: store, Vendor: r.vendor, Queue: r.queue, Clock: r.clock, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		r.t.Fatal(err)
	}
	return o
}

// requests are rows for Import.
type requests []jobs.Request

func (r *requests) Next() (jobs.Request, error) {
	if len(*r) == 0 {
		return jobs.Request{}, io.EOF
	}
	first := (*r)[0]
	*r = (*r)[1:]
	return first, nil
}

const rigBatch = "b1"

// load imports n rows as batch b1.
func (r *rig) load(n int) {
	r.t.Helper()
	r.loadAs(rigBatch, n)
}

// loadAs imports n rows as a batch. Each batch has another host in its URLs.
func (r *rig) loadAs(batch string, n int) {
	r.t.Helper()
	rows := requests{}
	for i := 1; i <= n; i++ {
		rows = append(rows, jobs.Request{Line: i, URL: fmt.Sprintf("https://%s.test/%d/", batch, i)})
	}
	if _, err := Import(r.ctx(), r.store, jobs.BatchSpec{ID: batch}, &rows, r.clock, ImportOptions{}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) ctx() context.Context { return r.t.Context() }

func (r *rig) submitAll() {
	r.t.Helper()
	r.must(r.SubmitBatch(r.ctx(), rigBatch))
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) batch() jobs.Batch {
	r.t.Helper()
	b, err := r.store.Batch(r.ctx(), rigBatch)
	r.must(err)
	return b
}

func (r *rig) job(row int64) jobs.Job {
	r.t.Helper()
	j, err := r.store.Job(r.ctx(), jobs.ID{Batch: rigBatch, Row: row})
	r.must(err)
	return j
}

// webhook delivers the result of a screenshot and applies it.
func (r *rig) webhook(screenshot string, outcome jobs.Outcome) {
	r.t.Helper()
	r.must(r.StoreDelivery(r.ctx(), jobs.Delivery{ReceivedAt: r.clock.Now(), Event: "screenshot", ScreenshotID: screenshot, Outcome: outcome, Body: []byte("{}")}))
	_, err := r.CloseOnce(r.ctx())
	r.must(err)
}

// webhooks delivers the same result for several screenshots at the same time, and
// applies it. It delivers it for all screenshots if none is named.
func (r *rig) webhooks(outcome jobs.Outcome, shots ...client.Screenshot) {
	r.t.Helper()
	if len(shots) == 0 {
		shots = r.vendor.shots
	}
	deliveries := make([]jobs.Delivery, len(shots))
	for i, shot := range shots {
		deliveries[i] = jobs.Delivery{ReceivedAt: r.clock.Now(), Event: "screenshot", ScreenshotID: shot.ID, Outcome: outcome, Body: []byte("{}")}
	}
	r.storeAll(deliveries)
	_, err := r.CloseOnce(r.ctx())
	r.must(err)
}

// storeAll stores deliveries at the same time, so that they share commits.
func (r *rig) storeAll(deliveries []jobs.Delivery) {
	r.t.Helper()
	var group sync.WaitGroup
	for _, d := range deliveries {
		group.Go(func() {
			if err := r.StoreDelivery(r.ctx(), d); err != nil {
				r.t.Error(err)
			}
		})
	}
	group.Wait()
}

// expect checks the states of all rows of b1, and that the counters agree with
// the rows.
func (r *rig) expect(want map[jobs.State]int64) {
	r.t.Helper()
	b := r.batch()
	tally, err := r.full.Tally(r.ctx(), rigBatch)
	r.must(err)
	for _, state := range jobs.States {
		if got := b.Counts.Of(state); got != want[state] {
			r.t.Errorf("got %d jobs %s, want %d", got, state, want[state])
		}
		if got := tally.Of(state); got != b.Counts.Of(state) {
			r.t.Errorf("got counter %d for %s, and %d rows", b.Counts.Of(state), state, got)
		}
	}
}

func (r *rig) sweep() {
	r.t.Helper()
	r.must(r.SweepOnce(r.ctx()))
}

func one(c *Config) { c.Concurrency = 1 }

var _ Vendor = (*client.Client)(nil)
