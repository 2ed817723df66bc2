package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"shotline/client/outward"
	"shotline/jobs"
	"shotline/orchestrator/callback"
	"shotline/orchestrator/engine"
)

// numbered returns n rows with different URLs.
func numbered(n int) iter.Seq[engine.Row] {
	return func(yield func(engine.Row) bool) {
		for i := range n {
			if !yield(engine.Row{URL: fmt.Sprintf("https://numbered.test/%d", i)}) {
				return
			}
		}
	}
}

func TestBadRequestsNameTheField(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.open()
	good := func() engine.Request { return engine.Request{URL: "https://example.com/"} }
	for name, change := range map[string]func(*engine.Request){
		"url":             func(r *engine.Request) { r.URL = "no url at all" },
		"params.width":    func(r *engine.Request) { r.Params = jobs.Params{"width": "wide"} },
		"params.key":      func(r *engine.Request) { r.Params = jobs.Params{"key": "k"} },
		"params: ":        func(r *engine.Request) { r.Params = jobs.Params{"delay": math.NaN()} },
		"tags[1]":         func(r *engine.Request) { r.Tags = []string{"a", "shotline-b"} },
		"metadata.broken": func(r *engine.Request) { r.Metadata = map[string]string{"broken": "\xff"} },
		"Timeout":         func(r *engine.Request) { r.Timeout = -time.Second },
		"CallbackURL":     func(r *engine.Request) { r.CallbackURL = "https://example.com/" },
		"priority":        func(r *engine.Request) { r.Priority = jobs.MaxPriority + 1 },
	} {
		request := good()
		change(&request)
		_, err := e.Submit(t.Context(), request)
		if !errors.Is(err, jobs.ErrInvalid) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v; want ErrInvalid that names it", name, err)
		}
	}
	for name, spec := range map[string]jobs.BatchSpec{
		"Single":      {Single: true},
		"Timeout":     {JobTimeout: -1},
		"CallbackURL": {CallbackURL: "https://example.com/"},
		"width":       {Params: jobs.Params{"width": "wide"}},
		"[0]":         {Tags: []string{"shotline-x"}},
		"id":          {ID: "No Id"},
	} {
		_, err := e.SubmitBatch(t.Context(), spec, numbered(1))
		if !errors.Is(err, jobs.ErrInvalid) || !strings.Contains(err.Error(), name) {
			t.Errorf("batch %s: %v; want ErrInvalid that names it", name, err)
		}
	}
	if kept, err := e.Store().Batches(t.Context(), "", 10); err != nil || len(kept) != 0 {
		t.Errorf("got %d batches and error %v, want none", len(kept), err)
	}
}

