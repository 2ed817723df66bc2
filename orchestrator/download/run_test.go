package download_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shotline/client"
	"shotline/jobs"
	"shotline/jobs/artifact"
	"shotline/orchestrator/download"
)

// TestAllOutputs checks that all outputs and shots are fetched, each with the
// extension of its content.
func TestAllOutputs(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w http.ResponseWriter, path, id string, _ int) {
		body := map[string]string{
			"html": "<!DOCTYPE html><p>x", "pdf": "%PDF-1.4 %%EOF", "video": "\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom....",
		}[path]
		switch {
		case path == "thumbnail" && id == "102": // the type contradicts the content
			w.Header().Set("Content-Type", "image/png")
			_, _ = io.WriteString(w, "\xff\xd8\xff\xe0\x00\x10JFIF....\xff\xd9")
		case path == "thumbnail":
			servePNG(w)
		default:
			w.Header().Set("Content-Type", map[string]string{"html": "text/html; charset=utf-8", "pdf": "application/pdf", "video": "application/octet-stream"}[path])
			_, _ = io.WriteString(w, body)
		}
	})
	list := done(2)
	list[0].Params = jobs.Params{"html": true, "pdf": true, "video": true, "shots": 2.0}
	r.want(list, download.Counts{Saved: 6})
	r.files("1.png", "1-2.png", "1.html", "1.pdf", "1.mp4", "2.jpg")
	if n := r.vendor.callsOf("/screenshot/thumbnail?id=101&shot=2"); n != 1 {
		t.Errorf("the second shot was requested %d times", n)
	}
	e, found, err := r.manifest.Entry(jobs.ID{Batch: "b1", Row: 1}, jobs.OutputHTML, 1)
	if !found || err != nil || e.Type != "text/html" || e.File != "1.html" || e.Line != 2 || e.Bytes == 0 {
		t.Errorf("got entry %+v (%v)", e, err)
	}
}

// TestResume checks that a second run fetches only what is missing, changed or has
// another screenshot, also if the manifest was not finished.
func TestResume(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w http.ResponseWriter, _, _ string, _ int) { servePNG(w) })
	list := done(5)
	r.want(list, download.Counts{Saved: 5})
	r.close()
	for name, text := range map[string]string{"2.png": "", "3.png": "changed"} {
		if err := os.Remove(filepath.Join(r.dir, name)); err != nil {
			t.Fatal(err)
		}
		if text != "" {
			if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	list[3].ScreenshotID, list[3].Attempt = "999", 2
	r.open()
	before := r.vendor.allCalls()
	r.want(list, download.Counts{Saved: 3})
	if got := r.vendor.allCalls() - before; got != 3 {
		t.Errorf("%d calls, want 3", got)
	}
	r.files("1.png", "2.png", "3.png", "4.png", "5.png")
	s, works := r.source(list)
	for w := range works {
		t.Errorf("still wanted: %+v", w.File)
	}
	if s.Skipped() != 5 || s.Rows() != 5 || s.OtherNames() != 0 {
		t.Errorf("skipped %d files of %d rows, %d with other names", s.Skipped(), s.Rows(), s.OtherNames())
	}
	r.template = "{job}"
	s, works = r.source(list)
	for w := range works {
		t.Errorf("wanted with another template: %+v", w.File)
	}
	if s.OtherNames() != 5 {
		t.Errorf("%d files with other names, want 5", s.OtherNames())
	}
}

// TestInterruption checks that after a cancel only complete files exist, that all
// of them are recorded, and that the next run fetches the rest.
func TestInterruption(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	r := newRig(t, func(w http.ResponseWriter, _, id string, call int) {
		if id == "120" && call == 1 {
			w.Header().Set("Content-Type", "image/png")
			w.Header().Set("Content-Length", fmt.Sprint(len(pngImage)))
			_, _ = w.Write(pngImage[:40])
			_ = http.NewResponseController(w).Flush()
			cancel()
			time.Sleep(10 * time.Millisecond) // so that the client meets the cancellation before the cut
			return
		}
		servePNG(w)
	})
	list := done(60)
	counts, err := r.run(ctx, list)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got error %v", err)
	}
	var names []string
	for _, w := range r.ended {
		names = append(names, w.File.Name)
	}
	if counts.Saved != len(names) || counts.Failed > 0 {
		t.Errorf("got %+v, recorded %d", counts, len(names))
	}
	r.files(names...)
	r.want(list, download.Counts{Saved: 60 - counts.Saved})
}

