package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"shotline/client"
	"shotline/jobs"
	"shotline/jobs/sqlite"
)

// pixel is a PNG with one pixel.
var pixel, _ = base64.StdEncoding.DecodeString("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=")

// sheetDatabase writes a database with a batch named sheet. Of its n rows, every
// tenth failed, and the others are done.
func sheetDatabase(t *testing.T, n int) (database string) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	database = filepath.Join(t.TempDir(), "a.db")
	ctx, at := t.Context(), clock.Now().Add(-time.Hour)
	store, err := sqlite.Open(ctx, database)
	must(err)
	must(store.CreateBatch(ctx, jobs.BatchSpec{ID: "sheet", Source: "shops.csv", Columns: []string{"SKU", "url"}}, at))
	var requests []jobs.Request
	for row := 1; row <= n; row++ {
		url := fmt.Sprintf("https://a.example/page-%d", row)
		requests = append(requests, jobs.Request{Line: row + 1, URL: url, Cells: []string{fmt.Sprintf("S-%d", row), url}})
	}
	must(store.AppendRequests(ctx, "sheet", requests, at))
	_, err = store.OpenBatch(ctx, "sheet", at)
	must(err)
	for {
		leases, err := store.Lease(ctx, "sheet", "test", 1000, at, at.Add(time.Minute))
		must(err)
		if len(leases) == 0 {
			break
		}
		var observed []jobs.Observation
		for _, lease := range leases {
			o := jobs.Observation{Job: lease.Job.ID, Attempt: lease.Attempt, ScreenshotID: fmt.Sprintf("9%d", lease.Job.ID.Row), Outcome: jobs.OutcomeDone}
			if lease.Job.ID.Row%10 == 0 {
				o.Outcome, o.Error = jobs.OutcomeFailed, "no such page"
			}
			observed = append(observed, o)
		}
		_, err = store.Observe(ctx, observed, jobs.ByWebhook, at, at.Add(time.Hour))
		must(err)
	}
	must(store.Close())
	return database
}

