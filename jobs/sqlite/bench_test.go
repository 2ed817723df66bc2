package sqlite

import (
	"fmt"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"shotline/jobs"
)

var noon = time.Date(2031, 5, 6, 12, 0, 0, 0, time.UTC)

// webhookBody has the size of a real delivery.
const webhookBody = `{"event":"screenshot.completed","screenshot_id":"1234567","url":"https://example.com/some/page",` +
	`"status":"done","image_url":"https://cdn.example.com/2031/05/06/1234567.png","created_at":"2031-05-06T12:00:00Z"}`

func delivery(screenshotID string, outcome jobs.Outcome) jobs.Delivery {
	return jobs.Delivery{
		ReceivedAt: noon.Add(time.Minute), Event: "screenshot.completed", ScreenshotID: screenshotID, Outcome: outcome,
		ImageURL: "https://cdn.example.com/" + screenshotID + ".png", Body: []byte(webhookBody),
	}
}

// requests returns n different rows, numbered from first on.
func requests(first, n int) []jobs.Request {
	list := make([]jobs.Request, n)
	for i := range list {
		list[i] = jobs.Request{
			Line: first + i + 1, URL: fmt.Sprintf("https://example.com/page/%d", first+i),
			Params: jobs.Params{"size": "page"}, Metadata: jobs.Metadata{"sku": fmt.Sprint(first + i)},
		}
	}
	return list
}

// fill imports n rows and opens the batch.
func fill(t testing.TB, s *Store, batch string, n int) {
	t.Helper()
	ctx := t.Context()
	must(t, s.CreateBatch(ctx, jobs.BatchSpec{ID: batch}, noon))
	for first := 0; first < n; first += 500 {
		must(t, s.AppendRequests(ctx, batch, requests(first, min(500, n-first)), noon))
	}
	_, err := s.OpenBatch(ctx, batch, noon)
	must(t, err)
}

// submit makes every queued row of a batch pending. The id of a screenshot
// consists of batch and row.
func submit(t testing.TB, s *Store, batch string, n int) {
	t.Helper()
	ctx := t.Context()
	leases, err := s.Lease(ctx, batch, "bench", n, noon, noon.Add(30*time.Second))
	must(t, err)
	seen := make([]jobs.Observation, len(leases))
	for i, l := range leases {
		seen[i] = jobs.Observation{
			Job: l.Job.ID, Attempt: l.Attempt, ScreenshotID: l.Job.ID.String(), Outcome: jobs.OutcomeProcessing,
		}
	}
	_, err = s.Observe(ctx, seen, jobs.ByCreate, noon, noon.Add(10*time.Minute))
	must(t, err)
}

// mallocs returns the number of allocations of the whole process so far.
func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// BenchmarkAppendDelivery measures group commit with many concurrent webhooks:
// deliveries per second, and deliveries per commit.
func BenchmarkAppendDelivery(b *testing.B) {
	for _, callers := range []int{1, 64, 256} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			s := openAt(b, filepath.Join(b.TempDir(), "bench.db"))
			before := s.Stats()
			b.SetParallelism(max(callers/2, 1))
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := s.AppendDelivery(b.Context(), delivery("1234567", jobs.OutcomeDone)); err != nil {
						b.Error(err)
						return
					}
				}
			})
			after := s.Stats()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "deliveries/s")
			b.ReportMetric(float64(after.Operations-before.Operations)/float64(after.Commits-before.Commits), "ops/commit")
		})
	}
}

// BenchmarkApplyInbox closes 4000 pending jobs by webhook in one transaction.
func BenchmarkApplyInbox(b *testing.B) {
	const group = 4000
	s := openAt(b, filepath.Join(b.TempDir(), "bench.db"))
	b.ReportAllocs()
	b.ResetTimer()
	var allocated uint64
	for i := range b.N {
		b.StopTimer()
		batch := fmt.Sprintf("b%d", i)
		fill(b, s, batch, group)
		submit(b, s, batch, group)
		must(b, s.writeAlone(b.Context(), func(t *tx) error {
			ops := make([]*operation, group)
			for i := range ops {
				d := delivery(fmt.Sprintf("%s-%d", batch, i+1), jobs.OutcomeDone)
				ops[i] = &operation{delivery: &d}
			}
			return t.append(ops)
		}))
		before := mallocs()
		b.StartTimer()
		applied, err := s.ApplyInbox(b.Context(), noon.Add(time.Minute), group)
		b.StopTimer()
		allocated += mallocs() - before
		must(b, err)
		if len(applied.Closed) != group {
			b.Fatalf("closed %d jobs", len(applied.Closed))
		}
	}
	b.ReportMetric(float64(group*b.N)/b.Elapsed().Seconds(), "closures/s")
	b.ReportMetric(float64(allocated)/float64(group*b.N), "allocs/job")
}

