package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"shotline/client"
	"shotline/jobs/artifact"
)

// download runs shotline download and returns its exit code and output. If vendor
// is empty, it uses that of the stage.
func (s *stage) download(ctx context.Context, vendor string, args ...string) (code int, stdout, stderr string) {
	s.t.Helper()
	if vendor == "" {
		vendor = s.vendor.url
	}
	var out, errs bytes.Buffer
	args = append([]string{"shotline", "download", "--db", s.db, "--api-key", testKey, "--base-url", vendor + "/api/v1"}, args...)
	code = run(ctx, args, streams{in: strings.NewReader(""), out: &out, err: &errs})
	return code, out.String(), errs.String()
}

// filesIn returns the files below a folder.
func filesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, entry os.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			relative, _ := filepath.Rel(dir, name)
			names = append(names, filepath.ToSlash(relative))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// wantFiles checks the files of a folder, besides its manifest.
func wantFiles(t *testing.T, dir string, want ...string) {
	t.Helper()
	want = append(want, artifact.ManifestName, artifact.ManifestTableName)
	slices.Sort(want)
	got := filesIn(t, dir)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("the folder has %q, want %q", got, want)
	}
}

// manifestOf returns the entries of a folder's manifest.
func manifestOf(t *testing.T, dir string) (entries []artifact.Entry) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, artifact.ManifestName))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var e artifact.Entry
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v in %q", err, line)
		}
		entries = append(entries, e)
	}
	return entries
}

// TestDownloadAllOutputs downloads the outputs of a batch with names from its
// columns, once and again, and then with a screenshot that was deleted.
func TestDownloadAllOutputs(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	batch := s.submit(exitFlawed, "url,SKU,Product Title,param:format,param:html,param:pdf,param:shots\n"+
		"https://shop.shotline.test/1,A/1,Crème brûlée,png,true,true,\n"+
		"https://shop.shotline.test/2,B:2,CON,jpeg,,,\n"+
		"https://shop.shotline.test/3,b:2,,webp,,,2\n"+
		"https://shop.shotline.test/1,A/1,Crème brûlée,png,true,true,\n"+
		"not a url,C,none,,,,\n")
	dir := filepath.Join(t.TempDir(), "new", "images")
	flags := []string{batch, "--dir", dir, "--name", "{host}/{SKU}-{product title|slug}.{ext}"}
	code, out, errs := s.download(t.Context(), "", flags...)
	if code != exitOK || !strings.HasPrefix(out, "6 files saved in "+dir) {
		t.Fatalf("exit code %d\n%s%s", code, out, errs)
	}
	files := []string{"A-1-creme-brulee.png", "A-1-creme-brulee.html", "A-1-creme-brulee.pdf", "B-2-con.jpg", "b-2.webp", "b-2-2.webp"}
	for i := range files {
		files[i] = "shop.shotline.test/" + files[i]
	}
	wantFiles(t, dir, files...)
	for name, begin := range map[string]string{files[0]: "\x89PNG", files[1]: "<!DOCTYPE", files[2]: "%PDF", files[3]: "\xff\xd8", files[4]: "RIFF"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !strings.HasPrefix(string(text), begin) {
			t.Errorf("%s begins with %.8q (%v)", name, text, err)
		}
	}
	entries := manifestOf(t, dir)
	if len(entries) != 6 || entries[0].File != files[0] || entries[0].Line != 2 || entries[3].Row != 2 || entries[3].Type != "image/jpeg" {
		t.Errorf("got manifest %+v", entries)
	}

	before := s.vendor.Ledger().Calls["screenshot/thumbnail"]
	code, out, errs = s.download(t.Context(), "", append(flags, "--json")...)
	if code != exitOK || !strings.Contains(out, `"saved":0,"bytes":0,"skipped":6,`) {
		t.Errorf("again: exit code %d\n%s%s", code, out, errs)
	}
	if after := s.vendor.Ledger().Calls["screenshot/thumbnail"]; after != before {
		t.Errorf("%d images were fetched again", after-before)
	}

	if _, _, errs = s.download(t.Context(), "", batch, "--dir", dir); !strings.Contains(errs, "6 files kept the names of an earlier --name") {
		t.Errorf("with another template: %s", errs)
	}

	vendor, err := client.New(client.WithAPIKey(testKey), client.WithBaseURL(s.vendor.url+"/api/v1"))
	if err != nil {
		t.Fatal(err)
	}
	defer vendor.CloseIdleConnections()
	if err := vendor.Delete(t.Context(), entries[3].Screenshot, client.ScopeAll); err != nil {
		t.Fatal(err)
	}
	s.age()
	dir = t.TempDir()
	code, out, errs = s.download(t.Context(), "", batch, "--dir", dir, "--output", "image", "--name", "{row}")
	if code != exitFlawed || !strings.Contains(out, "1 gone") || !strings.Contains(errs, "image of "+batch+"-2: ") {
		t.Errorf("deleted: exit code %d\n%s%s", code, out, errs)
	}
	wantFiles(t, dir, "1.png", "3.webp", "3-2.webp")

	dir = t.TempDir()
	code, out, errs = s.download(t.Context(), "", batch+"-4", batch+"-1", "--dir", dir, "--output", "pdf,html")
	if code != exitOK {
		t.Errorf("jobs: exit code %d\n%s%s", code, out, errs)
	}
	wantFiles(t, dir, batch+"-1-shop.shotline.test.html", batch+"-1-shop.shotline.test.pdf")
}