// TestNameCollisions checks that equal names get a number, without regard to case,
// in the order of rows and the same in every run.
func TestNameCollisions(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w http.ResponseWriter, path, id string, _ int) {
		if path == "pdf" {
			_, _ = io.WriteString(w, "%PDF-1.4 %%EOF")
			return
		}
		time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond) // mixes the order of the responses
		servePNG(w)
	})
	r.columns, r.template = []string{"url", "title"}, "{title}.{ext}"
	list := done(40)
	want := []string{"Photo.png"}
	for i := range list {
		list[i].Cells = []string{"", []string{"Photo", "photo", "PHOTO"}[i%3]}
		if i > 0 {
			want = append(want, fmt.Sprintf("%s-%d.png", list[i].Cells[1], i+1))
		}
	}
	r.want(list, download.Counts{Saved: 40})
	r.files(want...)
	for i := range list {
		e, _, err := r.manifest.Entry(list[i].ID, jobs.OutputImage, 1)
		if err != nil || e.File != want[i] {
			t.Errorf("row %d has %s, want %s (%v)", i+1, e.File, want[i], err)
		}
	}
	r.close()
	r.open()
	more := done(42)
	for i := range more {
		more[i].Cells = []string{"", "photo"}
	}
	r.want(more, download.Counts{Saved: 2})
}

