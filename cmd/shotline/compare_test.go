package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"shotline/jobs"
	"shotline/jobs/artifact"
	"shotline/jobs/sqlite"
)

// comparedDatabase writes a database with the batch old and its rerun new, each
// with a list of pages. The screenshot of a page is the name of the batch and the
// row. Pages that fail have no screenshot.
func comparedDatabase(t *testing.T, pages int, fails map[string]int64) (database string) {
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
	spec := jobs.BatchSpec{ID: "old", Source: "lists/shop.csv", Columns: []string{"SKU", "url"}, Tags: []string{"nightly"}}
	for _, id := range []string{"old", "new"} {
		must(store.CreateBatch(ctx, spec, at))
		var requests []jobs.Request
		for row := 1; row <= pages; row++ {
			url := fmt.Sprintf("https://a.example/page-%d", row)
			requests = append(requests, jobs.Request{Line: row + 1, URL: url, Cells: []string{fmt.Sprintf("S-%d", row), url}})
		}
		must(store.AppendRequests(ctx, id, requests, at))
		opened, err := store.OpenBatch(ctx, id, at)
		must(err)
		leases, err := store.Lease(ctx, id, "test", 1000, at, at.Add(time.Minute))
		must(err)
		var observed []jobs.Observation
		for _, lease := range leases {
			row := lease.Job.ID.Row
			o := jobs.Observation{Job: lease.Job.ID, Attempt: lease.Attempt, ScreenshotID: fmt.Sprintf("%s%d", id, row), Outcome: jobs.OutcomeDone}
			if fails[id] == row {
				o.Outcome, o.Error = jobs.OutcomeFailed, "no such page"
			}
			observed = append(observed, o)
		}
		_, err = store.Observe(ctx, observed, jobs.ByWebhook, at, at.Add(time.Hour))
		must(err)
		spec = jobs.RerunSpec(opened, "new")
	}
	must(store.Close())
	return database
}

