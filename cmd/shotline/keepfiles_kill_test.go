package main

import (
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"shotline/jobs/sqlite"
)

// imageGate is a proxy that lets some images through, with their id at the end. It
// cuts the others in the middle and keeps their connections open until the caller
// ends.
type imageGate struct {
	vendor string
	cut    chan struct{} // receives a value for each image that was cut

	mu      sync.Mutex
	allowed int
}

// allow sets how many more images pass.
func (g *imageGate) allow(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.allowed = n
}

func (g *imageGate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	request := r.Clone(r.Context())
	request.RequestURI = ""
	request.URL.Scheme, request.URL.Host = "http", strings.TrimPrefix(g.vendor, "http://")
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	isImage := strings.HasSuffix(r.URL.Path, "/thumbnail")
	if isImage {
		body = append(body, r.URL.Query().Get("id")...)
	}
	for name, values := range response.Header {
		w.Header()[name] = values
	}
	w.Header().Set("Content-Length", fmt.Sprint(len(body)))
	w.WriteHeader(response.StatusCode)
	if isImage {
		g.mu.Lock()
		g.allowed--
		passes := g.allowed >= 0
		g.mu.Unlock()
		if !passes {
			_, _ = w.Write(body[:len(body)/2]) // serve might have been killed
			w.(http.Flusher).Flush()
			g.cut <- struct{}{}
			<-r.Context().Done()
			return
		}
	}
	_, _ = w.Write(body)
}

// endClaims lets the claims of files end, as if two minutes had passed.
func (s *stage) endClaims() {
	s.t.Helper()
	db, err := sql.Open("sqlite3", "file:"+s.db+"?_busy_timeout=5000")
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("UPDATE files SET wake_at = 0 WHERE state = 'wanted'"); err != nil {
		s.t.Fatal(err)
	}
}

// TestFilesSurviveKills kills serve while it has some images, some halves of
// images, and some that it has saved and not recorded. In the end each job must
// have its own image under one name, and nothing else may be in the folder.
func TestFilesSurviveKills(t *testing.T) {
	t.Parallel()
	const n = 30
	s := newStageAt(t, filepath.Join(t.TempDir(), "shotline.db"))
	gate := &imageGate{vendor: s.vendor.url, cut: make(chan struct{}, n)}
	proxy := httptest.NewServer(gate)
	defer proxy.Close()
	dir := filepath.Join(t.TempDir(), "images")
	gate.allow(5)
	serve := s.killable("--base-url", proxy.URL+"/api/v1", "--download", dir, "--name", "shot")
	var rows strings.Builder
	for i := range n {
		fmt.Fprintf(&rows, "https://shop.shotline.test/%d\n", i)
	}
	batch := s.submit(exitOK, rows.String())
	for range 2 {
		for range 4 {
			<-gate.cut
		}
		serve.end(syscall.SIGKILL)
		if parts, err := filepath.Glob(filepath.Join(dir, ".shotline-*", "*")); err != nil || len(parts) == 0 {
			t.Errorf("serve was not killed while it saved files: %q (%v)", parts, err)
		}
		for len(gate.cut) > 0 {
			<-gate.cut
		}
		s.endClaims()
		gate.allow(6)
		serve.start()
	}
	for range 4 {
		<-gate.cut
	}
	serve.end(syscall.SIGTERM) // gives the claims back
	gate.allow(10 * n)
	serve.start()

	store, err := sqlite.Open(t.Context(), s.db)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	s.until("all files are saved", func() bool {
		counts, err := store.CountFiles(t.Context(), batch)
		return err == nil && counts.Saved == n
	})
	serve.end(syscall.SIGTERM)
	files, err := store.FilesOf(t.Context(), batch, 0, n)
	if err != nil || len(files) != n {
		t.Fatalf("%d files are recorded (%v)", len(files), err)
	}
	for _, f := range files {
		got, err := os.ReadFile(filepath.Join(dir, f.Name))
		if err != nil {
			t.Error(err)
		}
		if want := s.image(f.Screenshot); string(got) != want {
			t.Errorf("%s has %d bytes and not the %d of screenshot %s", f.Name, len(got), len(want), f.Screenshot)
		}
	}
	names := filesIn(t, dir)
	if len(names) != n+1 || !slices.Contains(names, "manifest.jsonl") {
		t.Errorf("%d files are on disk, want %d and the manifest: %q", len(names), n, names)
	}
}

// image returns an image as it passes the gate.
func (s *stage) image(screenshot string) string {
	s.t.Helper()
	status, body := s.ask(strings.TrimPrefix(s.vendor.url, "http://"), "/api/v1/screenshot/thumbnail?id="+screenshot+"&key="+testKey)
	if status != http.StatusOK {
		s.t.Errorf("image of %s: status %d", screenshot, status)
	}
	return body + screenshot
}
