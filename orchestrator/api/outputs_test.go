package api

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shotline/client"
	"shotline/jobs"
)

// content is the content of every output: the start of a PNG file.
const content = "\x89PNG\r\n\x1a\n"

func newOutputs() *fakeOutputs {
	return &fakeOutputs{body: content, have: map[string]client.Download{
		"image s1": {ContentType: "image/png", Length: int64(len(content))}, "html s1": {ContentType: "text/html; charset=utf-8", Length: -1},
		"pdf s1": {ContentType: "application/pdf", Length: int64(len(content))}, "image s2": {ContentType: "image/svg+xml", Length: int64(len(content))},
	}}
}

func TestOutputsOfAJob(t *testing.T) {
	vendor := newOutputs()
	r := newRig(t, func(c *Config) { c.Outputs = vendor })
	r.do("POST", "/v1/batches", "a.test\nhttps://a.test/\nb.test\n", "Content-Type", "text/csv").want(202)
	r.do("GET", "/v1/jobs/b1-1/image", nil).problem(409, "", "is queued")
	r.closeJob("b1-1", jobs.Done, "s1")
	r.closeJob("b1-3", jobs.Done, "s2")
	if got := r.do("GET", "/v1/jobs/b1-1", nil).want(200)["image_url"]; got != "/v1/jobs/b1-1/image" {
		t.Errorf("image_url %v", got)
	}
	tags := map[string]bool{}
	for _, test := range []struct{ path, kind, name string }{
		{"b1-1/image", "image/png", `inline; filename="b1-1.png"`},
		{"b1-1/html", "text/html", `attachment; filename="b1-1.html"`},
		{"b1-1/pdf", "application/pdf", `attachment; filename="b1-1.pdf"`},
		{"b1-3/image", "application/octet-stream", `inline; filename="b1-3.bin"`}, // an image format that can contain scripts
	} {
		a := r.do("GET", "/v1/jobs/"+test.path, nil)
		h := a.header
		if a.status != 200 || string(a.body) != content || h.Get("Content-Type") != test.kind || h.Get("Content-Disposition") != test.name {
			t.Errorf("%s: %d %q %v", test.path, a.status, a.body, h)
		}
		if !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", test.path, h)
		}
		if tags[h.Get("ETag")] || h.Get("ETag") == "" {
			t.Errorf("%s: ETag %s", test.path, h.Get("ETag"))
		}
		tags[h.Get("ETag")] = true
		before := vendor.calls.Load()
		again := r.do("GET", "/v1/jobs/"+test.path, nil, "If-None-Match", `"other", W/`+h.Get("ETag"))
		if again.status != http.StatusNotModified || len(again.body) > 0 || again.header.Get("ETag") != h.Get("ETag") || vendor.calls.Load() != before {
			t.Errorf("%s again: %d, %d calls to the vendor", test.path, again.status, vendor.calls.Load()-before)
		}
		if other := r.do("GET", "/v1/jobs/"+test.path, nil, "If-None-Match", `"other"`); other.status != 200 {
			t.Errorf("%s with another tag: %d", test.path, other.status)
		}
	}
	if a := r.do("GET", "/v1/jobs/b1-2/image", nil); a.status != 200 || string(a.body) != content {
		t.Errorf("of a duplicate: %d %s", a.status, a.body)
	}
	if a := r.do("HEAD", "/v1/jobs/b1-1/image", nil); a.status != 200 || len(a.body) > 0 || a.header.Get("Content-Length") != fmt.Sprint(len(content)) {
		t.Errorf("HEAD: %d %v", a.status, a.header)
	}
	r.do("GET", "/v1/jobs/b1-3/pdf", nil).problem(404, "", "has no pdf")
	r.do("GET", "/v1/jobs/zz-1/image", nil).problem(404, "", "there is no job")
}

func TestOutputsWithVendorErrors(t *testing.T) {
	for name, test := range map[string]struct {
		err        error
		status     int
		retryAfter string
	}{
		"rate limit": {&client.RateLimitError{Delay: 2500 * time.Millisecond, API: &client.APIError{Status: 429}}, 503, "3"},
		"key":        {&client.APIError{Status: 401, Message: "s3cret"}, 502, ""},
		"not there":  {&client.NotSentError{Err: errors.New("s3cret")}, 502, ""},
		"unknown":    {&client.APIError{Status: 404}, 404, ""},
	} {
		r := newRig(t, func(c *Config) { c.Outputs = &fakeOutputs{err: test.err} })
		r.do("POST", "/v1/jobs", JobRequest{URL: "a.test"}).want(202)
		r.closeJob("b1-1", jobs.Done, "s1")
		t.Log(name)
		a := r.do("GET", "/v1/jobs/b1-1/image", nil)
		a.problem(test.status, "", "vendor")
		if a.header.Get("Retry-After") != test.retryAfter || strings.Contains(string(a.body), "s3cret") {
			t.Errorf("Retry-After %q, %s", a.header.Get("Retry-After"), a.body)
		}
		failed := r.do("POST", "/v1/jobs", JobRequest{URL: "b.test"}).want(202)["id"].(string)
		r.closeJob(failed, jobs.Failed, "s0")
		r.do("GET", "/v1/jobs/"+failed+"/image", nil).problem(404, "", "has no image")
	}
}

