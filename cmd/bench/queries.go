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

// query is a GET request of the API, with a check of its response.
type query struct {
	what, path string
	check      func(text []byte) error
}

// page is a page of jobs.
type page struct {
	Jobs []struct{ ID, State string }
	Next string
}

// measureQueries sends the queries of typical users and programs to a serve with
// a large database.
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
	for _, q := range []query{
		{"status of a batch", "/v1/batches/" + seeded, checkBatch},
		{"list of batches", "/v1/batches", func(text []byte) error { return wantText(text, `"batch_id":"`+seeded+`"`) }},
		{"first page of jobs", "/v1/jobs", wantJobs("", manyJobs)},
		{"last page of jobs", lastPage, wantJobs("", 100)},
		{"first page of a batch", "/v1/jobs?order=oldest&batch=" + seeded, wantJobs("", 1)},
		{"pending jobs, newest first", "/v1/jobs?state=pending", wantJobs("pending", manyJobs)},
		{"pending jobs, oldest first", "/v1/jobs?state=pending&order=oldest", wantJobs("pending", manyJobs-manyPending+1)},
		{"failed jobs, newest first", "/v1/jobs?state=failed", wantJobs("failed", manyJobs-manyPending)},
		{"failed jobs, oldest first", "/v1/jobs?state=failed&order=oldest", wantJobs("failed", seedFailures)},
		{"metrics, counts by state", "/metrics", func(text []byte) error {
			return wantText(text, fmt.Sprintf("shotline_jobs{state=\"pending\"} %d\n", manyPending))
		}},
	} {
		took, err := serve.measure(q, 20)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", q.what, err)
		}
		from := fmt.Sprintf("of %d", len(took))
		figures = append(figures,
			figure{What: q.what + ", median", Value: took.at(0.5), Unit: "ms", Target: atMost(20), From: from},
			figure{What: q.what + ", longest", Value: took.at(1), Unit: "ms", Target: atMost(20), From: from})
	}
	searches, err := serve.measureSearches()
	return append(figures, searches...), err
}

// measureSearches queries pages of searches that read every row on their way. If
// a search matches nothing, it reads as many rows as one page is allowed to.
func (s *serve) measureSearches() (figures []figure, err error) {
	for _, q := range []query{
		{"by text in the URL, nothing found", "/v1/jobs?q=nowhere", wantMore},
		{"since a day", "/v1/jobs?since=2001-01-01", wantJobs("", manyJobs)},
		{"until a day, nothing found", "/v1/jobs?until=2001-01-01", wantMore},
		{"by tag, nothing found", "/v1/jobs?tag=nosuchtag", wantMore},
		{"by metadata, one found", "/v1/jobs?metadata.sku=" + skuOf(manyJobs-50_000), func(text []byte) error { return wantText(text, fmt.Sprintf(`"id":"%s-%d"`, seeded, manyJobs-50_000)) }},
		{"by metadata, nothing found", "/v1/jobs?metadata.sku=17", wantMore},
		{"by error", "/v1/jobs?error=did+not+load&order=oldest", wantJobs("failed", seedFailures)},
		{"by error, nothing found", "/v1/jobs?error=nosucherror", wantMore},
		{"by all of them, nothing found", "/v1/jobs?q=shop&since=2001-01-01&until=2100-01-01&tag=t&error=x&metadata.sku=17", wantMore},
	} {
		took, err := s.measure(q, 10)
		if err != nil {
			return nil, fmt.Errorf("search %s: %w", q.what, err)
		}
		figures = append(figures, figure{What: "a page of a search " + q.what + ", longest", Value: took.at(1), Unit: "ms", Target: atMost(searchTime), From: fmt.Sprintf("median %s ms", number(took.at(0.5)))})
	}
	return figures, nil
}

// searchTime is how long a page of a search may take, in milliseconds.
const searchTime = 100

// wantMore checks that a page is empty and that there is a next page.
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

// measure sends a query several times, and returns how long each response took,
// up to its last byte.
func (s *serve) measure(q query, times int) (took latencies, err error) {
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

// walkJobs lists all jobs, newest first, in the largest pages, and the last ones
// in pages of the default size. It returns the path of the last page.
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
				return f, "", fmt.Errorf("GET %s: got job %s, want %s", path, job.ID, want)
			}
		}
		seen += len(p.Jobs)
		if cursor = p.Next; cursor == "" {
			last = path
		}
	}
	if seen != manyJobs {
		return f, "", fmt.Errorf("listed %d jobs, want %d", seen, manyJobs)
	}
	seconds := time.Since(began).Seconds()
	return figure{What: "all 1,000,000 jobs, page by page", Value: float64(seen) / seconds / 1000, Unit: "k jobs/s",
		From: fmt.Sprintf("%d pages in %.1f s", pages, seconds)}, last, nil
}

// wantJobs returns a check that a page has 100 jobs and begins with the given
// row. If state is not empty, all jobs must be in that state.
func wantJobs(state string, row int) func([]byte) error {
	return func(text []byte) error {
		var p page
		if err := json.Unmarshal(text, &p); err != nil {
			return err
		}
		if len(p.Jobs) != 100 || p.Jobs[0].ID != fmt.Sprintf("%s-%d", seeded, row) {
			return fmt.Errorf("want 100 jobs from row %d on, got %d: %.200s", row, len(p.Jobs), text)
		}
		for _, job := range p.Jobs {
			if state != "" && job.State != state {
				return fmt.Errorf("job %s is %s, want %s", job.ID, job.State, state)
			}
		}
		return nil
	}
}

func wantText(text []byte, part string) error {
	if !bytes.Contains(text, []byte(part)) {
		return fmt.Errorf("want %s in the response, got %.200s", strings.TrimSpace(part), text)
	}
	return nil
}
