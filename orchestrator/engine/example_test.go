package engine_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"

	"shotline/client/sandbox"
	"shotline/jobs"
	"shotline/jobs/sqlite"
	"shotline/orchestrator/engine"
)

// screenshot captures one page. Mux is that of the program's own web server.
func screenshot(ctx context.Context, mux *http.ServeMux, database, key, secret, vendor string) error {
	e, err := engine.Open(ctx, engine.Config{
		OpenStore:      sqlite.Opener(database),
		APIKey:         key,
		BaseURL:        vendor, // empty for ScreenshotCenter itself
		Apps:           []jobs.App{{ID: "12"}},
		WebhookSecrets: []string{secret},
	})
	if err != nil {
		return err
	}
	defer e.Stop()
	mux.Handle("POST /hooks/screenshots", e.Webhooks())
	if err := e.Start(); err != nil {
		return err
	}
	job, err := e.Submit(ctx, engine.Request{URL: "https://example.com/", Params: jobs.Params{"width": 800}})
	if err != nil {
		return err
	}
	if job, err = e.Await(ctx, job.ID); err != nil {
		return err
	}
	fmt.Println(job.URL, "is", job.State, "by", job.ClosedBy)
	return nil
}

// A program with its own web server captures one page. The vendor is a sandbox.
func Example() {
	p := newProgram()
	defer p.close()
	if err := screenshot(context.Background(), p.mux, p.database, "key", "s3cret", p.vendor); err != nil {
		log.Fatal(err)
	}
	// Output: https://example.com/ is done by webhook
}

// Without apps and secrets there are no webhooks: the vendor is polled.
func ExampleOpen() {
	p := newProgram()
	defer p.close()

	e, err := engine.Open(context.Background(), engine.Config{OpenStore: sqlite.Opener(p.database), APIKey: "key", BaseURL: p.vendor})
	if err != nil {
		log.Fatal(err)
	}
	if err := e.Start(); err != nil {
		log.Fatal(err)
	}
	fmt.Println("working with", e.Queue().Describe())
	if err := e.Stop(); err != nil {
		log.Fatal(err)
	}
	_, err = e.Submit(context.Background(), engine.Request{URL: "https://example.com/"})
	fmt.Println(err)

	_, err = engine.Open(context.Background(), engine.Config{APIKey: "key", Concurrency: -1})
	fmt.Println(err)
	// Output:
	// working with embedded queue
	// submit: the engine is stopped
	// engine: Concurrency -1 is negative
}

// A key makes repeated calls harmless: there is one job, and it is paid once.
func ExampleEngine_Submit() {
	p := newProgram()
	defer p.close()
	e := p.start()
	defer e.Stop()

	request := engine.Request{URL: "example.com/order/17", Metadata: map[string]string{"order": "17"}, Key: "order-17"}
	first, err := e.Submit(context.Background(), request)
	if err != nil {
		log.Fatal(err)
	}
	again, err := e.Submit(context.Background(), request)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(first.URL, first.ID == again.ID)

	_, err = e.Submit(context.Background(), engine.Request{URL: "https://example.com/", Params: jobs.Params{"width": "wide"}})
	fmt.Println(err)
	// Output:
	// https://example.com/order/17 true
	// submit: invalid: params.width: width: "wide" is not a number
}

func ExampleEngine_Await() {
	p := newProgram()
	defer p.close()
	e := p.start()
	defer e.Stop()

	job, err := e.Submit(context.Background(), engine.Request{URL: "https://example.com/"})
	if err != nil {
		log.Fatal(err)
	}
	if job, err = e.Await(context.Background(), job.ID); err != nil {
		log.Fatal(err)
	}
	fmt.Println(job.State, "at attempt", job.Attempt)
	// Output: done at attempt 1
}

// Rows that cannot become jobs are stored with the reason. The other rows are
// submitted.
func ExampleEngine_SubmitBatch() {
	p := newProgram()
	defer p.close()
	e := p.start()
	defer e.Stop()

	rows := []engine.Row{{URL: "https://example.com/"}, {URL: "https://example.org/"}, {URL: "no address"}}
	batch, err := e.SubmitBatch(context.Background(), jobs.BatchSpec{Params: jobs.Params{"size": "page"}}, slices.Values(rows))
	if err != nil {
		log.Fatal(err)
	}
	if batch, err = e.AwaitBatch(context.Background(), batch.ID); err != nil {
		log.Fatal(err)
	}
	fmt.Println(batch.State, batch.Counts.Of(jobs.Done), "done", batch.Counts.Of(jobs.Rejected), "rejected")
	// Output: finished 2 done 1 rejected
}

// The program mounts the handler at a path of its choice.
func ExampleEngine_Webhooks() {
	p := newProgram()
	defer p.close()
	e := p.start()
	defer e.Stop()

	mux := http.NewServeMux()
	mux.Handle("POST /hooks/screenshots", e.Webhooks())
	server := httptest.NewServer(mux)
	defer server.Close()

	unsigned, err := http.Post(server.URL+"/hooks/screenshots", "application/json", http.NoBody)
	if err != nil {
		log.Fatal(err)
	}
	defer unsigned.Body.Close()
	fmt.Println(unsigned.Status)
	// Output: 401 Unauthorized
}

// program is the environment of the examples: a folder, a web server, and a
// vendor that sends its webhooks to it.
type program struct {
	mux              *http.ServeMux
	database, vendor string
	close            func()
}

func newProgram() *program {
	folder, err := os.MkdirTemp("", "shotline-example-")
	if err != nil {
		log.Fatal(err)
	}
	p := &program{mux: http.NewServeMux(), database: filepath.Join(folder, "shots.db")}
	server := httptest.NewServer(p.mux)
	vendor, err := sandbox.New(sandbox.Config{APIKey: "key", WebhookURL: server.URL + "/hooks/screenshots", WebhookSecret: "s3cret"})
	if err != nil {
		log.Fatal(err)
	}
	api := httptest.NewServer(vendor.Handler())
	p.vendor = api.URL + "/api/v1"
	p.close = func() {
		vendor.Close()
		api.Close()
		server.Close()
		http.DefaultClient.CloseIdleConnections()
		os.RemoveAll(folder)
	}
	return p
}

// start opens and starts an engine.
func (p *program) start() *engine.Engine {
	e, err := engine.Open(context.Background(), engine.Config{
		OpenStore: sqlite.Opener(p.database), APIKey: "key", BaseURL: p.vendor, Apps: []jobs.App{{ID: "12"}}, WebhookSecrets: []string{"s3cret"},
	})
	if err != nil {
		log.Fatal(err)
	}
	p.mux.Handle("POST /hooks/screenshots", e.Webhooks())
	if err := e.Start(); err != nil {
		log.Fatal(err)
	}
	return e
}
