package api

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"shotline/client"
	"shotline/jobs"
)

// TestSavedFilesAreServed checks that an image that an ordered download saved comes
// from its file, and from the vendor again when the file has changed.
func TestSavedFilesAreServed(t *testing.T) {
	png := "\x89PNG\r\n\x1a\n saved"
	vendor := &fakeOutputs{body: "\x89PNG\r\n\x1a\n fetched", have: map[string]client.Download{"image s1": {ContentType: "image/png", Length: -1}}}
	r := newRig(t, func(c *Config) { c.Outputs = vendor })
	r.do("POST", "/v1/batches", "https://a.test/\nhttps://a.test/\n", "Content-Type", "text/csv").want(202)
	r.closeJob("b1-1", jobs.Done, "s1")
	dir, now := t.TempDir(), r.clock.Now()
	path := filepath.Join(dir, "a", "1.png")
	done := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	done(os.Mkdir(filepath.Dir(path), 0o700))
	done(os.WriteFile(path, []byte(png), 0o600))
	done(r.store.OrderDownload(t.Context(), jobs.DownloadOrder{Batch: "b1", Folder: dir}, now))
	for more := true; more; {
		var err error
		_, more, err = r.store.WantFiles(t.Context(), now, 10)
		done(err)
	}
	works, err := r.store.ClaimFiles(t.Context(), now, now.Add(time.Minute), 10)
	done(err)
	f := works[0].File
	f.Name, f.State, f.Size, f.Type = "a/1.png", jobs.FileSaved, int64(len(png)), "image/png"
	done(r.store.NameFile(t.Context(), f))
	done(r.store.SettleFiles(t.Context(), []jobs.File{f}, now))

	for _, id := range []string{"b1-1", "b1-2"} { // the second is a duplicate
		a := r.do("GET", "/v1/jobs/"+id+"/image", nil)
		if a.status != 200 || string(a.body) != png || a.header.Get("Content-Type") != "image/png" || vendor.calls.Load() != 0 {
			t.Errorf("%s: %d %q %v, %d calls to the vendor", id, a.status, a.body, a.header, vendor.calls.Load())
		}
	}
	done(os.WriteFile(path, []byte(png+"x"), 0o600))
	if a := r.do("GET", "/v1/jobs/b1-1/image", nil); string(a.body) != vendor.body {
		t.Errorf("changed file: %q", a.body)
	}
	done(os.Remove(path))
	outside := filepath.Join(t.TempDir(), "outside.png")
	done(os.WriteFile(outside, []byte(png), 0o600))
	done(os.Symlink(outside, path))
	if a := r.do("GET", "/v1/jobs/b1-1/image", nil); string(a.body) != vendor.body {
		t.Errorf("link out of the folder: %q", a.body)
	}
}
