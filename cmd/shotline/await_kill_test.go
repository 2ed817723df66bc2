package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// service is a backend service that creates jobs. It receives their results in
// three ways: by long-polling, from the event stream, and by callbacks.
type service struct {
	t        *testing.T
	api      string
	mu       sync.Mutex
	changed  chan struct{}
	ordered  map[string]bool   // by job id
	waited   map[string]string // final states by job id
	streamed map[string]string // ids of events from the stream, by job id
	called   map[string]map[string]int
}

// note applies a change with the lock held and wakes the callers of until.
func (s *service) note(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
	close(s.changed)
	s.changed = make(chan struct{})
}

// until waits until cond returns true.
func (s *service) until(ctx context.Context, desc string, cond func() bool) {
	s.t.Helper()
	for {
		s.mu.Lock()
		met, changed := cond(), s.changed
		s.mu.Unlock()
		if met {
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
			s.t.Fatalf("timeout: %s; %d created, %d polled, %d in the stream, %d called back", desc, len(s.ordered), len(s.waited), len(s.streamed), len(s.called))
		}
	}
}

// ask repeats a request until serve responds with success.
func (s *service) ask(ctx context.Context, method, path, body, key string) (job jobView) {
	for ctx.Err() == nil {
		request, err := http.NewRequestWithContext(ctx, method, s.api+path, strings.NewReader(body))
		if err != nil {
			s.t.Error(err)
			return job
		}
		request.Header.Set("Content-Type", "application/json")
		request.Header.Set("Idempotency-Key", key)
		response, err := http.DefaultClient.Do(request)
		if err == nil {
			err = json.NewDecoder(response.Body).Decode(&job)
			response.Body.Close()
			if err == nil && response.StatusCode < 300 {
				return job
			}
		}
		_ = clock.Sleep(ctx, 10*time.Millisecond)
	}
	return job
}

type jobView struct {
	ID    string `json:"id"`
	State string `json:"state"`
}

// order creates a job and waits for its end.
func (s *service) order(ctx context.Context, n int, callbackURL string) {
	body := fmt.Sprintf(`{"url":"https://shop.shotline.test/%d","callback_url":%q}`, n, callbackURL)
	job := s.ask(ctx, http.MethodPost, "/v1/jobs", body, fmt.Sprint("order-", n))
	s.note(func() { s.ordered[job.ID] = true })
	for job.State != "done" && job.State != "failed" && ctx.Err() == nil {
		job = s.ask(ctx, http.MethodGet, "/v1/jobs/"+job.ID+"?wait=1m", "", "")
	}
	s.note(func() { s.waited[job.ID] = job.State })
}

// follow reads the event stream. If the connection breaks, it continues after the
// last event.
func (s *service) follow(ctx context.Context) {
	last := "0"
	for ctx.Err() == nil {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.api+"/v1/events?type=job.done,job.failed,job.timed_out", nil)
		if err != nil {
			s.t.Error(err)
			return
		}
		request.Header.Set("Last-Event-ID", last)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			_ = clock.Sleep(ctx, 10*time.Millisecond)
			continue
		}
		id := last
		for lines := bufio.NewScanner(response.Body); lines.Scan(); {
			field, value, _ := strings.Cut(lines.Text(), ": ")
			switch field {
			case "id":
				id = value
			case "data":
				var event struct {
					ID   string  `json:"id"`
					Data jobView `json:"data"`
				}
				if err := json.Unmarshal([]byte(value), &event); err != nil {
					s.t.Errorf("%s: %v", value, err)
				}
				s.note(func() {
					if s.streamed[event.Data.ID] != "" {
						s.t.Errorf("job %s is in the stream twice: %s", event.Data.ID, value)
					}
					s.streamed[event.Data.ID] = event.ID
				})
			case "":
				last = id
			}
		}
		response.Body.Close()
	}
}

// takes returns a handler that receives callbacks.
func (s *service) takes(library *standardwebhooks.Webhook) http.HandlerFunc {
	return func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // serve was killed
		}
		if err := library.Verify(body, r.Header); err != nil {
			s.t.Errorf("%s: %v", body, err)
		}
		var event struct {
			Type string  `json:"type"`
			Data jobView `json:"data"`
		}
		if err := json.Unmarshal(body, &event); err != nil || event.Type != "job.done" {
			s.t.Errorf("%s: %v", body, err)
		}
		s.note(func() {
			if s.called[event.Data.ID] == nil {
				s.called[event.Data.ID] = map[string]int{}
			}
			s.called[event.Data.ID][r.Header.Get("webhook-id")]++
		})
	}
}

// TestResultsArriveAcrossKills creates jobs over HTTP while serve is killed and
// restarted. Every result must arrive by long-polling, in the event stream, and
// by callback.
func TestResultsArriveAcrossKills(t *testing.T) {
	t.Parallel()
	const orders, callbackSecret = 48, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	library, err := standardwebhooks.NewWebhook(callbackSecret)
	if err != nil {
		t.Fatal(err)
	}
	s := &service{t: t, changed: make(chan struct{}), ordered: map[string]bool{}, waited: map[string]string{},
		streamed: map[string]string{}, called: map[string]map[string]int{}}
	receives := httptest.NewServer(s.takes(library))
	defer receives.Close()
	stage := newStageAt(t, filepath.Join(t.TempDir(), "shotline.db"))
	serve := stage.killable("--callback-secret", callbackSecret, "--allow-private", "127.0.0.0/8", "--settle", "500ms", "--request-timeout", "1s")
	s.api = serve.api

	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	var working sync.WaitGroup
	defer working.Wait()
	defer cancel()
	working.Go(func() { s.follow(ctx) })
	next := make(chan int)
	for range 8 {
		working.Go(func() {
			for n := range next {
				s.order(ctx, n, receives.URL+"/hook")
			}
		})
	}
	working.Go(func() {
		defer close(next)
		for n := range orders {
			select {
			case next <- n:
			case <-ctx.Done():
			}
		}
	})
	for i, sig := range []os.Signal{syscall.SIGKILL, syscall.SIGKILL, syscall.SIGTERM, syscall.SIGKILL} {
		s.until(ctx, "time for another kill", func() bool { return len(s.ordered) >= (i+1)*orders/5 })
		serve.end(sig)
		serve.start()
	}
	s.until(ctx, "all results arrive", func() bool {
		return len(s.waited) == orders && len(s.streamed) == orders && len(s.called) == orders
	})

	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.ordered {
		if s.waited[id] != "done" {
			t.Errorf("job %s: polling returned state %q", id, s.waited[id])
		}
		if calls := s.called[id]; len(calls) != 1 || calls[s.streamed[id]] == 0 {
			t.Errorf("job %s: event %s in the stream, callbacks %v", id, s.streamed[id], calls)
		}
	}
	if paid := len(stage.vendor.Ledger().Creates); len(s.ordered) != orders || paid != orders {
		t.Errorf("got %d jobs for %d orders and %d paid creates", len(s.ordered), orders, paid)
	}
}