// age makes all jobs end an hour earlier, so that a missing output counts as
// deleted.
func (s *stage) age() {
	s.t.Helper()
	db, err := sql.Open("sqlite3", "file:"+s.db+"?_busy_timeout=5000")
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("UPDATE jobs SET closed_at = closed_at - 3600000"); err != nil {
		s.t.Fatal(err)
	}
}

// TestDownloadContinues interrupts a download, and checks that only complete files
// exist, and that the same command fetches only the others.
func TestDownloadContinues(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	var rows strings.Builder
	const n = 60
	for i := range n {
		fmt.Fprintf(&rows, "https://shop.shotline.test/%d\n", i)
	}
	batch := s.submit(exitOK, rows.String())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	target, err := url.Parse(s.vendor.url)
	if err != nil {
		t.Fatal(err)
	}
	var calls atomic.Int64
	var requested sync.Map // ids of screenshots
	relay := httputil.NewSingleHostReverseProxy(target)
	relay.ErrorLog = log.New(io.Discard, "", 0)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == n/2 {
			cancel()
		}
		requested.Store(r.URL.Query().Get("id"), true)
		relay.ServeHTTP(w, r)
	}))
	defer proxy.Close()
	dir := t.TempDir()
	code, _, errs := s.download(ctx, proxy.URL, batch, "--dir", dir, "--parallel", "4")
	if code != exitFailed || !strings.Contains(errs, "interrupted: ") || !strings.Contains(errs, "the same command continues") {
		t.Fatalf("exit code %d\n%s", code, errs)
	}
	saved := manifestOf(t, dir)
	var names []string
	for _, e := range saved {
		names = append(names, e.File)
	}
	wantFiles(t, dir, names...)
	requested.Clear()
	code, out, errs := s.download(t.Context(), proxy.URL, batch, "--dir", dir)
	if want := fmt.Sprintf("%d files saved", n-len(saved)); code != exitOK || !strings.HasPrefix(out, want) {
		t.Errorf("exit code %d, want %q\n%s%s", code, want, out, errs)
	}
	for _, e := range saved {
		if _, again := requested.Load(e.Screenshot); again {
			t.Errorf("%s was fetched again", e.File)
		}
	}
	if got := len(manifestOf(t, dir)); got != n {
		t.Errorf("the manifest has %d entries, want %d", got, n)
	}
}

