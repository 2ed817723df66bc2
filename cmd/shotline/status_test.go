package main

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"shotline/jobs"
	"shotline/jobs/sqlite"
)

// TestStatusShowsBothResults checks the status of jobs whose screenshots have
// contradictory results.
func TestStatusShowsBothResults(t *testing.T) {
	done, failed := jobs.OutcomeDone, jobs.OutcomeFailed
	for name, test := range map[string]struct {
		job  jobs.Job
		want []string
	}{
		"not queried yet":  {jobs.Job{State: jobs.Failed, FirstResult: failed}, []string{"first result failed", "vendor says  no response yet; the first result stands until it is queried"}},
		"still processing": {jobs.Job{State: jobs.Failed, FirstResult: failed, VendorSays: jobs.OutcomeProcessing}, []string{"vendor says  still processing; the first result stands"}},
		"unknown":          {jobs.Job{State: jobs.Done, FirstResult: done, VendorSays: jobs.OutcomeUnknown}, []string{"vendor says  the screenshot is unknown; the first result stands"}},
		"confirmed":        {jobs.Job{State: jobs.Done, FirstResult: done, VendorSays: done}, []string{"first result done", "vendor says  done; the first result stands"}},
		"corrected":        {jobs.Job{State: jobs.Done, FirstResult: failed, VendorSays: done, Corrected: true}, []string{"first result failed", "vendor says  done; the job was corrected"}},
		"canceled":         {jobs.Job{State: jobs.Canceled, FirstResult: failed, VendorSays: done}, []string{"first result failed", "vendor says  done\n"}},
	} {
		test.job.ID, test.job.Conflicts = jobs.ID{Batch: "b1", Row: 1}, 1
		var out strings.Builder
		if err := printJob(&out, test.job, false); err != nil {
			t.Fatal(err)
		}
		for _, want := range append(test.want, "conflicts    1 contradictory result\n") {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: no %q in\n%s", name, want, &out)
			}
		}
	}
	var out strings.Builder
	if err := printJob(&out, jobs.Job{ID: jobs.ID{Batch: "b1", Row: 1}, State: jobs.Done}, false); err != nil || strings.Contains(out.String(), "vendor says") {
		t.Errorf("job without a conflict: got %s (%v)", &out, err)
	}
	out.Reset()
	if err := printBatch(&out, jobs.Batch{Counts: jobs.Counts{Corrected: 2}}, batchDetails{}, false); err != nil || !strings.Contains(out.String(), "corrected    2\n") {
		t.Errorf("batch: got %s (%v)", &out, err)
	}
}

// TestStatusShowsFiles checks the files of a batch without an order, with an order
// of its own, and with that of all batches.
func TestStatusShowsFiles(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "shots.db")
	store, err := sqlite.Open(t.Context(), db)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	ctx, now := t.Context(), time.Now()
	if _, err := store.AddJob(ctx, jobs.BatchSpec{ID: "b1"}, jobs.Request{URL: "https://a.test/"}, now); err != nil {
		t.Fatal(err)
	}
	if err := store.Announce(ctx, jobs.Worker{ID: "w", Role: "serve", SeenAt: now}); err != nil {
		t.Fatal(err)
	}
	check := func(text, object string) {
		t.Helper()
		code, got, errs := invoke(t, "status", "--db", db, "b1")
		if _, files, found := strings.Cut(got, "files        "); code != exitOK || found != (text != "") || strings.TrimSpace(files) != text {
			t.Errorf("exit code %d: %s%s, want files %q", code, got, errs, text)
		}
		_, got, _ = invoke(t, "status", "--json", "--db", db, "b1")
		if _, files, _ := strings.Cut(got, `,"files":`); strings.TrimSpace(files) != object {
			t.Errorf("JSON %s, want files %s", got, object)
		}
	}
	check("", "")
	all, own := t.TempDir(), t.TempDir()
	if err := store.OrderDownload(ctx, jobs.DownloadOrder{Folder: all, Name: "{row}"}, now); err != nil {
		t.Fatal(err)
	}
	check("0 saved (0.0 MB) in "+all, `{"folder":"`+all+`","wanted":0,"saved":0,"gone":0,"failed":0,"bytes":0}}`)
	if err := store.OrderDownload(ctx, jobs.DownloadOrder{Batch: "b1", Folder: own, Name: "{row}"}, now); err != nil {
		t.Fatal(err)
	}
	leases, err := store.Lease(ctx, "b1", "w", 1, now, now.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.OpenIntent(ctx, leases[0], now, now.Add(time.Minute))
	if err == nil {
		_, err = store.Observe(ctx, []jobs.Observation{{Job: leases[0].Job.ID, Attempt: 1, ScreenshotID: "s", Outcome: jobs.OutcomeDone}}, jobs.ByCreate, now, now.Add(time.Hour))
	}
	if err == nil {
		_, _, err = store.WantFiles(ctx, now, 100)
	}
	if err != nil {
		t.Fatal(err)
	}
	check("0 saved (0.0 MB), 1 wanted in "+own, `{"folder":"`+own+`","wanted":1,"saved":0,"gone":0,"failed":0,"bytes":0}}`)
	works, err := store.ClaimFiles(ctx, now, now.Add(time.Minute), 1)
	if err != nil || len(works) != 1 {
		t.Fatal(works, err)
	}
	f := works[0].File
	f.Name, f.State, f.Size = "1.png", jobs.FileSaved, 250_000
	if err := errors.Join(store.NameFile(ctx, f), store.SettleFiles(ctx, []jobs.File{f}, now)); err != nil {
		t.Fatal(err)
	}
	check("1 saved (0.2 MB) in "+own, `{"folder":"`+own+`","wanted":0,"saved":1,"gone":0,"failed":0,"bytes":250000}}`)
}