// TestOutputsNotReadyYet checks the retries, because the vendor might have an
// image ready only some time after it reported the end of the screenshot.
func TestOutputsNotReadyYet(t *testing.T) {
	quick := client.RetryPolicy{Attempts: 6, Base: time.Millisecond}
	for name, test := range map[string]struct {
		path     string
		params   map[string]any
		notReady int64         // calls until the output is ready
		since    time.Duration // time since the end of the job
		status   int
		calls    int64
	}{
		"soon":              {"image", nil, 3, 0, 200, 4},
		"not in time":       {"image", nil, 100, 0, 503, 6},
		"old job":           {"image", nil, 100, client.OutputGrace + time.Second, 404, 1},
		"requested HTML":    {"html", map[string]any{"html": true}, 3, 0, 200, 4},
		"requested PDF":     {"pdf", map[string]any{"pdf": "1"}, 3, 0, 200, 4},
		"PDF not requested": {"pdf", map[string]any{"html": true}, 100, 0, 404, 1},
		"PDF declined":      {"pdf", map[string]any{"pdf": false}, 100, 0, 404, 1},
	} {
		t.Run(name, func(t *testing.T) {
			vendor := newOutputs()
			vendor.notReady = test.notReady
			r := newRig(t, func(c *Config) { c.Outputs, c.outputRetry = vendor, quick })
			r.do("POST", "/v1/jobs", JobRequest{URL: "a.test", Params: test.params}).want(202)
			r.closeJob("b1-1", jobs.Done, "s1")
			r.clock.advance(test.since)
			a := r.do("GET", "/v1/jobs/b1-1/"+test.path, nil)
			if a.status != test.status || vendor.calls.Load() != test.calls {
				t.Errorf("%d %s after %d calls, want %d after %d", a.status, a.body, vendor.calls.Load(), test.status, test.calls)
			}
			if after := a.header.Get("Retry-After"); (after != "") != (test.status == 503) {
				t.Errorf("Retry-After %q", after)
			}
		})
	}
}

// failingReader fails like a connection that was reset.
type failingReader struct{}

func (failingReader) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestKeptImagesAreNotFetchedAgain(t *testing.T) {
	vendor, folder := newOutputs(), filepath.Join(t.TempDir(), "images")
	r := newRig(t, func(c *Config) { c.Outputs, c.ImageDir = vendor, folder })
	r.do("POST", "/v1/jobs", JobRequest{URL: "a.test"}).want(202)
	r.closeJob("b1-1", jobs.Done, "s1")
	first := r.do("GET", "/v1/jobs/b1-1/image", nil)
	vendor.err = errors.New("gone")
	again := r.do("GET", "/v1/jobs/b1-1/image", nil)
	if again.status != 200 || string(again.body) != content || vendor.calls.Load() != 1 {
		t.Errorf("%d %q after %d calls", again.status, again.body, vendor.calls.Load())
	}
	for _, name := range []string{"ETag", "Content-Type", "Content-Length", "Content-Disposition"} {
		if first.header.Get(name) != again.header.Get(name) {
			t.Errorf("%s: %q, then %q", name, first.header.Get(name), again.header.Get(name))
		}
	}
	files, err := filepath.Glob(filepath.Join(folder, "b1", "b1-1-image-*.png"))
	if err != nil || len(files) != 1 {
		t.Fatalf("kept %v, %v", files, err)
	}
	wantMode(t, files[0], 0o600)
	wantMode(t, filepath.Dir(files[0]), 0o700)
	r.do("GET", "/v1/jobs/b1-1/pdf", nil).problem(502, "", "vendor")
}

func wantMode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != want {
		t.Errorf("%s has the mode %o, want %o", path, got, want)
	}
}

func TestKeptImagesHaveTheConfiguredMode(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "images")
	kept, err := openImages(folder, 0o640, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	j := jobs.Job{ID: jobs.ID{Batch: "b1", Row: 1}, ScreenshotID: "s1", Attempt: 1}
	d := kept.save(j, outputs[0], "tag", &client.Download{Body: io.NopCloser(strings.NewReader("by")), ContentType: "image/png", Length: 2})
	if _, err := io.Copy(io.Discard, d.Body); err != nil || d.Body.Close() != nil {
		t.Fatal(err)
	}
	wantMode(t, kept.path(j, outputs[0], "tag")+".png", 0o640)
	wantMode(t, filepath.Join(folder, "b1"), 0o750)
	wantMode(t, folder, 0o750)
}

