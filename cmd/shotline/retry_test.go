package main

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shotline/client"
	"shotline/client/sandbox"
	"shotline/client/sandbox/pages"
	"shotline/jobs"
	"shotline/jobs/sqlite"
)

// timedOutJob creates a database with one job that has timed out. The vendor has
// finished its screenshot in the meantime.
func timedOutJob(t *testing.T, db, vendor string) jobs.ID {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	store, err := sqlite.Open(ctx, db)
	must(err)
	defer store.Close()
	now := clock.Now()
	id := jobs.ID{Batch: "b1", Row: 1}
	must(store.CreateBatch(ctx, jobs.BatchSpec{ID: id.Batch}, now))
	must(store.AppendRequests(ctx, id.Batch, []jobs.Request{{Line: 1, URL: "https://shop.shotline.test/"}}, now))
	_, err = store.OpenBatch(ctx, id.Batch, now)
	must(err)
	leases, err := store.Lease(ctx, id.Batch, "w1", 1, now, now.Add(time.Minute))
	must(err)
	_, err = store.OpenIntent(ctx, leases[0], now, now.Add(time.Minute))
	must(err)
	c, err := client.New(client.WithAPIKey(testKey), client.WithBaseURL(vendor))
	must(err)
	shot, err := c.Create(ctx, client.CreateRequest{URL: leases[0].Job.URL, Tags: []string{jobs.SubmissionTag(id, 1), jobs.BatchTag(id.Batch)}})
	must(err)
	_, err = store.Observe(ctx, []jobs.Observation{{Job: id, Attempt: 1, ScreenshotID: shot.ID, Outcome: jobs.OutcomeProcessing}}, jobs.ByCreate, now, now)
	must(err)
	_, err = store.CloseJobs(ctx, []jobs.Closing{{Job: id, From: []jobs.State{jobs.Pending}, To: jobs.TimedOut, By: jobs.ByDeadline}}, now)
	must(err)
	for shot.Status == client.StatusProcessing {
		must(clock.Sleep(ctx, 5*time.Millisecond))
		shot, err = c.Info(ctx, shot.ID)
		must(err)
	}
	return id
}

// TestRetryQueriesVendor checks that a job that timed out is sent again only if
// the vendor was queried and has no image for it.
func TestRetryQueriesVendor(t *testing.T) {
	vendor, err := startSandbox(sandbox.Config{APIKey: testKey, Renderer: &sandbox.PlainRenderer{Fail: pages.Fail}}, "127.0.0.1:0", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	running := true
	t.Cleanup(func() {
		if running {
			_ = vendor.stop()
		}
	})
	t.Setenv("SCREENSHOTCENTER_API_KEY", "")
	base := vendor.url + "/api/v1"
	first, second := filepath.Join(t.TempDir(), "first.db"), filepath.Join(t.TempDir(), "second.db")
	id := timedOutJob(t, first, base)
	timedOutJob(t, second, base)

	want := func(wantCode int, wantStdout, wantStderr string, args ...string) {
		t.Helper()
		code, stdout, stderr := invoke(t, append(args, "--base-url", base)...)
		if code != wantCode || strings.TrimSpace(stdout) != wantStdout || !strings.Contains(stderr, wantStderr) {
			t.Errorf("%v: exit code %d, stdout %q, stderr %q; want %d, %q and %q", args, code, stdout, stderr, wantCode, wantStdout, wantStderr)
		}
	}
	want(exitFailed, "batch b1: 0 queued again, 1 not checked with the vendor", "no API key", "retry", "b1", "--db", first)
	want(exitFailed, "job b1-1: 0 queued again, 1 not checked with the vendor", "INVALID_API_KEY", "retry", id.String(), "--db", first, "--api-key", "wrong")
	want(exitOK, "batch b1: 0 queued again, 1 found done", "", "retry", "b1", "--db", first, "--api-key", testKey)
	running = false
	if err := vendor.stop(); err != nil {
		t.Fatal(err)
	}
	want(exitFailed, `{"batch_id":"b1","queued":0,"done":0,"left":0,"unasked":1,"waiting":0}`, "the vendor could not be queried", "retry", "b1", "--json", "--db", second, "--api-key", testKey)
	store, err := sqlite.Open(t.Context(), second)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if j, err := store.Job(t.Context(), id); err != nil || j.State != jobs.TimedOut {
		t.Errorf("the job is %s, %v; want timed_out", j.State, err)
	}
}
