package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"shotline/jobs"
)

// clock is a clock that a test advances.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newClock() *clock { return &clock{now: time.Date(2032, 1, 1, 0, 0, 0, 0, time.UTC)} }

// totals is a store with fixed totals or an error.
type totals struct {
	are jobs.Totals
	err error
}

func (t *totals) Totals(context.Context) (jobs.Totals, error) { return t.are, t.err }

func get(t *testing.T, handler http.Handler, path string) (status int, body string) {
	t.Helper()
	w := httptest.NewRecorder()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	request.Host = "127.0.0.1:8081"
	handler.ServeHTTP(w, request)
	data, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return w.Code, string(data)
}

func TestReadyzReportsFailedChecks(t *testing.T) {
	now := newClock()
	var checkErr error
	r := NewReadiness(now.Now, Check{"queue", func(context.Context) error { return nil }},
		Check{"store", func(context.Context) error { return checkErr }})
	for i, step := range []struct {
		checkErr error
		wait     time.Duration
		status   int
		body     string
	}{
		{nil, 0, 200, `{"ready":true,"checks":{"queue":{"ok":true},"store":{"ok":true}}}`},
		{errors.New("disk full"), 500 * time.Millisecond, 200, `{"ready":true,"checks":{"queue":{"ok":true},"store":{"ok":true}}}`},
		{errors.New("disk full"), time.Second, 503, `{"ready":false,"checks":{"queue":{"ok":true},"store":{"ok":false,"error":"disk full"}}}`},
		{nil, time.Second, 200, `{"ready":true,"checks":{"queue":{"ok":true},"store":{"ok":true}}}`},
		{errors.New("x"), -time.Hour, 503, `{"ready":false,"checks":{"queue":{"ok":true},"store":{"ok":false,"error":"x"}}}`}, // the clock was set back
	} {
		checkErr = step.checkErr
		now.advance(step.wait)
		if status, body := get(t, r, "/readyz"); status != step.status || body != step.body+"\n" {
			t.Errorf("step %d: %d %s, want %d %s", i, status, body, step.status, step.body)
		}
	}
}

func TestConcurrentReportsShareOneRound(t *testing.T) {
	calls := make(chan struct{}, 100)
	r := NewReadiness(newClock().Now, Check{"store", func(context.Context) error { calls <- struct{}{}; return nil }})
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { r.Report() })
	}
	wg.Wait()
	if len(calls) != 1 {
		t.Errorf("got %d checks, want 1", len(calls))
	}
}

func TestHangingCheckIsNotReady(t *testing.T) {
	r := NewReadiness(newClock().Now, Check{"store", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }})
	if got := r.Report(); got.Ready || !strings.Contains(got.Checks["store"].Error, "deadline exceeded") {
		t.Errorf("got %+v", got)
	}
}

func newMetrics(t *testing.T, store TotalsReader, storage Storage, queues []Queue) (*Metrics, http.Handler) {
	t.Helper()
	readiness := NewReadiness(newClock().Now, Check{"queue", func(context.Context) error { return errors.New("gone") }})
	m := NewMetrics("v1", []string{"accepted", "not_kept"}, Sources{
		Store: store, Storage: func() Storage { return storage }, Readiness: readiness,
		Queues: func(context.Context) ([]Queue, error) {
			if queues == nil {
				return nil, errors.New("gone")
			}
			return queues, nil
		},
		Listeners: func() []Connections {
			return []Connections{{Listener: "webhooks", Open: 3, Most: 4, Evicted: 5, Refused: 6, SlowBodies: 7, AcceptErrors: 8}}
		},
	})
	var handler http.Handler
	newRig(t, func(c *Config) {
		c.Readiness, c.Metrics = readiness, m
		var err error
		if handler, err = New(*c); err != nil {
			t.Fatal(err)
		}
	})
	return m, handler
}