// BenchmarkImport appends 500 rows at a time.
func BenchmarkImport(b *testing.B) {
	s := openAt(b, filepath.Join(b.TempDir(), "bench.db"))
	must(b, s.CreateBatch(b.Context(), jobs.BatchSpec{ID: "b"}, noon))
	list := requests(0, 500)
	b.ReportAllocs()
	b.ResetTimer()
	for range b.N {
		must(b, s.AppendRequests(b.Context(), "b", list, noon))
	}
	b.ReportMetric(float64(500*b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkAddJob has many callers that add one job each, with a key.
func BenchmarkAddJob(b *testing.B) {
	s := openAt(b, filepath.Join(b.TempDir(), "bench.db"))
	request := requests(0, 1)[0]
	var made atomic.Int64
	b.SetParallelism(32)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			name := fmt.Sprint("b", made.Add(1))
			spec := jobs.BatchSpec{ID: name, CallbackURL: "https://user.example/hook", Key: jobs.Key{Scope: "token", Name: name}}
			if _, err := s.AddJob(b.Context(), spec, request, noon); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
}

// BenchmarkApplySingles closes 1000 single jobs in one transaction, which
// finishes as many batches.
func BenchmarkApplySingles(b *testing.B) {
	const group = 1000
	s := openAt(b, filepath.Join(b.TempDir(), "bench.db"))
	request := requests(0, 1)[0]
	for i := range b.N {
		b.StopTimer()
		var waits sync.WaitGroup
		for worker := range 32 {
			waits.Go(func() {
				for n := worker; n < group; n += 32 {
					batch := fmt.Sprintf("b%dx%d", i, n)
					if _, err := s.AddJob(b.Context(), jobs.BatchSpec{ID: batch, CallbackURL: "https://user.example/hook"}, request, noon); err != nil {
						b.Error(err)
					}
					submit(b, s, batch, 1)
					if _, err := s.AppendDelivery(b.Context(), delivery(batch+"-1", jobs.OutcomeDone)); err != nil {
						b.Error(err)
					}
				}
			})
		}
		waits.Wait()
		b.StartTimer()
		applied, err := s.ApplyInbox(b.Context(), noon.Add(time.Minute), group)
		must(b, err)
		if len(applied.Finished) != group {
			b.Fatalf("finished %d batches", len(applied.Finished))
		}
	}
	b.ReportMetric(float64(group*b.N)/b.Elapsed().Seconds(), "closures/s")
}

// BenchmarkClaimCallbacks claims callbacks of a target that responds while
// another target does not respond and has many undelivered callbacks.
func BenchmarkClaimCallbacks(b *testing.B) {
	for _, undelivered := range []int{100, 20_000} {
		b.Run(fmt.Sprintf("undelivered=%d", undelivered), func(b *testing.B) {
			s := openAt(b, filepath.Join(b.TempDir(), "bench.db"))
			addCallbacks(b, s, "failing", undelivered)
			_, err := s.ClaimCallbacks(b.Context(), noon, noon.Add(time.Hour), 4, 100)
			must(b, err)
			addCallbacks(b, s, "working", b.N)
			b.ResetTimer()
			for range b.N {
				claimed, err := s.ClaimCallbacks(b.Context(), noon, noon.Add(time.Hour), 4, 100)
				must(b, err)
				for _, c := range claimed {
					c, err := s.BeginCallback(b.Context(), c.Seq, c.Generation, noon, noon.Add(time.Hour))
					must(b, err)
					must(b, s.SettleCallback(b.Context(), c, jobs.CallbackEnd{State: jobs.CallbackDelivered}, noon, noon))
				}
			}
		})
	}
}

// BenchmarkObserve records the results of creates, one per call as the submitter
// does, and many per call.
func BenchmarkObserve(b *testing.B) {
	for _, group := range []int{1, 1000} {
		b.Run(fmt.Sprintf("group=%d", group), func(b *testing.B) {
			s := openAt(b, filepath.Join(b.TempDir(), "bench.db"))
			b.ReportAllocs()
			var leases []jobs.Lease
			observed := make([]jobs.Observation, group)
			batches, done := 0, 0
			b.ResetTimer()
			for range b.N {
				if len(leases) < group {
					b.StopTimer()
					batch := fmt.Sprint("b", batches)
					batches++
					fill(b, s, batch, 2000)
					var err error
					leases, err = s.Lease(b.Context(), batch, "bench", 2000, noon, noon.Add(time.Minute))
					must(b, err)
					b.StartTimer()
				}
				for i, l := range leases[:group] {
					observed[i] = jobs.Observation{Job: l.Job.ID, Attempt: l.Attempt, ScreenshotID: l.Job.ID.String(), Outcome: jobs.OutcomeProcessing}
				}
				leases = leases[group:]
				effects, err := s.Observe(b.Context(), observed, jobs.ByCreate, noon, noon.Add(time.Hour))
				must(b, err)
				done += effects.Adopted
			}
			if done != group*b.N {
				b.Fatalf("%d of %d jobs have a screenshot", done, group*b.N)
			}
			b.ReportMetric(float64(done)/b.Elapsed().Seconds(), "jobs/s")
		})
	}
}

// BenchmarkFirstPage reads a page of 100 jobs from a batch of 100,000.
func BenchmarkFirstPage(b *testing.B) {
	s := openAt(b, filepath.Join(b.TempDir(), "bench.db"))
	fill(b, s, "b", 100_000)
	for name, states := range map[string][]jobs.State{"all": nil, "queued": {jobs.Queued}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				page, _, err := s.Search(b.Context(), jobs.JobSearch{JobFilter: jobs.JobFilter{Batch: "b", States: states}, Newest: true})
				must(b, err)
				if len(page) != 100 {
					b.Fatalf("got a page of %d jobs", len(page))
				}
			}
		})
	}
}

// BenchmarkSearch searches a URL that does not exist, in as many rows as one page
// examines.
func BenchmarkSearch(b *testing.B) {
	s := openAt(b, filepath.Join(b.TempDir(), "bench.db"))
	fill(b, s, "b", searchScan+100)
	b.ResetTimer()
	for range b.N {
		if _, _, err := s.Search(b.Context(), jobs.JobSearch{Text: "nowhere"}); err != nil {
			b.Fatal(err)
		}
	}
}
