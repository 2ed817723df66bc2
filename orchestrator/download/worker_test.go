package download_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"shotline/client"
	"shotline/jobs"
	"shotline/jobs/sqlite"
	"shotline/orchestrator/download"
)

// movedClock is a clock that the test moves. Sleep moves it instead of waiting.
// Between renewals of claims it waits, until the claims end.
type movedClock struct{ moved atomic.Int64 }

func (c *movedClock) Now() time.Time { return time.Now().Add(time.Duration(c.moved.Load())) }

func (c *movedClock) Sleep(ctx context.Context, d time.Duration) error {
	if d >= 30*time.Second {
		<-ctx.Done()
		return ctx.Err()
	}
	c.later(d)
	return ctx.Err()
}

func (c *movedClock) later(d time.Duration) { c.moved.Add(int64(d)) }

// workRig is a store with jobs, and a vendor. It counts tasks.
type workRig struct {
	t      *testing.T
	store  jobs.Store
	dir    string
	clock  *movedClock
	vendor *fakeVendor
	client *client.Client
	queued int
	ended  sync.Map // *atomic.Int64 by result and reason
}

func newWorkRig(t *testing.T, n int, answer func(w http.ResponseWriter, path, id string, call int)) *workRig {
	t.Helper()
	r := &workRig{t: t, dir: filepath.Join(t.TempDir(), "images"), clock: &movedClock{}, vendor: &fakeVendor{calls: map[string]int{}, answer: answer}}
	server := httptest.NewServer(r.vendor)
	t.Cleanup(server.Close)
	var err error
	if r.client, err = client.New(client.WithAPIKey("k"), client.WithBaseURL(server.URL)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.client.CloseIdleConnections)
	if r.store, err = sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "shots.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.must(r.store.Close()) })
	r.addBatch("b1", n)
	return r
}

