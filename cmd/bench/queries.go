package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// question is one that an API is asked, and how its answer is looked at.
type question struct {
	what, path string
	check      func(text []byte) error
}

// page is a page of jobs.
type page struct {
	Jobs []struct{ ID, State string }
	Next string
}

// measureQueries asks a serve with a large database what people and programs ask.
func measureQueries(ctx context.Context, b *bench) (_ []figure, err error) {
	database, err := b.seed(ctx, "queries", manyJobs, manyPending)
	if err != nil {
		return nil, err
	}
	defer removeDatabase(database)
	vendor := newVendor()
	defer vendor.Close()
	serve, err := b.startServe(ctx, database, "--base-url", vendor.URL)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, serve.stop()) }()

	walk, lastPage, err := serve.walkJobs()
	if err != nil {
		return nil, err
	}
	figures := []figure{walk}
	for _, q := range []question{
		{"status of a batch", "/v1/batches/" + seeded, checkBatch},
		{"list of batches", "/v1/batches", func(text []byte) error { return has(text, `"batch_id":"`+seeded+`"`) }},
		{"first page of jobs", "/v1/jobs", wantJobs("", manyJobs)},
		{"last page of jobs", lastPage, wantJobs("", 100)},
		{"first page of a batch", "/v1/jobs?order=oldest&batch=" + seeded, wantJobs("", 1)},
		{"pending jobs, newest first", "/v1/jobs?state=pending", wantJobs("pending", manyJobs)},
		{"pending jobs, oldest first", "/v1/jobs?state=pending&order=oldest", wantJobs("pending", manyJobs-manyPending+1)},
		{"failed jobs, newest first", "/v1/jobs?state=failed", wantJobs("failed", manyJobs-manyPending)},
		{"failed jobs, oldest first", "/v1/jobs?state=failed&order=oldest", wantJobs("failed", seedFailures)},
		{"metrics, counts by state", "/metrics", func(text []byte) error {
			return has(text, fmt.Sprintf("shotline_jobs{state=\"pending\"} %d\n", manyPending))
		}},
	} {
		asked, err := serve.ask(q, 20)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", q.what, err)
		}
		from := fmt.Sprintf("of %d", len(asked))
		figures = append(figures,
			figure{What: q.what + ", median", Value: asked.at(0.5), Unit: "ms", Target: atMost(20), From: from},
			figure{What: q.what + ", longest", Value: asked.at(1), Unit: "ms", Target: atMost(20), From: from})
	}
	searches, err := serve.measureSearches()
	return append(figures, searches...), err
}

// measureSearches asks for pages of searches that look at every row they pass. A
// page that finds nothing looks at as many rows as a page may.
func (s *serve) measureSearches() (figures []figure, err error) {
	for _, q := range []question{
		{"by text in the URL, nothing found", "/v1/jobs?q=nowhere", wantMore},
		{"since a day", "/v1/jobs?since=2001-01-01", wantJobs("", manyJobs)},
		{"until a day, nothing found", "/v1/jobs?until=2001-01-01", wantMore},
		{"by tag, nothing found", "/v1/jobs?tag=nosuchtag", wantMore},
		{"by metadata, one found", "/v1/jobs?metadata.sku=" + skuOf(manyJobs-50_000), func(text []byte) error { return has(text, fmt.Sprintf(`"id":"%s-%d"`, seeded, manyJobs-50_000)) }},
		{"by metadata, nothing found", "/v1/jobs?metadata.sku=17", wantMore},
		{"by error", "/v1/jobs?error=did+not+load&order=oldest", wantJobs("failed", seedFailures)},
		{"by error, nothing found", "/v1/jobs?error=nosucherror", wantMore},
		{"by all of them, nothing found", "/v1/jobs?q=shop&since=2001-01-01&until=2100-01-01&tag=t&error=x&metadata.sku=17", wantMore},
	} {
		took, err := s.ask(q, 10)
		if err != nil {
			return nil, fmt.Errorf("search %s: %w", q.what, err)
		}
		figures = append(figures, figure{What: "a page of a search " + q.what + ", longest", Value: took.at(1), Unit: "ms", Target: atMost(searchTime), From: fmt.Sprintf("median %s ms", number(took.at(0.5)))})
	}
	return figures, nil
}

// searchTime is how many milliseconds a page of a search may take.
const searchTime = 100

// wantMore is an empty page with a next one.
func wantMore(text []byte) error {
	var p page
	if err := json.Unmarshal(text, &p); err != nil {
		return err
	}
	if len(p.Jobs) != 0 || p.Next == "" {
		return fmt.Errorf("want no job and a next page, got %d: %.200s", len(p.Jobs), text)
	}
	return nil
}

// ask is how long answers took, to their last byte.
func (s *serve) ask(q question, times int) (took latencies, err error) {
	for range times {
		began := time.Now()
		text, err := s.get(q.path)
		if err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
		if err := q.check(text); err != nil {
			return nil, err
		}
	}
	slices.Sort(took)
	return took, nil
}

// walkJobs goes through all jobs, newest first, in the largest pages and at the
// end in ordinary ones. It returns the path of the last page.
func (s *serve) walkJobs() (f figure, last string, err error) {
	seen, pages, began := 0, 0, time.Now()
	for cursor := ""; last == ""; pages++ {
		limit := 1000
		if manyJobs-seen <= limit {
			limit = 100
		}
		path := fmt.Sprintf("/v1/jobs?limit=%d&cursor=%s", limit, url.QueryEscape(cursor))
		text, err := s.get(path)
		if err != nil {
			return f, "", err
		}
		var p page
		if err := json.Unmarshal(text, &p); err != nil {
			return f, "", err
		}
		for i, job := range p.Jobs {
			if want := fmt.Sprintf("%s-%d", seeded, manyJobs-seen-i); job.ID != want {
				return f, "", fmt.Errorf("GET %s: job %s comes where %s should", path, job.ID, want)
			}
		}
		seen += len(p.Jobs)
		if cursor = p.Next; cursor == "" {
			last = path
		}
	}
	if seen != manyJobs {
		return f, "", fmt.Errorf("%d of %d jobs were listed", seen, manyJobs)
	}
	seconds := time.Since(began).Seconds()
	return figure{What: "all 1,000,000 jobs, page by page", Value: float64(seen) / seconds / 1000, Unit: "k jobs/s",
		From: fmt.Sprintf("%d pages in %.1f s", pages, seconds)}, last, nil
}

// wantJobs is a page of 100 jobs, in one state unless it is empty, that begins
// with a row.
func wantJobs(state string, row int) func([]byte) error {
	return func(text []byte) error {
		var p page
		if err := json.Unmarshal(text, &p); err != nil {
			return err
		}
		if len(p.Jobs) != 100 || p.Jobs[0].ID != fmt.Sprintf("%s-%d", seeded, row) {
			return fmt.Errorf("want 100 jobs from %d on, got %d: %.200s", row, len(p.Jobs), text)
		}
		for _, job := range p.Jobs {
			if state != "" && job.State != state {
				return fmt.Errorf("job %s is %s, want %s", job.ID, job.State, state)
			}
		}
		return nil
	}
}

func has(text []byte, part string) error {
	if !bytes.Contains(text, []byte(part)) {
		return fmt.Errorf("there is no %s in %.200s", strings.TrimSpace(part), text)
	}
	return nil
}