// TestNoClobber checks that a file that exists is kept and not fetched, and that
// without the option it is replaced.
func TestNoClobber(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w http.ResponseWriter, _, id string, _ int) {
		if id == "103" {
			w.Header().Set("Content-Type", "image/jpeg")
			_, _ = io.WriteString(w, "\xff\xd8\xff\xe0\x00\x10JFIF....\xff\xd9")
			return
		}
		servePNG(w)
	})
	own := func(name string) string {
		text, err := os.ReadFile(filepath.Join(r.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	for _, name := range []string{"2.png", "3.jpg"} {
		if err := os.WriteFile(filepath.Join(r.dir, name), []byte("own"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.config.NoClobber = true
	r.want(done(3), download.Counts{Saved: 1, Kept: 2})
	r.want(done(3), download.Counts{}) // all are known now
	if own("2.png") != "own" || own("3.jpg") != "own" {
		t.Error("a file was replaced")
	}
	if n := r.vendor.callsOf("/screenshot/thumbnail?id=102"); n != 0 {
		t.Errorf("a file that exists was requested %d times", n)
	}
	r.config.NoClobber = false
	r.want(done(3), download.Counts{Saved: 2})
	if own("2.png") != string(pngImage) {
		t.Error("the file was not replaced")
	}
	r.files("1.png", "2.png", "3.jpg")
}

// TestTroubleOfOneFile checks files that cannot be had, or only after another try.
func TestTroubleOfOneFile(t *testing.T) {
	t.Parallel()
	notReady := func(w http.ResponseWriter) {
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"success":false,"error":"not found or not ready"}`)
	}
	truncated := func(w http.ResponseWriter) {
		w.Header().Set("Content-Length", fmt.Sprint(len(pngImage)))
		w.Header().Set("Content-Type", "image/png")
		_, _ = w.Write(pngImage[:50])
	}
	for name, test := range map[string]struct {
		ended  time.Duration // since the end of the job
		answer func(w http.ResponseWriter, call int)
		state  jobs.FileState
		calls  int
		err    string
	}{
		"deleted":     {time.Hour, func(w http.ResponseWriter, _ int) { notReady(w) }, jobs.FileGone, 1, "not found or not ready"},
		"never ready": {0, func(w http.ResponseWriter, _ int) { notReady(w) }, jobs.FileFailed, 3, "not found or not ready"},
		"ready later": {0, func(w http.ResponseWriter, call int) {
			if call < 3 {
				notReady(w)
				return
			}
			servePNG(w)
		}, jobs.FileSaved, 3, ""},
		"truncated once": {time.Hour, func(w http.ResponseWriter, call int) {
			if call == 1 {
				truncated(w)
				return
			}
			servePNG(w)
		}, jobs.FileSaved, 2, ""},
		"always truncated": {time.Hour, func(w http.ResponseWriter, _ int) { truncated(w) }, jobs.FileFailed, 3, "unexpected EOF"},
		"truncated without a length": {time.Hour, func(w http.ResponseWriter, call int) {
			w.Header().Set("Content-Type", "image/png")
			_ = http.NewResponseController(w).Flush()
			_, _ = w.Write(pngImage[:50])
		}, jobs.FileFailed, 3, "its end is missing"},
		"error page": {time.Hour, func(w http.ResponseWriter, _ int) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<!DOCTYPE html>Sign in")
		}, jobs.FileFailed, 3, "not an image"},
		"server error": {time.Hour, func(w http.ResponseWriter, call int) {
			if call == 1 {
				http.Error(w, "x", http.StatusBadGateway)
				return
			}
			servePNG(w)
		}, jobs.FileSaved, 2, ""},
		"refused": {time.Hour, func(w http.ResponseWriter, _ int) { http.Error(w, "x", http.StatusBadRequest) }, jobs.FileFailed, 1, "HTTP 400"},
		"rate limited": {time.Hour, func(w http.ResponseWriter, call int) {
			if call <= 10 {
				http.Error(w, "x", http.StatusTooManyRequests)
				return
			}
			servePNG(w)
		}, jobs.FileSaved, 11, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(w http.ResponseWriter, _, id string, call int) {
				if id != "102" {
					servePNG(w)
					return
				}
				test.answer(w, call)
			})
			list := done(3)
			list[1].ClosedAt = time.Now().Add(-test.ended)
			if _, err := r.run(t.Context(), list); err != nil {
				t.Fatal(err)
			}
			e, found, err := r.manifest.Entry(list[1].ID, jobs.OutputImage, 1)
			if !found || err != nil || e.State != test.state || !strings.Contains(e.Error, test.err) || test.err == "" && e.Error != "" {
				t.Errorf("got entry %+v, want state %s and error %q (%v)", e, test.state, test.err, err)
			}
			if got := r.vendor.callsOf("/screenshot/thumbnail?id=102"); got != test.calls {
				t.Errorf("%d calls, want %d", got, test.calls)
			}
			if want := []string{"1.png", "2.png", "3.png"}; test.state == jobs.FileSaved {
				r.files(want...)
			} else {
				r.files("1.png", "3.png")
			}
		})
	}
}

// TestNameThatIsAFolder checks that a name that the disk refuses concerns one file
// only.
func TestNameThatIsAFolder(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w http.ResponseWriter, _, _ string, _ int) { servePNG(w) })
	for _, name := range []string{"2.png/x", "x/3.png/y"} {
		if err := os.MkdirAll(filepath.Join(r.dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	r.want(done(3), download.Counts{Saved: 2, Failed: 1})
}

// TestLinkOutOfTheFolder checks that symbolic links that cannot be followed
// concern only the files below them.
func TestLinkOutOfTheFolder(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w http.ResponseWriter, _, _ string, _ int) { servePNG(w) })
	r.template = "{row}/x"
	for name, target := range map[string]string{"2": t.TempDir(), "3": "3"} {
		if err := os.Symlink(target, filepath.Join(r.dir, name)); err != nil {
			t.Skip("cannot create symbolic links:", err)
		}
	}
	r.want(done(4), download.Counts{Saved: 2, Failed: 2})
	for _, w := range r.ended {
		if want := fmt.Sprintf("%d is a symbolic link out of the folder", w.Job.ID.Row); w.File.State == jobs.FileFailed && !strings.Contains(w.File.Error, want) {
			t.Errorf("got error %q, want %q", w.File.Error, want)
		}
	}
}

// TestRunStops checks the errors that concern all files.
func TestRunStops(t *testing.T) {
	t.Parallel()
	t.Run("refused key", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, func(w http.ResponseWriter, _, _ string, _ int) { http.Error(w, "x", http.StatusUnauthorized) })
		if _, err := r.run(t.Context(), done(100)); !errors.Is(err, client.ErrUnauthorized) {
			t.Errorf("got error %v", err)
		}
		if r.vendor.allCalls() > 10 {
			t.Errorf("%d calls", r.vendor.allCalls())
		}
		r.files()
	})
	t.Run("vendor does not work", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, func(w http.ResponseWriter, _, id string, _ int) {
			if id <= "110" {
				servePNG(w)
				return
			}
			http.Error(w, "x", http.StatusInternalServerError)
		})
		counts, err := r.run(t.Context(), done(400))
		if err == nil || !strings.Contains(err.Error(), "20 files in a row") || !strings.Contains(err.Error(), "HTTP 500") {
			t.Errorf("got error %v", err)
		}
		if counts.Saved != 10 || counts.Failed < 20 || counts.Failed > 60 {
			t.Errorf("got %+v", counts)
		}
	})
	t.Run("ledger cannot be written", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, func(w http.ResponseWriter, _, _ string, _ int) { servePNG(w) })
		r.ledger = brokenLedger{}
		if _, err := r.run(t.Context(), done(3000)); !errors.Is(err, errBroken) {
			t.Errorf("got error %v", err)
		}
		if r.vendor.allCalls() > 1000 {
			t.Errorf("%d calls after the error", r.vendor.allCalls())
		}
	})
	t.Run("folder was removed", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, func(w http.ResponseWriter, _, _ string, _ int) { servePNG(w) })
		if err := os.RemoveAll(r.dir); err != nil {
			t.Fatal(err)
		}
		var disk *artifact.DiskError
		if _, err := r.run(t.Context(), done(3)); !errors.As(err, &disk) {
			t.Errorf("got error %v", err)
		}
	})
}

var errBroken = errors.New("broken")

// brokenLedger accepts every name and records nothing.
type brokenLedger struct{}

func (brokenLedger) NameFile(context.Context, download.Work) error      { return nil }
func (brokenLedger) SettleFiles(context.Context, []download.Work) error { return errBroken }

// TestRate checks that the rate and the pause that the vendor requests are kept.
func TestRate(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(w http.ResponseWriter, _, _ string, _ int) { servePNG(w) })
	r.config.Rate = 100
	began := time.Now()
	r.want(done(50), download.Counts{Saved: 50})
	if took := time.Since(began); took < 350*time.Millisecond {
		t.Errorf("50 files took %s at 100 a second", took)
	}
}
