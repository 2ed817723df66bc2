package download_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"shotline/jobs"
	"shotline/orchestrator/download"
)

// endless sends an image without an end, until the client leaves. The pauses between
// its pieces are the vendor's; no test waits for them.
func endless(w http.ResponseWriter, pause time.Duration) {
	servePNG(w)
	flusher := w.(http.Flusher)
	for {
		if _, err := w.Write(make([]byte, 1000)); err != nil {
			return
		}
		flusher.Flush()
		if pause > 0 {
			time.Sleep(pause)
		}
	}
}

// announce sends an image of 2 GiB, and only its first bytes.
func announce(w http.ResponseWriter) {
	w.Header().Set("Content-Length", "2147483648")
	servePNG(w)
}

// TestLargeFile checks that a file that is too large fails after one call, and that
// nothing of it is left.
func TestLargeFile(t *testing.T) {
	for name, serve := range map[string]func(w http.ResponseWriter){
		"announced": announce,
		"endless":   func(w http.ResponseWriter) { endless(w, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(w http.ResponseWriter, _, id string, _ int) {
				if id == "101" {
					serve(w)
				} else {
					servePNG(w)
				}
			})
			r.config.MaxSize = 1 << 20
			r.want(done(2), download.Counts{Saved: 1, Failed: 1})
			r.files("2.png")
			if n := r.vendor.allCalls(); n != 2 {
				t.Errorf("%d calls, want 2", n)
			}
			for _, w := range r.ended {
				if w.File.State == jobs.FileFailed && (w.Reason != download.ReasonSize || w.File.Error != "the file is larger than 1 MiB") {
					t.Errorf("reason %s: %s", w.Reason, w.File.Error)
				}
			}
		})
	}
}

// TestLargestFile checks that a file of exactly the limit is saved.
func TestLargestFile(t *testing.T) {
	r := newRig(t, anyPNG)
	r.config.MaxSize = int64(len(pngImage))
	r.want(done(1), download.Counts{Saved: 1})
}

// TestSlowFile checks that a file that arrives too slowly is tried again.
func TestSlowFile(t *testing.T) {
	slow := 3 // calls
	r := newRig(t, func(w http.ResponseWriter, _, _ string, call int) {
		if call <= slow {
			endless(w, time.Millisecond)
		} else {
			servePNG(w)
		}
	})
	r.config.MaxTime = 30 * time.Millisecond
	r.want(done(1), download.Counts{Failed: 1})
	if w := r.ended[0]; w.File.Tries != 3 || w.Reason != download.ReasonNoAnswer || w.File.Error != "the file did not arrive within 30ms" {
		t.Errorf("%d tries, reason %s: %s", w.File.Tries, w.Reason, w.File.Error)
	}
	r.files()
	r.config.MaxTime = time.Minute
	r.want(done(1), download.Counts{Saved: 1})
}

// TestNoRoom checks that a run stops before the next file if the disk has no room,
// and continues later.
func TestNoRoom(t *testing.T) {
	r := newRig(t, anyPNG)
	r.config.Parallel = 1
	calls := 0
	r.room = func() error {
		if calls++; calls > 2 {
			return jobs.ErrNoRoom
		}
		return nil
	}
	counts, err := r.run(t.Context(), done(5))
	if counts.Saved != 2 || !errors.Is(err, jobs.ErrNoRoom) || r.vendor.allCalls() != 2 {
		t.Fatalf("%+v after %d calls, %v", counts, r.vendor.allCalls(), err)
	}
	r.room = nil
	r.want(done(5), download.Counts{Saved: 3})
}

// TestWorkerAndLimits checks that a worker does not fetch a file again that is too
// large, and waits for room.
func TestWorkerAndLimits(t *testing.T) {
	r := newWorkRig(t, 2, func(w http.ResponseWriter, _, id string, _ int) {
		if strings.HasSuffix(id, "-1") {
			announce(w)
		} else {
			servePNG(w)
		}
	})
	r.finish("b1", 2)
	r.order("b1", "{row}")
	full := true
	w := r.worker(r.store, download.WorkConfig{})
	w.Room = func(folder string) error {
		if folder != r.dir {
			t.Errorf("folder %s", folder)
		}
		if full {
			return jobs.ErrNoRoom
		}
		return nil
	}
	r.watch(w, 1)
	if err := w.FetchFiles(t.Context()); !errors.Is(err, jobs.ErrNoRoom) {
		t.Fatalf("fetched without room: %v", err)
	}
	r.wantCounts("b1", jobs.FileCounts{Wanted: 2})
	r.watch(w, 0)
	full = false
	r.clock.later(time.Hour)
	r.watch(w, 1)
	r.must(w.FetchFiles(t.Context()))
	r.wantCounts("b1", jobs.FileCounts{Saved: 1, Failed: 1})
	r.clock.later(24 * time.Hour)
	r.watch(w, 0)
}
