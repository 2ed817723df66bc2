package download_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"shotline/jobs"
	"shotline/jobs/artifact"
	"shotline/orchestrator/download"
)

// openManifest opens the manifest of the folder, as the command download does.
func (r *workRig) openManifest() *artifact.Manifest {
	r.t.Helper()
	folder, err := artifact.OpenFolder(r.dir, 0)
	r.must(err)
	m, err := artifact.OpenManifest(folder)
	r.must(err)
	r.t.Cleanup(func() { _ = folder.Close() })
	return m
}

// wantManifest checks the entries of the manifest: row, state and name.
func (r *workRig) wantManifest(want ...string) {
	r.t.Helper()
	m := r.openManifest()
	defer m.Close()
	var got []string
	r.must(m.Entries(func(e artifact.Entry) error {
		got = append(got, strings.TrimSpace(fmt.Sprintf("%d %s %s", e.Row, e.State, e.File)))
		return nil
	}))
	if strings.Join(got, ", ") != strings.Join(want, ", ") {
		r.t.Errorf("the manifest has %q, want %q", got, want)
	}
}

// TestWorkerKeepsManifest checks that the manifest of the folder has all files that
// have ended, and none that are tried again later.
func TestWorkerKeepsManifest(t *testing.T) {
	r := newWorkRig(t, 3, func(w http.ResponseWriter, _, id string, _ int) {
		switch id {
		case "b1-1":
			servePNG(w)
		case "b1-2":
			w.WriteHeader(http.StatusNotFound)
		default:
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	r.finish("b1", 3)
	r.order("b1", "{row}")
	w := r.worker(r.store, download.WorkConfig{})
	r.watch(w, 1)
	r.must(w.FetchFiles(t.Context()))
	r.wantManifest("1 saved 1.png", "2 gone")
}

// TestWorkerKeepsNamesOfTheManifest checks that a worker leaves files alone that
// only the manifest knows, such as those of another database.
func TestWorkerKeepsNamesOfTheManifest(t *testing.T) {
	r := newWorkRig(t, 2, anyPNG)
	m := r.openManifest()
	folder, err := artifact.OpenFolder(r.dir, 0)
	r.must(err)
	_, err = folder.Save("2.png", artifact.Source{Reader: strings.NewReader("other"), Length: -1})
	r.must(errors.Join(err, folder.Close()))
	other := jobs.File{Job: jobs.ID{Batch: "other", Row: 1}, Output: jobs.OutputImage, Shot: 1, Name: "2.png", State: jobs.FileSaved, Size: 5}
	r.must(errors.Join(m.Append([]artifact.Entry{artifact.NewEntry(jobs.Job{ID: other.Job}, other)}), m.Close()))
	r.finish("b1", 2)
	r.order("b1", "{row}")
	w := r.worker(r.store, download.WorkConfig{})
	r.watch(w, 1)
	r.must(w.FetchFiles(t.Context()))
	r.wantDisk("1.png", "2-2.png", "2.png")
	r.wantManifest("1 saved 2.png", "1 saved 1.png", "2 saved 2-2.png")
}

// TestWorkerWaitsForTheFolder checks that files wait while another process writes
// to the folder, also those that are tried once.
func TestWorkerWaitsForTheFolder(t *testing.T) {
	r := newWorkRig(t, 2, anyPNG)
	m := r.openManifest()
	r.finish("b1", 2)
	r.order("b1", "{row}")
	w := r.worker(r.store, download.WorkConfig{Once: true})
	r.watch(w, 1)
	r.must(w.FetchFiles(t.Context()))
	r.wantCounts("b1", jobs.FileCounts{Wanted: 2})
	r.watch(w, 0)
	r.must(m.Close())
	r.clock.later(10 * time.Second)
	r.watch(w, 1)
	r.must(w.FetchFiles(t.Context()))
	r.wantCounts("b1", jobs.FileCounts{Saved: 2})
	r.wantDisk("1.png", "2.png")
}

// unsettledOnce is a store whose first SettleFiles fails.
type unsettledOnce struct {
	jobs.Store
	failed *bool
}

func (s unsettledOnce) SettleFiles(ctx context.Context, files []jobs.File, at time.Time) error {
	if !*s.failed {
		*s.failed = true
		return jobs.ErrUnavailable
	}
	return s.Store.SettleFiles(ctx, files, at)
}

// TestWorkerReleasesWaitingFiles checks that files which wait for the folder can be
// claimed before their claim ends if the wait could not be recorded.
func TestWorkerReleasesWaitingFiles(t *testing.T) {
	r := newWorkRig(t, 2, anyPNG)
	m := r.openManifest()
	r.finish("b1", 2)
	r.order("b1", "{row}")
	w := r.worker(unsettledOnce{r.store, new(bool)}, download.WorkConfig{})
	r.watch(w, 1)
	if err := w.FetchFiles(t.Context()); !errors.Is(err, jobs.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
	r.must(m.Close())
	r.clock.later(70 * time.Second)
	r.watch(w, 1)
	r.must(w.FetchFiles(t.Context()))
	r.wantCounts("b1", jobs.FileCounts{Saved: 2})
}

// freeingClock is a clock on which the manifest is closed after some looks.
type freeingClock struct {
	movedClock
	looks int
	free  func()
}

func (c *freeingClock) Sleep(ctx context.Context, d time.Duration) error {
	if c.looks--; c.looks == 0 {
		c.free()
	}
	return c.movedClock.Sleep(ctx, d)
}

// TestOpenManifestWaits checks the wait for a manifest that another process has
// open.
func TestOpenManifestWaits(t *testing.T) {
	r := newWorkRig(t, 0, anyPNG)
	held := r.openManifest()
	folder, err := artifact.OpenFolder(r.dir, 0)
	r.must(err)
	defer folder.Close()
	open := func() (*artifact.Manifest, error) { return artifact.OpenManifest(folder) }
	if _, err := download.OpenManifest(t.Context(), &freeingClock{}, time.Minute, open); !errors.Is(err, artifact.ErrLocked) {
		t.Errorf("error %v", err)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := download.OpenManifest(canceled, &freeingClock{}, time.Minute, open); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	m, err := download.OpenManifest(t.Context(), &freeingClock{looks: 3, free: func() { r.must(held.Close()) }}, time.Minute, open)
	r.must(err)
	r.must(m.Close())
}

// again gives row 1 of a batch another page, and closes it with the screenshot.
func (r *workRig) again(batch, screenshot string) {
	r.t.Helper()
	ctx, ended := r.t.Context(), time.Now().Add(-time.Hour)
	id := jobs.ID{Batch: batch, Row: 1}
	_, err := r.store.Amend(ctx, batch, []jobs.Amendment{{
		Retry: jobs.Retry{Job: id, Attempt: 1, From: []jobs.State{jobs.Done}}, Request: jobs.Request{URL: "https://a.test/other"},
	}}, ended)
	r.must(err)
	_, _, err = r.store.WantFiles(ctx, ended, 100) // while the job is not done
	r.must(err)
	leases, err := r.store.Lease(ctx, batch, "w", 1, ended, ended.Add(time.Minute))
	r.must(err)
	_, err = r.store.OpenIntent(ctx, leases[0], ended, ended.Add(time.Minute))
	r.must(err)
	_, err = r.store.Observe(ctx, []jobs.Observation{{Job: id, Attempt: 2, ScreenshotID: screenshot, Outcome: jobs.OutcomeDone}}, jobs.ByCreate, ended, ended.Add(time.Hour))
	r.must(err)
}

// TestWorkerRemovesOldVersions checks that a corrected job leaves one file, also if
// the process died after it had saved the new one.
func TestWorkerRemovesOldVersions(t *testing.T) {
	for _, dies := range []bool{false, true} {
		r := newWorkRig(t, 1, func(w http.ResponseWriter, _, id string, _ int) {
			if id == "second" {
				w.Header().Set("Content-Type", "image/jpeg")
				_, _ = io.WriteString(w, "\xff\xd8\xff\xe0\x00\x10JFIF....\xff\xd9")
				return
			}
			servePNG(w)
		})
		r.finish("b1", 1)
		r.order("b1", "{row}")
		w := r.worker(r.store, download.WorkConfig{})
		r.watch(w, 1)
		r.must(w.FetchFiles(t.Context()))
		r.wantDisk("1.png")
		r.again("b1", "second")
		if dies {
			died := r.worker(unsettled{r.store}, download.WorkConfig{})
			r.watch(died, 1)
			if err := died.FetchFiles(t.Context()); !errors.Is(err, jobs.ErrUnavailable) {
				t.Fatalf("error %v", err)
			}
			r.clock.later(3 * time.Minute)
		}
		r.watch(w, 1)
		r.must(w.FetchFiles(t.Context()))
		r.wantDisk("1.jpg")
		r.wantManifest("1 saved 1.jpg")
	}
}
