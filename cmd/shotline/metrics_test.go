package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// TestMetricsAreWellFormed lints the metrics of a serve after everything that
// they count has happened.
func TestMetricsAreWellFormed(t *testing.T) {
	to := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(to.Close)
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	s := newStageAt(t, filepath.Join(t.TempDir(), "shotline.db"))
	s.serve("--api-listen", address, "--allow-private", "127.0.0.0/8", "--sink", "program="+to.URL)
	s.submit(exitFlawed, "url\nhttps://shop.shotline.test/\nhttps://broken.shotline.test/\n")
	if status := s.post("1"); status != http.StatusOK {
		t.Fatalf("webhook: status %d, want 200", status)
	}
	var body string
	scrape := func(pattern string) {
		t.Helper()
		wanted := regexp.MustCompile(`(?m)^shotline_` + pattern + `$`)
		s.until(pattern, func() bool {
			var status int
			status, body = s.ask(address, "/metrics")
			return status == http.StatusOK && wanted.MatchString(body)
		})
	}
	scrape(`callbacks_total{outcome="delivered",target="program"} 3`)
	for _, pattern := range []string{
		`webhook_duration_seconds_count{result="accepted"} 3`,
		`inbox_unapplied 0`, `inbox_lag_seconds 0`,
		`queue_readable 1`, `queue_tasks{queue="tasks",state="pending"} \d+`, `queue_tasks{queue="callbacks",state="archived"} 0`,
		`queue_oldest_pending_seconds{queue="callbacks"} \S+`,
		`store_commit_operations_bucket{le="512"} [1-9]\d*`,
	} {
		scrape(pattern)
	}
	problems, err := promlint.New(strings.NewReader(body)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}
