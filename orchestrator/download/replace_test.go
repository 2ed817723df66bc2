package download_test

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"shotline/orchestrator/download"
)

// TestOldVersionsAreRemoved checks files whose next version has another name. Those
// that somebody has changed stay, and all of them with NoClobber.
func TestOldVersionsAreRemoved(t *testing.T) {
	t.Parallel()
	for _, noClobber := range []bool{false, true} {
		r := newRig(t, func(w http.ResponseWriter, _, _ string, _ int) { servePNG(w) })
		r.template = "{row}-{attempt}"
		list := done(3)
		r.want(list, download.Counts{Saved: 3})
		r.close()
		changed := append([]byte{}, pngImage...)
		changed[20]++
		if err := os.WriteFile(filepath.Join(r.dir, "2-1.png"), changed, 0o600); err != nil { // of the same size
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(r.dir, "2-1.png"), r.ended[0].File.SavedAt, r.ended[0].File.SavedAt.Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		for i := range 2 {
			list[i].ScreenshotID, list[i].Attempt = "999", 2
		}
		r.config.NoClobber = noClobber
		r.open()
		r.want(list, download.Counts{Saved: 2})
		want := []string{"1-2.png", "2-1.png", "2-2.png", "3-1.png"}
		if noClobber {
			want = append(want, "1-1.png")
		}
		r.files(want...)
	}
}