func TestMetrics(t *testing.T) {
	cost := 12.5
	store := &totals{are: jobs.Totals{
		Batches: map[jobs.BatchState]int64{jobs.BatchOpen: 2},
		Counts: jobs.Counts{
			ByState: map[jobs.State]int64{jobs.Done: 7}, ByProvenance: map[jobs.Provenance]int64{jobs.ByWebhook: 7},
			Late: 3, DoubleCharged: 4, Cost: &cost, APICalls: 9,
		},
		Doubts: 5, Held: 6, Inbox: 100, Cursor: 90, Unapplied: time.Now().Add(-time.Hour), CallbacksOwed: 11, CallbacksDead: 12, EventLag: 13,
	}}
	m, handler := newMetrics(t, store, Storage{FreeBytes: 1 << 20, StoreStats: jobs.StoreStats{
		Groups: map[int]int64{1: 6, 2: 0, 4: 3, 8: 1}, Operations: 25,
		Failures: 2, Renewals: 1, Checkpoints: 5, CheckpointFailures: 4, DamageReports: 6, Waiting: 3, FileBytes: 4096, WALBytes: 8192,
	}}, []Queue{
		{Name: "tasks", Tasks: map[string]int64{"pending": 2, "active": 1}, Oldest: 1500 * time.Millisecond},
		{Name: "callbacks", Tasks: map[string]int64{"pending": 0}},
	})
	m.Webhook("accepted", 3*time.Millisecond)
	m.Webhook("not_kept", 1500*time.Millisecond)
	m.Webhook("not_kept", 1500*time.Millisecond)
	m.Changed(jobs.Effects{Conflicts: 2, Closed: []jobs.Closed{
		{State: jobs.Done, By: jobs.ByWebhook}, {State: jobs.Done, By: jobs.ByWebhook}, {State: jobs.Done, By: jobs.ByWebhook, Late: true},
		{State: jobs.Failed, By: jobs.ByPoll, Corrected: true},
	}})
	m.Applied(jobs.Applied{Read: 8, Held: 3, Foreign: 2, Noted: 5, Aside: 1})
	m.Doubts(4, 3, 1)
	m.VendorCall("create", "200", 70*time.Millisecond)
	m.VendorCall("create", "no_answer", 15*time.Second)
	m.VendorOddRows("list", 2)
	m.CallbackTargets([]string{"callback_url", "ops"}, []string{"delivered", "dead"})
	m.Callback("ops", "dead", 70*time.Millisecond)

	_, body := get(t, handler, "/metrics")
	for _, line := range []string{
		`shotline_webhooks_total{result="accepted"} 1`, `shotline_webhooks_total{result="not_kept"} 2`,
		`shotline_webhook_duration_seconds_bucket{result="accepted",le="0.0025"} 0`, `shotline_webhook_duration_seconds_bucket{result="accepted",le="0.005"} 1`,
		`shotline_webhook_duration_seconds_sum{result="not_kept"} 3`,
		`shotline_closures_total{closed_by="webhook",late="false",state="done"} 2`,
		`shotline_closures_total{closed_by="webhook",late="true",state="done"} 1`,
		`shotline_conflicts_total 2`, `shotline_corrections_total{state="failed"} 1`, `shotline_corrections_total{state="done"} 0`,
		`shotline_deliveries_total{disposition="read"} 8`, `shotline_deliveries_total{disposition="held"} 3`,
		`shotline_deliveries_total{disposition="foreign"} 2`, `shotline_deliveries_total{disposition="noted"} 5`, `shotline_deliveries_total{disposition="aside"} 1`,
		`shotline_doubts_total{event="opened"} 4`, `shotline_doubts_total{event="adopted"} 3`, `shotline_doubts_total{event="resent"} 1`,
		`shotline_vendor_requests_total{code="200",operation="create"} 1`,
		`shotline_vendor_requests_total{code="no_answer",operation="create"} 1`,
		`shotline_vendor_odd_rows_total{operation="list"} 2`, `shotline_vendor_odd_rows_total{operation="search"} 0`,
		`shotline_vendor_request_duration_seconds_bucket{operation="create",le="0.1"} 1`,
		`shotline_vendor_request_duration_seconds_count{operation="create"} 2`,
		`shotline_callbacks_total{outcome="dead",target="ops"} 1`, `shotline_callbacks_total{outcome="delivered",target="callback_url"} 0`,
		`shotline_callback_duration_seconds_bucket{target="ops",le="0.1"} 1`,
		`shotline_callbacks_owed 11`, `shotline_callbacks_dead 12`, `shotline_callbacks_due_seconds 0`, `shotline_events_untold 13`,
		`shotline_connections{listener="webhooks"} 3`, `shotline_connections_limit{listener="webhooks"} 4`,
		`shotline_connections_evicted_total{listener="webhooks"} 5`, `shotline_connections_refused_total{listener="webhooks"} 6`,
		`shotline_slow_bodies_total{listener="webhooks"} 7`, `shotline_accept_errors_total{listener="webhooks"} 8`,
		`shotline_build_info{version="v1"} 1`, `shotline_ready 0`, `shotline_ready_check{check="queue"} 0`,
		`shotline_store_readable 1`, `shotline_batches{state="open"} 2`, `shotline_batches{state="paused"} 0`,
		`shotline_jobs{state="done"} 7`, `shotline_jobs{state="queued"} 0`, `shotline_closed_jobs{closed_by="webhook"} 7`,
		`shotline_late_results_total 3`, `shotline_double_charges_total 4`, `shotline_cost_credits_total 12.5`,
		`shotline_batch_api_calls 9`, `shotline_doubts_open 5`, `shotline_inbox_held 6`,
		`shotline_inbox_deliveries_total 100`, `shotline_inbox_unapplied 10`,
		`shotline_queue_readable 1`, `shotline_queue_tasks{queue="tasks",state="pending"} 2`, `shotline_queue_tasks{queue="tasks",state="active"} 1`,
		`shotline_queue_oldest_pending_seconds{queue="tasks"} 1.5`, `shotline_queue_oldest_pending_seconds{queue="callbacks"} 0`,
		`shotline_store_commit_operations_bucket{le="1"} 6`, `shotline_store_commit_operations_bucket{le="2"} 6`,
		`shotline_store_commit_operations_bucket{le="4"} 9`, `shotline_store_commit_operations_bucket{le="8"} 10`,
		`shotline_store_commit_operations_sum 25`, `shotline_store_commit_operations_count 10`, `shotline_store_failures_total 2`,
		`shotline_store_checkpoints_total 5`, `shotline_store_checkpoint_failures_total 4`, `shotline_store_damage_reports_total 6`,
		`shotline_store_connection_renewals_total 1`, `shotline_store_operations_waiting 3`,
		`shotline_store_file_bytes 4096`, `shotline_store_wal_bytes 8192`, `shotline_store_free_bytes 1.048576e+06`,
	} {
		if !strings.Contains(body, "\n"+line+"\n") {
			t.Errorf("missing: %s", line)
		}
	}
	if !strings.Contains(body, "\nshotline_inbox_lag_seconds 36") {
		t.Error("shotline_inbox_lag_seconds is not about 3600")
	}
	problems, err := testutil.GatherAndLint(m.registry)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestMetricsOfUnreadableSources(t *testing.T) {
	_, handler := newMetrics(t, &totals{err: errors.New("damaged")}, Storage{FreeBytes: -1}, nil)
	status, body := get(t, handler, "/metrics")
	for _, line := range []string{"shotline_store_readable 0", "shotline_queue_readable 0", "shotline_store_commit_operations_count 0"} {
		if status != http.StatusOK || !strings.Contains(body, "\n"+line+"\n") {
			t.Errorf("%d, missing: %s", status, line)
		}
	}
	for _, absent := range []string{"shotline_jobs{", "shotline_store_free_bytes", "shotline_cost_credits_total", "shotline_inbox_lag_seconds", "shotline_queue_tasks", "shotline_queue_oldest"} {
		if strings.Contains(body, absent) {
			t.Errorf("%s is present although it is not known", absent)
		}
	}
}

func TestRoutes(t *testing.T) {
	_, handler := newMetrics(t, &totals{}, Storage{}, nil)
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 503, "/metrics": 200, "/": 302, "/webhooks/screenshotcenter": 404} {
		if status, body := get(t, handler, path); status != want {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	w := httptest.NewRecorder()
	post := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/readyz", nil)
	post.Host = "localhost"
	handler.ServeHTTP(w, post)
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", w.Code)
	}
	if _, err := New(Config{}); err == nil {
		t.Error("New accepted an empty Config")
	}
	if _, body := get(t, handler, "/healthz"); body != fmt.Sprintln(`{"status":"ok"}`) {
		t.Errorf("healthz: %s", body)
	}
}

func TestLoopbackHostNames(t *testing.T) {
	_, handler := newMetrics(t, &totals{}, Storage{}, nil)
	for host, want := range map[string]int{
		"127.0.0.1:8081": 200, "localhost:8081": 200, "LOCALHOST": 200, "[::1]:8081": 200, "[::1]": 200, "127.8.9.1": 200, "": 200,
		"rebound.example:8081": 421, "127.0.0.1.rebound.example": 421, "localhost.example": 421, "192.0.2.7:8081": 421, "0.0.0.0": 421, ":8081": 200,
	} {
		for _, path := range []string{"/metrics", "/healthz"} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
			r.Host = host
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != want {
				t.Errorf("%s with the host %q: %d, want %d", path, host, w.Code, want)
			}
			if w.Code != http.StatusOK && strings.Contains(w.Body.String(), "shotline_") {
				t.Errorf("%s returns metrics to the host %q", path, host)
			}
		}
	}
}
