package summary

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// golden compares got with a file in testdata. With -update it writes the file.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got); go test -update rewrites it:\n%s", name, diff)
	}
}

// fakeSource is a source in memory that counts the pages read.
type fakeSource struct {
	batch   jobs.Batch
	timings jobs.Timings
	reasons []jobs.Reason
	rows    []jobs.Row
	pages   int
	err     error // returned by Rows
}

func (f *fakeSource) Batch(_ context.Context, id string) (jobs.Batch, error) {
	if id != f.batch.ID {
		return jobs.Batch{}, fmt.Errorf("batch %s: %w", id, jobs.ErrNotFound)
	}
	return f.batch, nil
}

func (f *fakeSource) Timings(context.Context, string) (jobs.Timings, error) { return f.timings, nil }

func (f *fakeSource) Reasons(_ context.Context, _ string, limit int) ([]jobs.Reason, error) {
	return f.reasons[:min(limit, len(f.reasons))], nil
}

func (f *fakeSource) Rows(_ context.Context, _ string, after int64, limit int) ([]jobs.Row, error) {
	f.pages++
	if f.err != nil {
		return nil, f.err
	}
	from := slices.IndexFunc(f.rows, func(r jobs.Row) bool { return r.ID.Row > after })
	if from < 0 {
		return nil, nil
	}
	return f.rows[from:min(from+limit, len(f.rows))], nil
}

var noon = time.Date(2026, 3, 24, 12, 0, 0, 0, time.UTC)

func cost(f float64) *float64 { return &f }

// shopBatch returns a batch with rows of all kinds.
func shopBatch() *fakeSource {
	const id = "b7k2m9q4x1"
	f := &fakeSource{batch: jobs.Batch{
		BatchSpec: jobs.BatchSpec{ID: id, Source: "shops.csv", Columns: []string{"Shop", "URL", "state"}},
		State:     jobs.BatchFinished, Revision: 2, CreatedAt: noon, FinishedAt: noon.Add(134 * time.Second),
	}}
	add := func(j jobs.Job) {
		j.ID = jobs.ID{Batch: id, Row: int64(len(f.rows) + 1)}
		j.CreatedAt = noon
		row := jobs.Row{Job: j}
		if j.DuplicateOf > 0 {
			row.Original = &f.rows[j.DuplicateOf-1].Job
		}
		f.rows = append(f.rows, row)
	}
	done := func(shop, url string, took time.Duration) jobs.Job {
		n := len(f.rows) + 1
		return jobs.Job{
			URL: url, Cells: []string{shop, url, "keep"}, State: jobs.Done, Attempt: 1, ClosedBy: jobs.ByWebhook, Cost: cost(1),
			ScreenshotID: fmt.Sprint(1000 + n), ImageURL: fmt.Sprintf("https://img.example/%d.png", n),
			SubmittedAt: noon.Add(time.Second), ClosedAt: noon.Add(time.Second + took),
		}
	}
	add(done("Corner Shop", "https://corner.example/", 2300*time.Millisecond))
	add(done(`Bücher, "Neu & Alt"`, "https://buecher.example/katalog?seite=2", 840*time.Millisecond))
	add(jobs.Job{
		URL: "https://slow.example/never", Cells: []string{"Slow\nand steady", "https://slow.example/never", ""}, State: jobs.Failed,
		Attempt: 2, ClosedBy: jobs.ByPoll, ScreenshotID: "1003", Error: "=the page did not answer within 30 s",
		SubmittedAt: noon.Add(2 * time.Second), ClosedAt: noon.Add(33 * time.Second),
	})
	add(jobs.Job{
		URL: "https://corner.example/", Cells: []string{"Corner again", "https://CORNER.example", ""}, State: jobs.Duplicate, DuplicateOf: 1,
	})
	add(jobs.Job{Line: 6, Cells: []string{"=SUM(A1)", "htp:/nowhere", "", "surplus", "more"}, State: jobs.Rejected, Error: `line 6: "htp:/nowhere" is not a web address`})
	add(jobs.Job{
		URL: "https://late.example/", Cells: []string{"Late"}, State: jobs.TimedOut, Attempt: 1, ClosedBy: jobs.ByDeadline,
		SubmittedAt: noon.Add(2 * time.Second), ClosedAt: noon.Add(130 * time.Second),
	})
	late := done("日本語の店", "https://日本.example/店", 61*time.Second)
	late.Late = true
	add(late)
	add(jobs.Job{URL: "https://gone.example/", Cells: []string{"Gone", "https://gone.example/", ""}, State: jobs.Canceled, ClosedBy: jobs.ByCancel, ClosedAt: noon.Add(time.Minute)})

	f.batch.Counts = jobs.Counts{
		Rows: 8, Late: 1, Corrected: 1, DoubleCharged: 1, Cost: cost(4.30000000001), APICalls: 9,
		ByState:      map[jobs.State]int64{jobs.Done: 3, jobs.Failed: 1, jobs.TimedOut: 1, jobs.Canceled: 1, jobs.Duplicate: 1, jobs.Rejected: 1},
		ByProvenance: map[jobs.Provenance]int64{jobs.ByWebhook: 3, jobs.ByPoll: 1, jobs.ByDeadline: 1, jobs.ByCancel: 1},
	}
	f.timings = jobs.Timings{
		Count: 3, Min: 840 * time.Millisecond, Mean: 21380 * time.Millisecond, P50: 2300 * time.Millisecond,
		P95: 61 * time.Second, Max: 61 * time.Second,
	}
	first := func(row int64) jobs.ID { return jobs.ID{Batch: id, Row: row} }
	f.reasons = []jobs.Reason{
		{State: jobs.Failed, Error: "=the page did not answer within 30 s", Count: 1, First: first(3)},
		{State: jobs.TimedOut, Count: 1, First: first(6)},
		{State: jobs.Rejected, Error: `line 6: "htp:/nowhere" is not a web address`, Count: 1, First: first(5)},
		{State: jobs.Canceled, Error: "canceled\x1b[2J by\r\nrequest", Count: 1, First: first(8)},
	}
	return f
}

// endlessRows is a source of many rows that it does not store. It measures the
// heap.
type endlessRows struct {
	rows int
	heap uint64 // the largest size that was seen
}

func (e *endlessRows) Batch(context.Context, string) (jobs.Batch, error) {
	return jobs.Batch{BatchSpec: jobs.BatchSpec{ID: "b", Columns: []string{"SKU", "Title", "url", "price"}}}, nil
}

func (e *endlessRows) Rows(_ context.Context, _ string, after int64, limit int) (page []jobs.Row, err error) {
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	e.heap = max(e.heap, stats.HeapAlloc)
	for row := after + 1; row <= min(after+int64(limit), int64(e.rows)); row++ {
		url := fmt.Sprintf("https://shop.example/products/%d?variant=%d", row, row%7)
		page = append(page, jobs.Row{Job: jobs.Job{
			ID: jobs.ID{Batch: "b", Row: row}, Line: int(row) + 1, URL: url, State: jobs.Done, Attempt: 1, ClosedBy: jobs.ByWebhook, Cost: cost(1),
			Cells:        []string{fmt.Sprintf("SKU-%06d", row), fmt.Sprintf("Product number %d", row), url, fmt.Sprintf("%d.99", row%100)},
			ScreenshotID: fmt.Sprint(17_000_000_000_000 + row), ImageURL: fmt.Sprintf("https://img.example/%d.png", row),
			CreatedAt: noon, SubmittedAt: noon.Add(time.Second), ClosedAt: noon.Add(3 * time.Second),
		}})
	}
	return page, nil
}