func TestRequestBecomesAJob(t *testing.T) {
	t.Parallel()
	e := newRig(t).open()
	job, err := e.Submit(t.Context(), engine.Request{
		URL: "example.com/a", Params: jobs.Params{"width": 800, "size": "page", "dark": true}, Tags: []string{"autumn"},
		Metadata: map[string]string{"order": "17"}, Timeout: time.Minute, Priority: 5,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := jobs.Params{"width": 800.0, "size": "page", "dark": true}
	if !maps.Equal(job.Params, want) || !slices.Equal(job.Tags, []string{"autumn"}) || job.Metadata["order"] != "17" {
		t.Errorf("%v %v %v, want %v, autumn and order 17", job.Params, job.Tags, job.Metadata, want)
	}
	b, err := e.Store().Batch(t.Context(), job.ID.Batch)
	if err != nil || !b.Single || b.JobTimeout != time.Minute || b.Priority != 5 {
		t.Errorf("single %t, timeout %s, priority %d, %v", b.Single, b.JobTimeout, b.Priority, err)
	}
}

func TestKeyMakesOneJob(t *testing.T) {
	t.Parallel()
	e := newRig(t).open()
	request := engine.Request{URL: "https://example.com/", Key: "order-17"}
	job, err := e.Submit(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := e.Submit(t.Context(), request); err != nil || again.ID != job.ID {
		t.Errorf("the same request made job %s, %v; want %s", again.ID, err, job.ID)
	}
	request.URL = "https://example.org/"
	var taken *jobs.KeyTakenError
	if _, err := e.Submit(t.Context(), request); !errors.As(err, &taken) || taken.Batch != job.ID.Batch {
		t.Errorf("another request: %v, want a KeyTakenError of batch %s", err, job.ID.Batch)
	}
}

func TestBatchStoresEveryRow(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	e := r.start()
	spec := jobs.BatchSpec{ID: "nightly1", Source: "a test", Params: jobs.Params{"width": 640}, Tags: []string{"nightly"}}
	rows := []engine.Row{{URL: "https://a.test/"}, {URL: "not a url"}, {URL: "https://A.test"}, {URL: "https://b.test/", Params: jobs.Params{"width": 320}}}
	b, err := e.SubmitBatch(t.Context(), spec, slices.Values(rows))
	r.must(err)
	if b, err = e.AwaitBatch(r.soon(), b.ID); err != nil {
		t.Fatal(err)
	}
	counts := b.Counts
	if b.ID != "nightly1" || counts.Of(jobs.Done) != 2 || counts.Of(jobs.Rejected) != 1 || counts.Of(jobs.Duplicate) != 1 {
		t.Errorf("batch %s ended with %v, want 2 done, 1 rejected, 1 duplicate", b.ID, counts.ByState)
	}
	kept, err := e.Store().Rows(t.Context(), b.ID, 0, 10)
	r.must(err)
	for i, row := range kept {
		if row.Line != i+1 {
			t.Errorf("row %d has line %d", i+1, row.Line)
		}
	}
	if _, err := e.SubmitBatch(t.Context(), spec, slices.Values(rows)); !errors.Is(err, jobs.ErrExists) {
		t.Errorf("the same batch again: %v, want ErrExists", err)
	}
}

// Both the caller and the engine can stop the import of a batch.
func TestStoppedImportLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(e *engine.Engine, cancel context.CancelFunc){
		"canceled": func(_ *engine.Engine, cancel context.CancelFunc) { cancel() },
		"stopped": func(e *engine.Engine, _ context.CancelFunc) {
			waited := make(chan struct{})
			go func() { defer close(waited); _, _ = e.AwaitBatch(context.Background(), "half") }()
			go e.Stop()
			<-waited // Stop has begun, and waits for the batch
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			e := r.start()
			ctx, cancel := context.WithCancel(r.soon())
			defer cancel()
			rows := numbered(1500)
			_, err := e.SubmitBatch(ctx, jobs.BatchSpec{ID: "half"}, func(yield func(engine.Row) bool) {
				n := 0
				for row := range rows {
					if n++; n == 1200 {
						end(e, cancel)
					}
					if !yield(row) {
						return
					}
				}
			})
			if err == nil || errors.Is(err, engine.ErrStopped) != (name == "stopped") {
				t.Errorf("ended with %v", err)
			}
			r.must(e.Stop())
			if b, err := r.open().Store().Batch(t.Context(), "half"); !errors.Is(err, jobs.ErrNotFound) {
				t.Errorf("got %d rows and error %v, want ErrNotFound", b.Counts.Rows, err)
			}
		})
	}
}

func TestCallbackOfAJob(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	called := make(chan *http.Request, 10)
	target := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, request *http.Request) {
		body, _ := io.ReadAll(request.Body)
		if strings.Contains(string(body), "job.done") {
			called <- request
		}
	}))
	t.Cleanup(target.Close)
	e := r.start(func(c *engine.Config) {
		c.UserAgent = "shop/1"
		c.Callbacks = &callback.Config{
			Guard:   outward.NewGuard([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}),
			Secrets: []string{callback.NewSecret()},
		}
	})
	if _, err := e.Submit(r.soon(), engine.Request{URL: "https://example.com/", CallbackURL: "http://10.0.0.1/"}); !errors.Is(err, outward.ErrPrivate) {
		t.Errorf("a private callback URL: %v, want ErrPrivate", err)
	}
	_, err := e.Submit(r.soon(), engine.Request{URL: "https://example.com/", CallbackURL: target.URL})
	r.must(err)
	select {
	case request := <-called:
		if request.Header.Get("webhook-signature") == "" || request.UserAgent() != "shop/1" {
			t.Errorf("signature %q by %q, want one by shop/1", request.Header.Get("webhook-signature"), request.UserAgent())
		}
	case <-r.soon().Done():
		t.Error("got no callback")
	}
}
