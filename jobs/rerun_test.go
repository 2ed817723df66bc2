package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"shotline/jobs"
)

// requests serves requests of one batch, and an error after the last one if it is
// set.
type requests struct {
	n   int64
	err error
}

func (r requests) Requests(_ context.Context, _ string, after int64, limit int) (page []jobs.Request, err error) {
	for row := after + 1; row <= r.n && len(page) < limit; row++ {
		page = append(page, jobs.Request{Line: int(row)})
	}
	if len(page) == 0 {
		err = r.err
	}
	return page, err
}

func TestRereaderReadsAllRequests(t *testing.T) {
	broken := errors.New("broken")
	for _, n := range []int64{0, 1, 500, 1001} {
		for _, end := range []error{nil, broken} {
			reader := jobs.NewRereader(t.Context(), requests{n, end}, "b1")
			for row := range n {
				if r, err := reader.Next(); err != nil || r.Line != int(row+1) {
					t.Fatalf("request %d of %d: line %d, %v", row+1, n, r.Line, err)
				}
			}
			want := end
			if want == nil {
				want = io.EOF
			}
			if _, err := reader.Next(); !errors.Is(err, want) {
				t.Errorf("after %d requests: %v, want %v", n, err, want)
			}
		}
	}
}

// batches serves batches, newest first.
type batches []jobs.Batch

func (b batches) Batches(_ context.Context, before string, limit int) ([]jobs.Batch, error) {
	first := 0
	for i := range b {
		if b[i].ID == before {
			first = i + 1
		}
	}
	return b[first:min(first+limit, len(b))], nil
}

func TestLatestBatch(t *testing.T) {
	var all batches
	for i := range 1200 {
		all = append(all, jobs.Batch{BatchSpec: jobs.BatchSpec{ID: fmt.Sprintf("other%d", i), Source: "x.csv"}, State: jobs.BatchOpen})
	}
	named := func(id, source string, tags ...string) jobs.Batch {
		return jobs.Batch{BatchSpec: jobs.BatchSpec{ID: id, Source: source, Tags: tags}, State: jobs.BatchFinished}
	}
	importing := named("importing", "lists/shop.csv")
	importing.State = jobs.BatchImporting
	all = append(all, importing, named("new", "lists/shop.csv", "spring", "nightly"), named("old", "shop.csv", "nightly", "first"))
	for name, want := range map[string]string{"shop.csv": "new", "lists/shop.csv": "new", "nightly": "new", "spring": "new", "first": "old"} {
		if got, err := jobs.LatestBatch(t.Context(), all, name); err != nil || got.ID != want {
			t.Errorf("latest of %s: %q, %v; want %s", name, got.ID, err, want)
		}
	}
	for _, name := range []string{"shop", "Nightly", "lists"} {
		if got, err := jobs.LatestBatch(t.Context(), all, name); !errors.Is(err, jobs.ErrNotFound) {
			t.Errorf("latest of %s: %q, %v; want none", name, got.ID, err)
		}
	}
}
