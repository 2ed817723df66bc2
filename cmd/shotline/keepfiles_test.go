package main

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"shotline/jobs/sqlite"
)

// keptFiles returns the files below a folder, without those of a process and the
// manifest.
func keptFiles(t *testing.T, dir string) string {
	t.Helper()
	var names []string
	for _, name := range filesIn(t, dir) {
		if !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "manifest.") {
			names = append(names, name)
		}
	}
	return strings.Join(names, " ")
}

// runArgs are the arguments of a run against the vendor of the stage.
func (s *stage) runArgs(args ...string) []string {
	return append([]string{"run", "--poll", "--db", s.db, "--api-key", testKey, "--base-url", s.vendor.url + "/api/v1", "--timeout", "60s"}, args...)
}

// TestRunSavesFiles checks that a run ends when its files are saved, and that the
// results and a later run know them.
func TestRunSavesFiles(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	dir := filepath.Join(t.TempDir(), "images")
	code, _, errs := invoke(t, s.runArgs("--download", dir, "--name", "{path}-{row}", "https://shop.shotline.test/x", "https://shop.shotline.test/y", "https://shop.shotline.test/x")...)
	if code != exitOK || !strings.Contains(errs, "2 files saved in "+dir) {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	if got := keptFiles(t, dir); got != "x-1.png y-2.png" {
		t.Errorf("files %s", got)
	}
	_, stdout, _ := invoke(t, "list", "--json", "--db", s.db)
	_, rest, _ := strings.Cut(stdout, `"batch_id":"`)
	batch, _, _ := strings.Cut(rest, `"`)
	_, results, _ := invoke(t, "results", "--db", s.db, batch)
	if strings.Count(results, "x-1.png") != 2 || strings.Count(results, "y-2.png") != 1 {
		t.Errorf("results:\n%s", results)
	}

	// The order is stored: a later run without the flag waits for the same files.
	code, _, errs = invoke(t, s.runArgs("--batch", batch)...)
	if code != exitOK || !strings.Contains(errs, "2 files saved in "+dir) {
		t.Errorf("exit code %d: %s", code, errs)
	}
	// The command download knows them, too.
	code, stdout, errs = s.download(t.Context(), "", "--dir", dir, "--name", "{row}", batch)
	if code != exitOK || !strings.Contains(stdout, "2 saved before") || !strings.Contains(errs, "kept the names") {
		t.Errorf("exit code %d: %s%s", code, stdout, errs)
	}
	wantFiles(t, dir, "x-1.png", "y-2.png")
	// So does the contact sheet, and it needs no copies.
	sheet := filepath.Join(t.TempDir(), "sheet.html")
	code, _, errs = invoke(t, "summary", "--db", s.db, "--api-key", testKey, "--base-url", s.vendor.url+"/api/v1", "--format", "html", "--pictures", "--out", sheet, batch)
	page, err := os.ReadFile(sheet)
	if err != nil || code != exitOK || !strings.Contains(string(page), "/images/x-1.png") || !strings.Contains(string(page), "/images/y-2.png") {
		t.Errorf("exit code %d: %s%s (%v)", code, page, errs, err)
	}
	if copies, _ := filepath.Glob(filepath.Join(filepath.Dir(sheet), "sheet_pictures", "*")); len(copies) > 0 {
		t.Errorf("copies %q", copies)
	}
	// Another folder gets all files.
	other := filepath.Join(t.TempDir(), "other")
	code, _, errs = invoke(t, s.runArgs("--batch", batch, "--download", other, "--name", "{row}")...)
	if got := keptFiles(t, other); code != exitOK || got != "1.png 2.png" {
		t.Errorf("exit code %d: files %s: %s", code, got, errs)
	}
}

// TestRunContinuesDownload checks that the results and a run with --download know
// the files that the command download has saved.
func TestRunContinuesDownload(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	batch := s.submit(exitOK, "https://shop.shotline.test/1\nhttps://shop.shotline.test/2\n")
	dir := filepath.Join(t.TempDir(), "images")
	if code, _, errs := invoke(t, "wait", "--db", s.db, batch); code != exitOK {
		t.Fatal(errs)
	}
	if code, _, errs := s.download(t.Context(), "", "--dir", dir, "--name", "{path}", batch); code != exitOK {
		t.Fatal(errs)
	}
	_, results, _ := invoke(t, "results", "--db", s.db, batch)
	if !strings.Contains(results, ",1.png,") || !strings.Contains(results, ",2.png,") {
		t.Errorf("results:\n%s", results)
	}
	if err := os.Remove(filepath.Join(dir, "manifest.jsonl")); err != nil { // the database is enough
		t.Fatal(err)
	}
	code, _, errs := invoke(t, s.runArgs("--batch", batch, "--download", dir, "--name", "{row}-{host}")...)
	if code != exitOK || !strings.Contains(errs, "2 files saved in "+dir) {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if got := keptFiles(t, dir); got != "1.png 2.png" {
		t.Errorf("files %s", got)
	}
}

// TestRunReportsMissingFiles checks a run whose batch is done, but without one of
// its files, and the run that then fetches it.
func TestRunReportsMissingFiles(t *testing.T) {
	t.Parallel()
	s := newStageAt(t, filepath.Join(t.TempDir(), "shotline.db"))
	target, err := url.Parse(s.vendor.url)
	if err != nil {
		t.Fatal(err)
	}
	relay := httputil.NewSingleHostReverseProxy(target)
	var refused atomic.Bool
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/thumbnail") && refused.CompareAndSwap(false, true) {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		relay.ServeHTTP(w, r)
	}))
	defer proxy.Close()
	dir := filepath.Join(t.TempDir(), "images")
	args := func(more ...string) []string {
		return append(s.runArgs("--base-url", proxy.URL+"/api/v1", "--download", dir, "--name", "{path}"), more...)
	}
	code, stdout, errs := invoke(t, args("https://shop.shotline.test/1", "https://shop.shotline.test/2")...)
	for _, want := range []string{"1 file saved in " + dir, "image of ", "to try again, run `shotline run --batch "} {
		if code != exitFlawed || !strings.Contains(errs, want) {
			t.Errorf("exit code %d: no %q in %s", code, want, errs)
		}
	}
	_, batch, _ := strings.Cut(errs, "batch ") // a slow import prints its progress before
	batch, _, _ = strings.Cut(batch, ":")
	if !strings.Contains(stdout, batch) {
		t.Errorf("no summary of %s: %s", batch, stdout)
	}
	if _, status, _ := invoke(t, "status", "--db", s.db, batch); !strings.Contains(status, "1 saved (0.0 MB), 1 failed in "+dir) {
		t.Errorf("status:\n%s", status)
	}
	if table, err := os.ReadFile(filepath.Join(dir, "manifest.csv")); err != nil || strings.Count(string(table), ",failed,") != 1 || strings.Count(string(table), ",saved,") != 1 {
		t.Errorf("manifest.csv: %s (%v)", table, err)
	}
	code, _, errs = invoke(t, args("--batch", batch)...)
	if got := keptFiles(t, dir); code != exitOK || got != "1.png 2.png" {
		t.Errorf("exit code %d: files %s: %s", code, got, errs)
	}
}

