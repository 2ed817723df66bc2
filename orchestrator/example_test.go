package orchestrator_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"

	"shotline/client"
	"shotline/client/sandbox"
	"shotline/jobs"
	"shotline/jobs/sqlite"
	"shotline/jobs/tasks"
	"shotline/orchestrator"
)

// Each part is an interface: here a SQLite file, a queue inside the process and a
// sandbox. No webhooks are received, so the vendor is polled for results.
func ExampleNew() {
	vendor, err := sandbox.New(sandbox.Config{APIKey: "key"})
	if err != nil {
		log.Fatal(err)
	}
	defer vendor.Close()
	api := httptest.NewServer(vendor.Handler())
	defer api.Close()
	folder, err := os.MkdirTemp("", "shotline-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(folder)

	ctx := context.Background()
	logger := slog.New(slog.DiscardHandler)
	var clock orchestrator.SystemClock
	store, err := sqlite.Open(ctx, filepath.Join(folder, "shots.db"))
	if err != nil {
		log.Fatal(err)
	}
	defer store.Close()
	caller, err := client.New(client.WithAPIKey("key"), client.WithBaseURL(api.URL+"/api/v1"))
	if err != nil {
		log.Fatal(err)
	}
	defer caller.CloseIdleConnections()
	queue, err := tasks.Open(ctx, tasks.Options{Logger: logger})
	if err != nil {
		log.Fatal(err)
	}

	o, err := orchestrator.New(
		orchestrator.Config{Worker: jobs.Worker{ID: "w1", Role: "example"}, Poll: orchestrator.PollOnly},
		orchestrator.Parts{Store: store, Vendor: caller, Queue: queue, Clock: clock, Logger: logger},
	)
	if err != nil {
		log.Fatal(err)
	}
	if err := queue.Start(o); err != nil {
		log.Fatal(err)
	}
	o.Start()

	job, err := store.AddJob(ctx, jobs.BatchSpec{ID: "b1"}, jobs.Request{URL: "https://example.com/"}, clock.Now())
	if err != nil {
		log.Fatal(err)
	}
	if job, err = o.AwaitJob(ctx, job.ID); err != nil {
		log.Fatal(err)
	}
	fmt.Println(job.ID, job.State, "by", job.ClosedBy)

	o.Drain()
	if err := queue.Stop(ctx); err != nil {
		log.Fatal(err)
	}
	o.Stop()
	// Output: b1-1 done by poll
}
