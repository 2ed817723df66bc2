package api

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"shotline/jobs"
)

// deadlineRecorder records the deadlines that are set.
type deadlineRecorder struct {
	*httptest.ResponseRecorder
	read, write []time.Time
}

func (d *deadlineRecorder) SetReadDeadline(t time.Time) error {
	d.read = append(d.read, t)
	return nil
}

func (d *deadlineRecorder) SetWriteDeadline(t time.Time) error {
	d.write = append(d.write, t)
	return nil
}

// TestDeadlines checks that no deadline remains that would pass during later
// work. It would cancel the request's context or cut off the response.
func TestDeadlines(t *testing.T) {
	r := newRig(t, nil)
	handler, err := New(r.config)
	if err != nil {
		t.Fatal(err)
	}
	r.do("POST", "/v1/batches", "a.test\n", "Content-Type", "text/csv").want(202)
	ended := r.do("POST", "/v1/jobs", JobRequest{URL: "b.test"}).want(202)["id"].(string)
	r.closeJob(ended, jobs.Failed, "")
	for name, test := range map[string]struct {
		method, path, kind, body string
		write                    int // minimum number of deadlines
	}{
		"batch":   {"POST", "/v1/batches", "text/csv", "a.test\n", 1},
		"job":     {"POST", "/v1/jobs", "application/json", `{"url":"a.test"}`, 0},
		"retry":   {"POST", "/v1/batches/b1/retry", "", "", 1},
		"one":     {"POST", "/v1/jobs/" + ended + "/retry", "", "", 1},
		"results": {"GET", "/v1/batches/b1/results", "", "", 2},
		"wait":    {"GET", "/v1/batches/b1?wait=1ms", "", "", 2},
	} {
		w := &deadlineRecorder{ResponseRecorder: httptest.NewRecorder()}
		var body io.Reader = http.NoBody
		if test.body != "" {
			body = struct{ io.Reader }{strings.NewReader(test.body)} // hides the length
		}
		request := httptest.NewRequestWithContext(t.Context(), test.method, test.path, body)
		request.Host = "localhost"
		request.Header.Set("Content-Type", test.kind)
		handler.ServeHTTP(w, request)
		if w.Code >= 300 {
			t.Fatalf("%s: %d %s", name, w.Code, w.Body)
		}
		if n := len(w.read); n == 0 || !w.read[n-1].IsZero() || test.body != "" && (n < 2 || w.read[0].IsZero()) {
			t.Errorf("%s: read deadlines %v", name, w.read)
		}
		write := w.write
		if test.body != "" { // a body might be slow
			if len(write) == 0 || write[0].IsZero() {
				t.Errorf("%s: write deadlines %v", name, w.write)
				continue
			}
			write = write[1:]
		}
		if len(write) < test.write || len(write) > 0 && !write[0].IsZero() || len(write) > 1 && write[1].IsZero() {
			t.Errorf("%s: write deadlines %v", name, w.write)
		}
	}
}

// TestSlowBody checks that a slow body gets a response although the
// shorter write timeout of the web server has passed.
func TestSlowBody(t *testing.T) {
	r := newRig(t, nil)
	cfg := r.config
	cfg.step = 100 * time.Millisecond
	handler, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	address := strings.TrimPrefix(startServer(t, handler, time.Millisecond), "http://")
	for _, path := range []string{"/v1/jobs", "/v1/batches"} {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{", path, address)
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if kind := response.Header.Get("Content-Type"); response.StatusCode != http.StatusRequestTimeout || kind != "application/problem+json" {
			t.Errorf("%s: %s with %s, want 408 with a problem", path, response.Status, kind)
		}
	}
}

// panickingStore panics in the middle of a report.
type panickingStore struct{ Store }

func (panickingStore) Rows(context.Context, string, int64, int) ([]jobs.Row, error) { panic("s3cret") }

func TestIncompleteReportIsAborted(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Store = panickingStore{c.Store} })
	r.do("POST", "/v1/batches", "a.test\n", "Content-Type", "text/csv").want(202)
	response, err := http.Get(r.url + "/v1/batches/b1/results")
	if err != nil {
		return // aborted before anything was sent
	}
	defer response.Body.Close()
	if data, err := io.ReadAll(response.Body); err == nil {
		t.Errorf("the incomplete report %q ended without an error", data)
	}
}