// TestDownloadErrors checks that wrong arguments and folders are refused before
// anything is written.
func TestDownloadErrors(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	batch := s.submit(exitFlawed, "url,SKU\nhttps://shop.shotline.test/1,A\nhttps://broken.shotline.test/,B\n")
	base := t.TempDir()
	file := filepath.Join(base, "file")
	if err := os.WriteFile(file, []byte("own"), 0o600); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(base, "foreign")
	if err := os.Mkdir(foreign, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(foreign, artifact.ManifestName), []byte("{\"my\":\"data\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(base, "images")
	for _, test := range []struct {
		code int
		want string
		args []string
	}{
		{exitUsage, "--dir is missing", []string{batch}},
		{exitUsage, "a batch or job id is missing", []string{"--dir", dir}},
		{exitUsage, "not found", []string{batch, "nosuchbatch", "--dir", dir}},
		{exitUsage, "not found", []string{batch + "-9", "--dir", dir}},
		{exitFlawed, "job " + batch + "-2 is failed and has no files", []string{batch + "-2", "--dir", dir}},
		{exitUsage, "no column {sku2}: the variables are {attempt} ", []string{batch, "--dir", dir, "--name", "{sku2}"}},
		{exitUsage, "and the columns {url} {SKU} (batch " + batch + ")", []string{batch, "--dir", dir, "--name", "{title}"}},
		{exitUsage, "names cannot leave the folder", []string{batch, "--dir", dir, "--name", "../{SKU}"}},
		{exitUsage, `--output "jpg": want image, html, pdf or video`, []string{batch, "--dir", dir, "--output", "image,jpg"}},
		{exitUsage, `--limit "20": want a number of calls, such as 20/s`, []string{batch, "--dir", dir, "--limit", "20"}},
		{exitUsage, "--parallel 0: want a number from 1 to 64", []string{batch, "--dir", dir, "--parallel", "0"}},
		{exitUsage, "--dir: create folder " + file + ": not a directory", []string{batch, "--dir", file}},
		{exitFailed, "manifest.jsonl: it is not a manifest: use another folder", []string{batch, "--dir", foreign}},
		{exitFailed, "the vendor refuses the API key", []string{batch, "--dir", dir, "--api-key", "wrong"}},
	} {
		code, _, errs := s.download(t.Context(), "", test.args...)
		if code != test.code || !strings.Contains(errs, test.want) {
			t.Errorf("%q: exit code %d, want %d and %q\n%s", test.args, code, test.code, test.want, errs)
		}
		if _, err := os.Stat(dir); err == nil && test.code != exitFailed {
			t.Errorf("%q: the folder was created", test.args)
		}
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "own" {
		t.Errorf("the file has %q (%v)", text, err)
	}
}

// TestDownloadKeepsFiles checks --no-clobber, and that a file of the same name is
// replaced without it.
func TestDownloadKeepsFiles(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	batch := s.submit(exitOK, "url,SKU\nhttps://shop.shotline.test/1,A\nhttps://shop.shotline.test/2,B\n")
	dir := t.TempDir()
	own := filepath.Join(dir, "A.png")
	if err := os.WriteFile(own, []byte("own"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		want, begin string
		flags       []string
	}{
		{"1 file saved", "own", []string{"--no-clobber", "--limit", "100/s"}},
		{"0 files saved", "own", []string{"--no-clobber"}},
		{"1 file saved", "\x89PNG", nil},
	} {
		code, out, errs := s.download(t.Context(), "", append([]string{batch, "--dir", dir, "--name", "{SKU}"}, test.flags...)...)
		if code != exitOK || !strings.HasPrefix(out, test.want) {
			t.Errorf("%q: exit code %d\n%s%s", test.flags, code, out, errs)
		}
		if text, err := os.ReadFile(own); err != nil || !strings.HasPrefix(string(text), test.begin) {
			t.Errorf("%q: the file begins with %.8q (%v)", test.flags, text, err)
		}
	}
	wantFiles(t, dir, "A.png", "B.png")
}
