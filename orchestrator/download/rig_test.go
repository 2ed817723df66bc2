package download_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"iter"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"shotline/client"
	"shotline/jobs"
	"shotline/jobs/artifact"
	"shotline/orchestrator/download"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pngImage is a small PNG.
var pngImage = func() []byte {
	var b bytes.Buffer
	img := image.NewGray(image.Rect(0, 0, 8, 8))
	img.SetGray(3, 3, color.Gray{200})
	if err := png.Encode(&b, img); err != nil {
		panic(err)
	}
	return b.Bytes()
}()

// fakeVendor serves outputs. The function answer decides about each call, which
// counts from 1 for each path and query.
type fakeVendor struct {
	mu     sync.Mutex
	calls  map[string]int
	total  int
	answer func(w http.ResponseWriter, path, id string, call int)
}

func (v *fakeVendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.mu.Lock()
	key := r.URL.Path + "?" + r.URL.RawQuery
	v.calls[key]++
	v.total++
	n := v.calls[key]
	v.mu.Unlock()
	v.answer(w, strings.TrimPrefix(r.URL.Path, "/screenshot/"), r.URL.Query().Get("id"), n)
}

// callsOf returns the number of calls with this path and query.
func (v *fakeVendor) callsOf(key string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.calls[key]
}

func (v *fakeVendor) allCalls() int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.total
}

func servePNG(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "image/png")
	_, _ = w.Write(pngImage)
}

// rig is a folder with a manifest, and a vendor.
type rig struct {
	t        *testing.T
	dir      string
	vendor   *fakeVendor
	client   *client.Client
	folder   *artifact.Folder
	manifest *artifact.Manifest
	template string
	columns  []string
	config   download.Config
	ended    []download.Work
	recorded int             // saved files
	ledger   download.Ledger // if not nil, instead of the manifest
	names    *download.Names // see download.Parts
	room     func() error    // see download.Parts
}

func newRig(t *testing.T, answer func(w http.ResponseWriter, path, id string, call int)) *rig {
	t.Helper()
	return newRigIn(t, t.TempDir(), answer)
}

// newRigIn makes a rig whose folder is in dir.
func newRigIn(t *testing.T, dir string, answer func(w http.ResponseWriter, path, id string, call int)) *rig {
	t.Helper()
	r := &rig{t: t, dir: filepath.Join(dir, "images"), vendor: &fakeVendor{calls: map[string]int{}, answer: answer}, template: "{row}"}
	server := httptest.NewServer(r.vendor)
	t.Cleanup(server.Close)
	var err error
	if r.client, err = client.New(client.WithAPIKey("k"), client.WithBaseURL(server.URL)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.client.CloseIdleConnections)
	r.config = download.Config{Parallel: 4, Retry: client.RetryPolicy{Attempts: 3, Base: time.Millisecond}}
	r.open()
	t.Cleanup(r.close)
	return r
}

func (r *rig) open() {
	r.t.Helper()
	var err error
	if r.folder, err = artifact.OpenFolder(r.dir, 0); err != nil {
		r.t.Fatal(err)
	}
	if r.manifest, err = artifact.OpenManifest(r.folder); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) close() {
	if r.folder != nil {
		if err := errors.Join(r.manifest.Close(), r.folder.Close()); err != nil {
			r.t.Error(err)
		}
		r.folder = nil
	}
}

// rows implements download.Reader.
type rows []jobs.Job

func (list rows) Rows(_ context.Context, _ string, after int64, limit int) (page []jobs.Row, err error) {
	for _, j := range list {
		if j.ID.Row > after && len(page) < limit {
			page = append(page, jobs.Row{Job: j})
		}
	}
	return page, nil
}

// done returns n jobs that ended long ago. The screenshot of row 7 is 107.
func done(n int) rows {
	list := make(rows, n)
	for i := range list {
		row := int64(i + 1)
		list[i] = jobs.Job{
			ID: jobs.ID{Batch: "b1", Row: row}, Line: i + 2, URL: "https://a.test/", State: jobs.Done, Attempt: 1,
			ScreenshotID: fmt.Sprint(100 + row), ClosedAt: time.Now().Add(-time.Hour),
		}
	}
	return list
}

// source returns the works of jobs.
func (r *rig) source(list rows) (*download.Source, iter.Seq2[download.Work, error]) {
	r.t.Helper()
	template, err := artifact.ParseTemplate(r.template, r.columns)
	if err != nil {
		r.t.Fatal(err)
	}
	s := &download.Source{Reader: list, Folder: r.folder, Manifest: r.manifest, Keep: r.config.NoClobber}
	batch := jobs.Batch{BatchSpec: jobs.BatchSpec{ID: "b1", Columns: r.columns}}
	return s, s.Works(r.t.Context(), download.Order{Batch: batch, Template: template})
}

// run fetches the files of jobs.
func (r *rig) run(ctx context.Context, list rows) (download.Counts, error) {
	r.t.Helper()
	_, works := r.source(list)
	r.ended = nil
	var ledger download.Ledger = download.ManifestLedger{Manifest: r.manifest, Folder: r.dir, Recorder: r, Clock: clock{}}
	if r.ledger != nil {
		ledger = r.ledger
	}
	return download.Run(ctx, r.config, download.Parts{
		Vendor: r.client, Folder: r.folder, Ledger: ledger, Clock: clock{}, Names: r.names, Room: r.room, Ended: func(w download.Work) { r.ended = append(r.ended, w) },
	}, works)
}

// RecordFiles implements download.Recorder.
func (r *rig) RecordFiles(_ context.Context, files []jobs.File, _ time.Time) error {
	for _, f := range files {
		if f.Folder != r.dir || f.Name == "" || f.State != jobs.FileSaved {
			r.t.Errorf("recorded %+v", f)
		}
	}
	r.recorded += len(files)
	return nil
}

// want runs and checks the counts, without bytes.
func (r *rig) want(list rows, want download.Counts) {
	r.t.Helper()
	got, err := r.run(r.t.Context(), list)
	got.Bytes = 0
	if err != nil || got != want {
		r.t.Fatalf("got %+v, want %+v (%v)", got, want, err)
	}
}

// files checks the files on disk.
func (r *rig) files(want ...string) {
	r.t.Helper()
	var got []string
	err := filepath.WalkDir(r.dir, func(name string, entry os.DirEntry, err error) error {
		relative, _ := filepath.Rel(r.dir, name)
		if err == nil && !entry.IsDir() && !strings.HasPrefix(relative, ".shotline-") && !strings.HasPrefix(relative, "manifest.") {
			got = append(got, filepath.ToSlash(relative))
		}
		return err
	})
	want = slices.Sorted(slices.Values(want))
	if err != nil || !slices.Equal(got, want) {
		r.t.Errorf("got files %q, want %q (%v)", got, want, err)
	}
	parts, err := filepath.Glob(filepath.Join(r.dir, ".shotline-*", "*"))
	if err != nil || slices.ContainsFunc(parts, func(name string) bool { return filepath.Base(name) != "lock" }) {
		r.t.Errorf("incomplete files are left: %q (%v)", parts, err)
	}
}

// clock is the real clock.
type clock struct{}

func (clock) Now() time.Time { return time.Now() }

func (clock) Sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