// TestSheetFiles checks the files of a sheet: they have the mode of the sheet, a
// new sheet replaces those of the old one, and an error changes nothing.
func TestSheetFiles(t *testing.T) {
	t.Parallel()
	database, folder := sheetDatabase(t, 1200), t.TempDir()
	sheet, files := filepath.Join(folder, "my sheet.html"), filepath.Join(folder, "my sheet_files")
	write := func(want int, args ...string) (stderr string) {
		t.Helper()
		code, _, stderr := invoke(t, append([]string{"summary", "sheet", "--db", database, "--format", "html", "--out", sheet}, args...)...)
		if code != want {
			t.Fatalf("%v: exit code %d, stderr %q", args, code, stderr)
		}
		return stderr
	}
	names := func() string {
		entries, _ := os.ReadDir(files)
		var all []string
		for _, e := range entries {
			all = append(all, e.Name())
		}
		return strings.Join(all, " ")
	}
	write(exitOK)
	first := names()
	if strings.Count(first, "-rows-") != 3 || strings.Count(first, "-text-") != 1 {
		t.Errorf("the files are %s", first)
	}
	if stderr := write(exitUsage, "--caption", "SKU,Name"); !strings.Contains(stderr, `--caption: "Name" is not a column`) || names() != first {
		t.Errorf("stderr %q, files %s", stderr, names())
	}
	if err := os.Chmod(sheet, 0o640); err != nil {
		t.Fatal(err)
	}
	write(exitOK, "--caption", "sku", "--failed-first")
	second := names()
	if second == first || strings.Count(second, ".js") != 4 {
		t.Errorf("the files are %s, before %s", second, first)
	}
	err := filepath.WalkDir(files, func(path string, entry fs.DirEntry, err error) error {
		if info, infoErr := entry.Info(); err == nil && infoErr == nil && !entry.IsDir() && info.Mode() != 0o640 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	page, err := os.ReadFile(sheet)
	prefix, _, _ := strings.Cut(second, "rows-")
	if err != nil || !bytes.Contains(page, []byte(`"./my%20sheet_files/`+prefix+`"`)) {
		t.Errorf("the page does not name its files: %v", err)
	}
	// Nothing beside a device or standard output.
	for _, out := range []string{"-", os.DevNull} {
		code, stdout, stderr := invoke(t, "summary", "sheet", "--db", database, "--format", "html", "--out", out)
		if code != exitOK || out == "-" && strings.Count(stdout, `id="rows-`) != 3 || names() != second {
			t.Errorf("--out %s: exit code %d, stderr %q, %d bytes", out, code, stderr, len(stdout))
		}
	}
	for _, flag := range []string{"--pictures", "--failed-first", "--caption=SKU", "--pictures-from=x"} {
		if code, _, stderr := invoke(t, "summary", "sheet", "--db", database, flag); code != exitUsage || !strings.Contains(stderr, "needs --format html") {
			t.Errorf("%s: exit code %d, stderr %q", flag, code, stderr)
		}
	}
	if stderr := write(exitUsage, "--pictures-from", folder); !strings.Contains(stderr, "has no manifest.jsonl") {
		t.Errorf("got %q", stderr)
	}
}

// TestSheetImages checks that saved images are used, that only missing ones are
// fetched, and that those are fetched once.
func TestSheetImages(t *testing.T) {
	t.Parallel()
	database, folder := sheetDatabase(t, 20), t.TempDir()
	var calls atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		if r.URL.Query().Get("id") == "919" || strings.Contains(r.URL.String(), "919") {
			http.Error(w, `{"success":false,"error":"deleted"}`, http.StatusGone)
			return
		}
		w.Header().Set("Content-Type", "image/png")
		_, _ = w.Write(pixel)
	}))
	defer server.Close()
	saved := filepath.Join(folder, "saved")
	entries := ""
	for row, entry := range map[int]string{
		1: `"file":"a/1.png","type":"image/png","screenshot":"91","state":"saved"`,
		2: `"file":"a/1.png","type":"image/png","screenshot":"older","state":"saved"`,
		3: `"file":"a/1.png","type":"application/pdf","screenshot":"93","state":"saved"`,
		4: `"file":"../secret.png","type":"image/png","screenshot":"94","state":"saved"`,
		5: `"file":"a/none.png","type":"image/png","screenshot":"95","state":"saved"`,
		6: `"screenshot":"96","state":"gone"`,
	} {
		entries += fmt.Sprintf(`{"job":"sheet-%d","row":%d,"output":"image","shot":1,%s}`+"\n", row, row, entry)
	}
	entries += `{"job":"sheet-7","row":7,"outp` // another process is writing it
	for name, content := range map[string]string{"a/1.png": string(pixel), "../secret.png": "x", "manifest.jsonl": entries} {
		path := filepath.Join(saved, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	sheet := filepath.Join(folder, "sheet.html")
	for _, want := range []int64{17 - 1 + 1, 1} { // 18 rows are done, one is saved; one stays missing
		calls.Store(0)
		code, _, stderr := invoke(t, "summary", "sheet", "--db", database, "--format", "html", "--out", sheet, "--pictures-from", saved, "--pictures", "--api-key", "k", "--base-url", server.URL)
		if code != exitOK || strings.Count(stderr, "no image of ") != 1 || !strings.Contains(stderr, "no image of sheet-19: ") {
			t.Errorf("exit code %d, stderr %q", code, stderr)
		}
		if calls.Load() != want {
			t.Errorf("%d images were fetched, want %d", calls.Load(), want)
		}
		page, err := os.ReadFile(sheet)
		if err != nil {
			t.Fatal(err)
		}
		if text := string(page); strings.Count(text, "<img ") != 17 || strings.Count(text, `src="saved/a/1.png"`) != 1 || !strings.Contains(text, `src="sheet_pictures/2-92.png"`) ||
			strings.Contains(text, "http: https:") {
			t.Errorf("%d images in the page, %d of them saved", strings.Count(text, "<img "), strings.Count(text, "saved/a/1.png"))
		}
		if info, err := os.Stat(filepath.Join(folder, "sheet_pictures", "2-92.png")); err != nil || info.Mode() != 0o600 {
			t.Errorf("the image of row 2: %v", err)
		}
	}
}

// TestImagesNotReady checks that an image that is not ready is requested again,
// but not if the job ended long ago and the vendor has deleted it.
func TestImagesNotReady(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		ended time.Duration // time since the end
		calls int64
		got   string
	}{
		"just ended":     {0, 2, "\x89PNG\r\n\x1a\n"},
		"ended long ago": {client.OutputGrace + time.Minute, 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int64
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if calls.Add(1) == 1 {
					http.Error(w, `{"success":false,"error":"Screenshot not found or not ready"}`, http.StatusNotFound)
					return
				}
				w.Header().Set("Content-Type", "image/png")
				_, _ = io.WriteString(w, "\x89PNG\r\n\x1a\n")
			}))
			defer server.Close()
			vendor, err := client.New(client.WithAPIKey("k"), client.WithBaseURL(server.URL))
			if err != nil {
				t.Fatal(err)
			}
			defer vendor.CloseIdleConnections()
			image, err := fetchImage(t.Context(), vendor, jobs.Job{ScreenshotID: "1", ClosedAt: clock.Now().Add(-test.ended)})
			if string(image) != test.got || (err == nil) != (test.got != "") || err != nil && !errors.Is(err, client.ErrNotReady) {
				t.Errorf("got %q, %v", image, err)
			}
			if calls.Load() != test.calls {
				t.Errorf("got %d vendor calls, want %d", calls.Load(), test.calls)
			}
		})
	}
}

// TestPageInsteadOfImage checks that an HTML page is refused.
func TestPageInsteadOfImage(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!DOCTYPE html><title>Sign in</title>")
	}))
	defer server.Close()
	vendor, err := client.New(client.WithAPIKey("k"), client.WithBaseURL(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	defer vendor.CloseIdleConnections()
	image, err := readOutput(func() (*client.Download, error) { return vendor.Thumbnail(t.Context(), "1", client.ThumbnailOptions{}) })
	if len(image) > 0 || err == nil || !strings.Contains(err.Error(), "Sign in") {
		t.Errorf("got %q, %v", image, err)
	}
}