func (r *workRig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// addBatch opens a batch of n jobs. The screenshot of row 7 of batch b1 is b1-7.
func (r *workRig) addBatch(batch string, n int) {
	r.t.Helper()
	ctx, ended := r.t.Context(), time.Now().Add(-time.Hour)
	r.must(r.store.CreateBatch(ctx, jobs.BatchSpec{ID: batch}, ended))
	requests := make([]jobs.Request, n)
	for i := range requests {
		requests[i] = jobs.Request{Line: i + 1, URL: fmt.Sprintf("https://a.test/%d", i+1)}
	}
	r.must(r.store.AppendRequests(ctx, batch, requests, ended))
	_, err := r.store.OpenBatch(ctx, batch, ended)
	r.must(err)
}

// finish closes the jobs of a batch as done.
func (r *workRig) finish(batch string, n int) {
	r.t.Helper()
	ctx, ended := r.t.Context(), time.Now().Add(-time.Hour)
	leases, err := r.store.Lease(ctx, batch, "w", n, ended, ended.Add(time.Minute))
	r.must(err)
	for _, l := range leases {
		_, err := r.store.OpenIntent(ctx, l, ended, ended.Add(time.Minute))
		r.must(err)
		_, err = r.store.Observe(ctx, []jobs.Observation{{
			Job: l.Job.ID, Attempt: 1, ScreenshotID: l.Job.ID.String(), Outcome: jobs.OutcomeDone,
		}}, jobs.ByCreate, ended, ended.Add(time.Hour))
		r.must(err)
	}
}

// order orders the files of a batch.
func (r *workRig) order(batch, template string) {
	r.t.Helper()
	r.must(r.store.OrderDownload(r.t.Context(), jobs.DownloadOrder{Batch: batch, Folder: r.dir, Name: template}, r.clock.Now()))
}

// EnqueueFiles implements download.Queue.
func (r *workRig) EnqueueFiles(context.Context, int64) error {
	r.queued++
	return nil
}

func (r *workRig) worker(store download.WorkStore, config download.WorkConfig) *download.Worker {
	w := download.NewWorker(config, download.WorkParts{
		Store: store, Vendor: r.client, Queue: r, Clock: r.clock, Logger: slog.New(slog.DiscardHandler), Observer: r.observe,
	})
	r.t.Cleanup(w.Stop)
	return w
}

func (r *workRig) observe(result download.Result, reason download.Reason, bytes int64) {
	n, _ := r.ended.LoadOrStore(strings.TrimSpace(fmt.Sprintf("%s %s", result, reason)), new(atomic.Int64))
	n.(*atomic.Int64).Add(1)
	if (result == download.Saved) != (bytes > 0) {
		r.t.Errorf("%s with %d bytes", result, bytes)
	}
}

// wantEnded checks how often each result and reason was observed.
func (r *workRig) wantEnded(want map[string]int64) {
	r.t.Helper()
	got := map[string]int64{}
	r.ended.Range(func(key, n any) bool { got[key.(string)] = n.(*atomic.Int64).Load(); return true })
	if !maps.Equal(got, want) {
		r.t.Errorf("observed %v, want %v", got, want)
	}
}

// watch looks for files, and checks whether a task was enqueued.
func (r *workRig) watch(w *download.Worker, want int) {
	r.t.Helper()
	r.queued = 0
	r.must(w.WatchOnce(r.t.Context()))
	if r.queued != want {
		r.t.Fatalf("enqueued %d tasks, want %d", r.queued, want)
	}
}

func (r *workRig) wantCounts(batch string, want jobs.FileCounts) {
	r.t.Helper()
	got, err := r.store.CountFiles(r.t.Context(), batch)
	got.Bytes = 0
	if err != nil || got != want {
		r.t.Fatalf("files of %s: %+v, want %+v (%v)", batch, got, want, err)
	}
}

// wantDisk checks the files on disk.
func (r *workRig) wantDisk(names ...string) {
	r.t.Helper()
	(&rig{t: r.t, dir: r.dir}).files(names...)
}

func anyPNG(w http.ResponseWriter, _, _ string, _ int) { servePNG(w) }

// TestWorkerFetchesOrderedFiles checks the way from the order to the saved files.
func TestWorkerFetchesOrderedFiles(t *testing.T) {
	r := newWorkRig(t, 3, anyPNG)
	w := r.worker(r.store, download.WorkConfig{})
	r.finish("b1", 2)
	r.watch(w, 0)
	r.order("b1", "{row}")
	r.watch(w, 1)
	r.must(w.FetchFiles(t.Context()))
	r.wantDisk("1.png", "2.png")
	r.finish("b1", 1)
	r.watch(w, 1)
	r.must(w.FetchFiles(t.Context()))
	r.wantDisk("1.png", "2.png", "3.png")
	r.watch(w, 0)
	r.wantCounts("b1", jobs.FileCounts{Saved: 3})
	files, err := r.store.FilesOf(t.Context(), "b1", 0, 9)
	r.must(err)
	for _, f := range files {
		if f.Size != int64(len(pngImage)) || f.Type != "image/png" || f.Folder != r.dir || f.SavedAt.IsZero() {
			t.Errorf("recorded %+v", f)
		}
	}
	if r.vendor.total != 3 {
		t.Errorf("%d calls, want 3", r.vendor.total)
	}
}

// TestWorkerKeepsToItsBatches checks that a worker of one batch leaves the files of
// others alone.
func TestWorkerKeepsToItsBatches(t *testing.T) {
	r := newWorkRig(t, 1, anyPNG)
	r.addBatch("b2", 1)
	r.finish("b1", 1)
	r.finish("b2", 1)
	r.order("", "{batch}")
	w := r.worker(r.store, download.WorkConfig{Batches: []string{"b2"}})
	r.watch(w, 1)
	r.must(w.FetchFiles(t.Context()))
	r.watch(w, 0)
	r.wantDisk("b2.png")
}

// TestEqualNamesGetNumbers checks names that the template gives twice.
func TestEqualNamesGetNumbers(t *testing.T) {
	r := newWorkRig(t, 3, anyPNG)
	r.finish("b1", 3)
	r.order("b1", "same")
	w := r.worker(r.store, download.WorkConfig{})
	r.watch(w, 1)
	r.must(w.FetchFiles(t.Context()))
	r.wantDisk("same.png", "same-2.png", "same-3.png")
}

// TestOrderOfAllBatchesHasColumns checks a column that only some batches have.
func TestOrderOfAllBatchesHasColumns(t *testing.T) {
	r := newWorkRig(t, 1, anyPNG)
	ctx, ended := t.Context(), time.Now().Add(-time.Hour)
	r.must(r.store.CreateBatch(ctx, jobs.BatchSpec{ID: "b2", Columns: []string{"url", "SKU"}}, ended))
	r.must(r.store.AppendRequests(ctx, "b2", []jobs.Request{{Line: 2, URL: "https://a.test/", Cells: []string{"https://a.test/", "A7"}}}, ended))
	_, err := r.store.OpenBatch(ctx, "b2", ended)
	r.must(err)
	r.finish("b1", 1)
	r.finish("b2", 1)
	r.order("", "{batch}-{SKU}")
	w := r.worker(r.store, download.WorkConfig{})
	r.watch(w, 1)
	r.must(w.FetchFiles(t.Context()))
	r.wantDisk("b1.png", "b2-A7.png")
}

// unsettled is a store that a process cannot write any more.
type unsettled struct{ jobs.Store }

func (unsettled) SettleFiles(context.Context, []jobs.File, time.Time) error {
	return jobs.ErrUnavailable
}

// TestSavedButNotSettled checks that a file that was saved before a crash is
// fetched again under the same name, when the claim has ended.
func TestSavedButNotSettled(t *testing.T) {
	r := newWorkRig(t, 2, anyPNG)
	r.finish("b1", 2)
	r.order("b1", "same")
	died := r.worker(unsettled{r.store}, download.WorkConfig{})
	r.watch(died, 1)
	if err := died.FetchFiles(t.Context()); !errors.Is(err, jobs.ErrUnavailable) {
		t.Fatalf("error %v", err)
	}
	r.wantDisk("same.png", "same-2.png")
	w := r.worker(r.store, download.WorkConfig{})
	r.watch(w, 0)
	r.clock.later(3 * time.Minute)
	r.watch(w, 1)
	r.must(os.Remove(filepath.Join(r.dir, "same-2.png")))
	r.must(w.FetchFiles(t.Context()))
	r.wantDisk("same.png", "same-2.png")
	r.wantCounts("b1", jobs.FileCounts{Saved: 2})
}

// TestFilesAreTriedLater checks a file that cannot be fetched for some time.
func TestFilesAreTriedLater(t *testing.T) {
	var works atomic.Bool
	r := newWorkRig(t, 1, func(w http.ResponseWriter, _, _ string, _ int) {
		if works.Load() {
			servePNG(w)
			return
		}
		w.WriteHeader(http.StatusInternalServerError)
	})
	r.finish("b1", 1)
	r.order("b1", "{row}")
	w := r.worker(r.store, download.WorkConfig{})
	r.watch(w, 1)
	r.must(w.FetchFiles(t.Context()))
	r.wantCounts("b1", jobs.FileCounts{Wanted: 1})
	r.watch(w, 0)
	r.clock.later(time.Minute)
	works.Store(true)
	r.watch(w, 1)
	r.must(w.FetchFiles(t.Context()))
	r.wantCounts("b1", jobs.FileCounts{Saved: 1})
	r.wantEnded(map[string]int64{"retried refused": 1, "saved": 1})
}

// TestFilesAreTriedOnce checks a worker that makes no later tries, and that an
// order makes the files wanted again.
func TestFilesAreTriedOnce(t *testing.T) {
	r := newWorkRig(t, 2, func(w http.ResponseWriter, _, id string, _ int) {
		if id == "b1-1" {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusNotFound)
	})
	r.finish("b1", 2)
	r.order("b1", "{row}")
	w := r.worker(r.store, download.WorkConfig{Once: true})
	r.watch(w, 1)
	r.must(w.FetchFiles(t.Context()))
	r.wantCounts("b1", jobs.FileCounts{Failed: 1, Gone: 1})
	r.wantEnded(map[string]int64{"failed refused": 1, "gone": 1})
	r.order("b1", "{row}")
	r.wantCounts("b1", jobs.FileCounts{Wanted: 1, Gone: 1})
}

// TestUnusableFolder checks that files wait if the disk does not work, and fail if
// they are tried once.
func TestUnusableFolder(t *testing.T) {
	r := newWorkRig(t, 2, anyPNG)
	r.finish("b1", 2)
	r.must(os.WriteFile(r.dir, nil, 0o600)) // a file instead of a folder
	r.order("b1", "{row}")
	w := r.worker(r.store, download.WorkConfig{})
	r.watch(w, 1)
	if err := w.FetchFiles(t.Context()); err == nil {
		t.Fatal("no error")
	}
	r.wantCounts("b1", jobs.FileCounts{Wanted: 2})
	files, err := r.store.FilesOf(t.Context(), "b1", 0, 9)
	r.must(err)
	if files[0].Error == "" {
		t.Error("the error is not recorded")
	}
	r.watch(w, 0)
	r.clock.later(time.Minute)
	once := r.worker(r.store, download.WorkConfig{Once: true})
	if err := once.FetchFiles(t.Context()); err == nil {
		t.Fatal("no error")
	}
	r.wantCounts("b1", jobs.FileCounts{Failed: 2})
	r.wantEnded(map[string]int64{"retried disk": 2, "failed disk": 2})
}

// TestDrainReleasesFiles checks that another process can fetch at once what a
// stopped one has claimed.
func TestDrainReleasesFiles(t *testing.T) {
	started := make(chan struct{}, 10)
	stop := make(chan struct{})
	var works atomic.Bool
	r := newWorkRig(t, 2, func(w http.ResponseWriter, _, _ string, _ int) {
		if works.Load() {
			servePNG(w)
			return
		}
		started <- struct{}{}
		<-stop
	})
	r.finish("b1", 2)
	r.order("b1", "{row}")
	w := r.worker(r.store, download.WorkConfig{})
	r.watch(w, 1)
	go func() {
		<-started
		w.Drain()
	}()
	if err := w.FetchFiles(t.Context()); err == nil {
		t.Error("no error")
	}
	close(stop)
	works.Store(true)
	r.wantDisk()
	other := r.worker(r.store, download.WorkConfig{})
	r.watch(other, 1)
	r.must(other.FetchFiles(t.Context()))
	r.wantDisk("1.png", "2.png")
}