// drawing returns a picture with a field at a place.
func drawing(t *testing.T, height, at int) []byte {
	t.Helper()
	p := image.NewGray(image.Rect(0, 0, 100, height))
	for i := range p.Pix {
		p.Pix[i] = 255
	}
	for x := at; x < at+10; x++ {
		for y := range 10 {
			p.SetGray(x, y, color.Gray{})
		}
	}
	var out bytes.Buffer
	if err := png.Encode(&out, p); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// picturesVendor serves pictures and pages by screenshot. Others are gone.
func picturesVendor(t *testing.T, pictures map[string][]byte) (url string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.URL.Query().Get("id")
		picture, known := pictures[id]
		switch {
		case !known:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"success":false,"code":"SCREENSHOT_NOT_FOUND","error":"gone"}`)
		case strings.HasSuffix(r.URL.Path, "/thumbnail"):
			w.Header().Set("Content-Type", "image/png")
			_, _ = w.Write(picture)
		case strings.HasSuffix(r.URL.Path, "/html"):
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, "<!DOCTYPE html><html><head><title>Page\n of %s &amp; more</title>", id[:3])
		default:
			fmt.Fprintf(w, `{"success":true,"data":{"id":%q,"status":"finished","final_url":"https://a.example/%s","has_html":true}}`, id, id[3:])
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// comparer calls compare with a database and a vendor.
type comparer struct {
	t            *testing.T
	database     string
	vendor, key  string
	stdout, last string
}

func (c *comparer) run(want int, args ...string) {
	c.t.Helper()
	code, stdout, stderr := invoke(c.t, append(args, "--db", c.database, "--base-url", c.vendor, "--api-key", c.key)...)
	if c.stdout, c.last = stdout, stderr; code != want {
		c.t.Fatalf("%v: exit code %d, want %d: %s%s", args, code, want, stdout, stderr)
	}
}

func (c *comparer) prints(texts ...string) {
	c.t.Helper()
	for _, text := range texts {
		if !strings.Contains(c.stdout, text) {
			c.t.Errorf("the output does not contain %q:\n%s", text, c.stdout)
		}
	}
}

func TestCompareBatches(t *testing.T) {
	t.Parallel()
	pictures := map[string][]byte{
		"old1": drawing(t, 50, 0), "new1": drawing(t, 50, 0),
		"old2": drawing(t, 50, 0), "new2": drawing(t, 50, 50),
		"old3": drawing(t, 50, 0), "new3": drawing(t, 200, 0),
		"old4": drawing(t, 50, 0), // the new one is gone
		"old5": drawing(t, 50, 0), "new5": drawing(t, 50, 0),
	}
	c := &comparer{t: t, database: comparedDatabase(t, 5, map[string]int64{"new": 5}), vendor: picturesVendor(t, pictures), key: "k"}
	c.run(exitFlawed, "compare", "old", "new")
	c.prints("same          4\n", "changed       1  state 1\n", "row 5, line 6  https://a.example/page-5\n", "done → failed (no such page)")
	c.run(exitFlawed, "compare", "new", "--by", "sku")
	c.prints("A  batch old", "B  batch new", "failed (no such page)")
	c.run(exitFlawed, "compare", "--latest", "nightly", "--json")
	var report struct{ Same, Changed int }
	if err := json.Unmarshal([]byte(c.stdout), &report); err != nil || report.Same != 4 || report.Changed != 1 {
		t.Errorf("%+v, %v in %s", report, err, c.stdout)
	}

	c.run(exitFlawed, "compare", "old", "new", "--pictures")
	c.prints("same          1\n", "state 1 · picture 2", "not compared  1", "page-3\n    picture: 75.0 % of the pixels, 100 × 50 → 100 × 200\n", "page-2\n    picture: 4.0 % of the pixels\n",
		"page-4\n    not compared: B: the vendor does not have it any more")
	c.run(exitFlawed, "compare", "old", "new", "--pictures", "--threshold", "4", "--format", "csv")
	if strings.Count(c.stdout, "picture,") != 1 || !strings.Contains(c.last, "1 row could not be compared completely") {
		t.Errorf("with a threshold: %s%s", c.stdout, c.last)
	}
	c.run(exitFlawed, "compare", "old", "new", "--pages")
	c.prints(`title: "Page of old & more" → "Page of new & more"`, "not compared: B: the final URL: the vendor does not have it any more")
	c.key = ""
	c.run(exitFlawed, "compare", "old", "new", "--pictures")
	c.prints("not compared  4", "not compared: A and B: not saved, and without --api-key it cannot be fetched\n")
	c.key = "k"

	same := &comparer{t: t, database: comparedDatabase(t, 2, nil), vendor: c.vendor, key: "k"}
	pictures["new2"] = pictures["old2"]
	same.run(exitOK, "compare", "old", "new", "--pictures")
	same.prints("same          2\n", "changed       0\n")
}

// TestComparePage checks the files of an HTML report: it uses saved pictures, has
// its own copies of others, and replaces an old report.
func TestComparePage(t *testing.T) {
	t.Parallel()
	pictures := map[string][]byte{"old1": drawing(t, 50, 0), "new1": drawing(t, 50, 0), "old2": drawing(t, 50, 0), "new2": drawing(t, 50, 50)}
	c := &comparer{t: t, database: comparedDatabase(t, 2, nil), vendor: picturesVendor(t, pictures), key: "k"}
	folder := t.TempDir()
	saved, out := filepath.Join(folder, "saved"), filepath.Join(folder, "my report.html")
	c.run(exitOK, "download", "old", "--dir", saved)
	delete(pictures, "old1") // only the file is left
	delete(pictures, "old2")
	page := func(images int) (files []string) {
		t.Helper()
		text, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(`<img src="([^"]+)"`).FindAllStringSubmatch(string(text), -1) {
			name := filepath.Join(folder, strings.ReplaceAll(match[1], "%20", " "))
			if _, err := os.Stat(name); err != nil {
				t.Error(err)
			}
			files = append(files, name)
		}
		if len(files) != images {
			t.Fatalf("%d pictures, want %d: %q", len(files), images, files)
		}
		return files
	}
	c.run(exitFlawed, "compare", "new", "--pictures", "--format", "html", "--out", out)
	files := page(3)
	if filepath.Dir(files[0]) != saved {
		t.Errorf("the saved picture is not used: %q", files)
	}
	if info, err := os.Stat(files[1]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("a fetched picture: %v, %v", info, err)
	}
	c.run(exitFlawed, "compare", "new", "--pictures", "--format", "html", "--out", out)
	page(3)
	if _, err := os.Stat(files[1]); err == nil {
		t.Error("a file of the old report is left")
	}
	left, err := os.ReadDir(filepath.Join(folder, "my report_pictures"))
	if err != nil || len(left) != 2 {
		t.Errorf("%d files beside the report, %v; want 2", len(left), err)
	}
	// The pictures were moved: --dir-a names their folder.
	moved := filepath.Join(folder, "moved")
	if err := os.Rename(saved, moved); err != nil {
		t.Fatal(err)
	}
	c.run(exitFlawed, "compare", "new", "--pictures")
	c.prints("not compared  2", "A: the vendor does not have it any more")
	c.run(exitFlawed, "compare", "new", "--pictures", "--dir-a", moved)
	c.prints("not compared  0", "picture 1")
	if err := os.WriteFile(filepath.Join(moved, artifact.ManifestName), []byte("no\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.run(exitFailed, "compare", "new", "--pictures", "--dir-a", moved)
}

func TestCompareUsage(t *testing.T) {
	t.Parallel()
	c := &comparer{t: t, database: comparedDatabase(t, 1, nil), key: "k"}
	if code, _, stderr := invoke(t, "rerun", "old", "--db", c.database); code != exitOK {
		t.Fatal(stderr)
	}
	for want, args := range map[string][]string{
		"give the ids of two batches, or of one rerun":        {},
		"compare: old is given twice":                         {"old", "old"},
		"give either batches or --latest":                     {"old", "--latest", "nightly"},
		"not found":                                           {"old", "nosuch"},
		"batch old is not a rerun":                            {"old"},
		"has not ended, it is open: wait for its end":         {"--latest", "nightly"},
		`--by: batch old: "EAN" is not a column of the input`: {"old", "new", "--by", "EAN"},
		"--by: the name of the column is empty":               {"old", "new", "--by", " "},
		"--threshold needs --pictures":                        {"old", "new", "--threshold", "1"},
		"--threshold 100: want a percentage":                  {"old", "new", "--pictures", "--threshold", "100"},
		"--dir-b needs --pictures":                            {"old", "new", "--dir-b", "x"},
		"it has no manifest.jsonl":                            {"old", "new", "--pictures", "--dir-b", t.TempDir()},
		"--format \"xlsx\": want text, json, csv or html":     {"old", "new", "--format", "xlsx"},
		"--pictures with --format html needs --out FILE":      {"old", "new", "--pictures", "--format", "html"},
		"--image-mode needs --format html and --pictures":     {"old", "new", "--image-mode", "0644"},
		"it belongs to the database":                          {"old", "new", "--format", "html", "--out", c.database},
		"--parallel 0: want a number from 1 to 64":            {"old", "new", "--parallel", "0"},
	} {
		c.run(exitUsage, append([]string{"compare"}, args...)...)
		if !strings.Contains(c.last, want) {
			t.Errorf("%v: %s, want %q", args, c.last, want)
		}
	}
}
