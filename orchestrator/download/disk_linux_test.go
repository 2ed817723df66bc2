package download_test

import (
	"errors"
	"net/http"
	"os"
	"strconv"
	"syscall"
	"testing"

	"shotline/jobs/storetest"
	"shotline/orchestrator/download"
)

// TestDiskFull lets the disk run full in the middle of a file. The run must stop,
// nothing of the file may be left, and the next run must fetch the rest.
func TestDiskFull(t *testing.T) {
	storetest.WithDisk(t, 1<<20, func(t *testing.T, d *storetest.Disk) {
		const n, size = 10, 60_000
		r := newRigIn(t, d.Path("."), func(w http.ResponseWriter, _, _ string, _ int) {
			w.Header().Set("Content-Length", strconv.Itoa(size))
			servePNG(w)
			_, _ = w.Write(make([]byte, size-len(pngImage)))
		})
		if err := os.WriteFile(d.Path("ballast"), make([]byte, 700_000), 0o600); err != nil {
			t.Fatal(err)
		}
		counts, err := r.run(t.Context(), done(n))
		if !errors.Is(err, syscall.ENOSPC) || counts.Saved == 0 || counts.Saved == n {
			t.Fatalf("%+v, %v", counts, err)
		}
		saved := counts.Saved
		for _, w := range r.ended {
			if got, exists := r.folder.Size(w.File.Name); !exists || got != size {
				t.Errorf("%s has %d bytes", w.File.Name, got)
			}
		}
		if err := os.Remove(d.Path("ballast")); err != nil {
			t.Fatal(err)
		}
		r.want(done(n), download.Counts{Saved: n - saved})
	})
}