// TestDownloadFlagErrors checks wrong values of --download and --name.
func TestDownloadFlagErrors(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	other := t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "manifest.jsonl"), []byte("{\"name\":\"mine\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	db := filepath.Join(t.TempDir(), "shots.db")
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"no folder":        {[]string{"run", "--download", file}, "--download: "},
		"other manifest":   {[]string{"run", "--download", other}, "manifest.jsonl: it is not a manifest"},
		"unknown variable": {[]string{"run", "--download", t.TempDir(), "--name", "{SKU}"}, "--name: "},
		"no template":      {[]string{"run", "--batch", "b1", "--download", t.TempDir(), "--name", "{row"}, "--name: "},
		"name alone":       {[]string{"run", "--name", "{row}"}, "--name needs --download"},
	} {
		code, _, errs := invoke(t, append(test.args, "--poll", "--db", db, "--api-key", "k", "https://shop.shotline.test/")...)
		if code != exitUsage || !strings.Contains(errs, test.want) {
			t.Errorf("%s: exit code %d: %s", name, code, errs)
		}
	}
	if _, err := os.Stat(db); err == nil {
		t.Error("a database was created")
	}
}

// TestServeSavesFiles checks that a serve saves the files of all batches, and
// stores the order for its next start.
func TestServeSavesFiles(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "images")
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	s := newStage(t, "--download", dir, "--name", "{batch}/{SKU}-{row}", "--api-listen", address)
	first := s.submit(exitOK, "https://shop.shotline.test/1\n")
	s.until("the file is saved", func() bool { _, err := os.Stat(filepath.Join(dir, first, "1.png")); return err == nil })
	second := s.submit(exitOK, "url,SKU\nhttps://shop.shotline.test/2,A7\n")
	s.until("the file with a column in its name is saved", func() bool { _, err := os.Stat(filepath.Join(dir, second, "A7-1.png")); return err == nil })
	if strings.Contains(s.log.String(), "could not be fetched") || !strings.Contains(s.log.String(), `"columns":["SKU"]`) {
		t.Errorf("log:\n%s", s.log)
	}
	store, err := sqlite.Open(t.Context(), s.db)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	s.until("the file is recorded", func() bool {
		counts, err := store.CountFiles(t.Context(), first)
		return err == nil && counts.Saved == 1
	})
	_, metrics := s.ask(address, "/metrics")
	if figure(t, metrics, `shotline_files_total{result="saved"}`) < 1 || figure(t, metrics, "shotline_file_saved_bytes_total") == 0 {
		t.Errorf("metrics:\n%s", metrics)
	}
	orders, err := store.DownloadOrders(t.Context(), "")
	if err != nil || len(orders) != 1 || orders[0].Folder != dir || orders[0].Name != "{batch}/{SKU}-{row}" {
		t.Errorf("orders %+v (%v)", orders, err)
	}
}