func TestIncompleteImageIsNotKept(t *testing.T) {
	folder := t.TempDir()
	kept, err := openImages(folder, 0, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	j := jobs.Job{ID: jobs.ID{Batch: "b1", Row: 1}, ScreenshotID: "s1", Attempt: 1}
	for _, body := range []io.Reader{io.MultiReader(strings.NewReader("by"), failingReader{}), strings.NewReader("by")} {
		d := kept.save(j, outputs[0], "tag", &client.Download{Body: io.NopCloser(body), ContentType: "image/png", Length: int64(len(content))})
		_, _ = io.Copy(io.Discard, d.Body)
		if err := d.Body.Close(); err != nil {
			t.Error(err)
		}
		if found := kept.open(j, outputs[0], "tag"); found != nil {
			t.Error("an incomplete image was kept")
		}
	}
	if files, err := os.ReadDir(filepath.Join(folder, "b1")); err != nil || len(files) > 0 {
		t.Errorf("%v are left, %v", files, err)
	}
}

func TestImageThatCannotBeKeptIsServed(t *testing.T) {
	vendor, folder := newOutputs(), filepath.Join(t.TempDir(), "images")
	r := newRig(t, func(c *Config) { c.Outputs, c.ImageDir = vendor, folder })
	if err := os.WriteFile(filepath.Join(folder, "b1"), nil, 0o600); err != nil { // a file, so that the folder cannot be created
		t.Fatal(err)
	}
	r.do("POST", "/v1/jobs", JobRequest{URL: "a.test"}).want(202)
	r.closeJob("b1-1", jobs.Done, "s1")
	if a := r.do("GET", "/v1/jobs/b1-1/image", nil); a.status != 200 || string(a.body) != content {
		t.Errorf("%d %q", a.status, a.body)
	}
}

func TestIncompleteOutputIsAborted(t *testing.T) {
	vendor := newOutputs()
	vendor.broken = true
	r := newRig(t, func(c *Config) { c.Outputs = vendor })
	r.do("POST", "/v1/jobs", JobRequest{URL: "a.test"}).want(202)
	r.closeJob("b1-1", jobs.Done, "s1")
	for _, kind := range []string{"image", "html"} { // with and without a Content-Length
		response, err := http.Get(r.url + "/v1/jobs/b1-1/" + kind)
		if err != nil {
			continue // aborted before anything was sent
		}
		if data, err := io.ReadAll(response.Body); err == nil {
			t.Errorf("%s: the incomplete response %q ended without an error", kind, data)
		}
		response.Body.Close()
	}
}

// TestInvalidKeptFilesAreFetchedAgain checks that files that earlier versions
// kept are served only if they can be the output.
func TestInvalidKeptFilesAreFetchedAgain(t *testing.T) {
	for name, test := range map[string]struct{ kind, extension, body string }{
		"empty image":     {"image", ".png", ""},
		"portal":          {"image", ".bin", "<!DOCTYPE html><title>Sign in</title>"},
		"portal as image": {"image", ".png", "<!DOCTYPE html><title>Sign in</title>"},
		"problem":         {"image", ".bin", `{"title":"no"}`},
		"no document":     {"pdf", ".pdf", "<!DOCTYPE html><title>Sign in</title>"},
		"empty page":      {"html", ".html", ""},
		"refusal":         {"html", ".html", `{"success":false}`},
	} {
		vendor, folder := newOutputs(), t.TempDir()
		r := newRig(t, func(c *Config) { c.Outputs, c.ImageDir = vendor, folder })
		r.do("POST", "/v1/jobs", JobRequest{URL: "a.test"}).want(202)
		r.closeJob("b1-1", jobs.Done, "s1")
		path := "/v1/jobs/b1-1/" + test.kind
		tag := strings.Trim(r.do("GET", path, nil).header.Get("ETag"), `"`)
		kept, err := filepath.Glob(filepath.Join(folder, "b1", "*"))
		if err != nil || len(kept) != 1 {
			t.Fatalf("%s: kept %v, %v", name, kept, err)
		}
		if err := os.Remove(kept[0]); err != nil {
			t.Fatal(err)
		}
		wrong := filepath.Join(folder, "b1", "b1-1-"+test.kind+"-"+tag+test.extension)
		if err := os.WriteFile(wrong, []byte(test.body), 0o600); err != nil {
			t.Fatal(err)
		}
		if a := r.do("GET", path, nil); a.status != 200 || string(a.body) != vendor.body || vendor.calls.Load() != 2 {
			t.Errorf("%s: %d %q after %d calls", name, a.status, a.body, vendor.calls.Load())
		}
		if files, err := filepath.Glob(filepath.Join(folder, "b1", "*")); err != nil || len(files) != 1 || files[0] != kept[0] {
			t.Errorf("%s: kept %v, %v, want %s", name, files, err, kept)
		}
	}
}

func TestEmptyOutputIsNotKept(t *testing.T) {
	folder := t.TempDir()
	kept, err := openImages(folder, 0, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	j := jobs.Job{ID: jobs.ID{Batch: "b1", Row: 1}, ScreenshotID: "s1", Attempt: 1}
	d := kept.save(j, outputs[0], "tag", &client.Download{Body: io.NopCloser(strings.NewReader("")), ContentType: "image/png", Length: -1})
	if _, err := io.Copy(io.Discard, d.Body); err != nil || d.Body.Close() != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(filepath.Join(folder, "b1")); err != nil || len(files) > 0 {
		t.Errorf("%v are left, %v", files, err)
	}
}
