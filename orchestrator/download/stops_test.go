package download_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"shotline/client"
	"shotline/jobs"
	"shotline/orchestrator/download"
)

// dyingStore is the store of a process that dies at a write: before it, or after
// it but before its result arrives. All later writes have no effect.
type dyingStore struct {
	jobs.Store
	mu    sync.Mutex
	left  int  // writes until the process dies
	after bool // it dies after the write
	died  bool
}

// write does a write, unless the process is dead.
func (s *dyingStore) write(do func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.died {
		return jobs.ErrUnavailable
	}
	s.left--
	s.died = s.left < 0
	if s.died && !s.after {
		return jobs.ErrUnavailable
	}
	err := do()
	if s.died {
		return jobs.ErrUnavailable
	}
	return err
}

func (s *dyingStore) WantFiles(ctx context.Context, at time.Time, limit int) (wanted int, more bool, err error) {
	err = s.write(func() (err error) { wanted, more, err = s.Store.WantFiles(ctx, at, 1); return err })
	return wanted, more, err
}

func (s *dyingStore) ClaimFiles(ctx context.Context, at, again time.Time, limit int, batches ...string) (works []jobs.FileWork, err error) {
	err = s.write(func() (err error) { works, err = s.Store.ClaimFiles(ctx, at, again, 2, batches...); return err })
	return works, err
}

func (s *dyingStore) NameFile(ctx context.Context, f jobs.File) error {
	return s.write(func() error { return s.Store.NameFile(ctx, f) })
}

func (s *dyingStore) SettleFiles(ctx context.Context, files []jobs.File, at time.Time) error {
	return s.write(func() error { return s.Store.SettleFiles(ctx, files, at) })
}

// TestEveryStop lets a process die at each of its writes. Whatever it has done
// until then, the next process saves each file once, under its own name, and a
// retried job has the file of its new screenshot.
func TestEveryStop(t *testing.T) {
	if testing.Short() {
		t.Skip("opens a database for each write")
	}
	body := func(id string) string { return string(pngImage) + id }
	for stop, reached := 0, true; reached; stop++ {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("write %d, after it: %v", stop, after), func(t *testing.T) {
				r := newWorkRig(t, 3, func(w http.ResponseWriter, _, id string, _ int) {
					w.Header().Set("Content-Type", "image/png")
					_, _ = w.Write([]byte(body(id)))
				})
				r.finish("b1", 3)
				r.order("b1", "same")
				mortal := &dyingStore{Store: r.store, left: stop, after: after}
				w := r.worker(mortal, download.WorkConfig{})
				if err := w.WatchOnce(t.Context()); err == nil {
					_ = w.FetchFiles(t.Context()) // the state of the store decides
				}
				reached = mortal.died

				r.retryWithOtherImage(jobs.ID{Batch: "b1", Row: 2})
				r.clock.later(3 * time.Minute)
				next := r.worker(r.store, download.WorkConfig{})
				r.must(next.WatchOnce(t.Context()))
				r.must(next.FetchFiles(t.Context()))
				r.wantCounts("b1", jobs.FileCounts{Saved: 3})
				files, err := r.store.FilesOf(t.Context(), "b1", 0, 9)
				r.must(err)
				names := map[string]bool{}
				for _, f := range files {
					text, err := os.ReadFile(filepath.Join(r.dir, f.Name))
					if err != nil || string(text) != body(f.Screenshot) || names[f.Name] {
						t.Errorf("%s of row %d: not the image of %s (%v)", f.Name, f.Job.Row, f.Screenshot, err)
					}
					names[f.Name] = true
				}
				r.wantDisk("same.png", "same-2.png", "same-3.png")
			})
		}
	}
}

// retryWithOtherImage lets the vendor refute the image of a job, and retries it
// with success.
func (r *workRig) retryWithOtherImage(id jobs.ID) {
	r.t.Helper()
	ctx, now := r.t.Context(), r.clock.Now()
	_, err := r.store.Observe(ctx, []jobs.Observation{{Job: id, Attempt: 1, ScreenshotID: id.String(), Outcome: jobs.OutcomeFailed, Error: "blank"}},
		jobs.ByPoll, now, now.Add(time.Hour))
	r.must(err)
	_, err = r.store.Retry(ctx, []jobs.Retry{{Job: id, Attempt: 1, From: jobs.Retriable}}, now)
	r.must(err)
	leases, err := r.store.Lease(ctx, id.Batch, "w", 1, now, now.Add(time.Minute))
	r.must(err)
	_, err = r.store.OpenIntent(ctx, leases[0], now, now.Add(time.Minute))
	r.must(err)
	_, err = r.store.Observe(ctx, []jobs.Observation{{Job: id, Attempt: 2, ScreenshotID: id.String() + "-2", Outcome: jobs.OutcomeDone}},
		jobs.ByCreate, now.Add(-2*client.OutputGrace), now.Add(time.Hour))
	r.must(err)
}
