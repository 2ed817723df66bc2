package summary

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
)

// results writes results and parses them.
func results(t *testing.T, r Results, f *fakeSource) [][]string {
	t.Helper()
	var out bytes.Buffer
	if err := r.Write(t.Context(), &out, f, f.batch.ID); err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(&out).ReadAll() // also checks that all records have the same length
	if err != nil {
		t.Fatal(err)
	}
	return records
}

func TestResultsGolden(t *testing.T) {
	f := shopBatch()
	file := func(j jobs.Job) string {
		if j.State != jobs.Done {
			return ""
		}
		return "out/" + j.ScreenshotID + ".png"
	}
	var out bytes.Buffer
	if err := (Results{File: file}).Write(t.Context(), &out, f, f.batch.ID); err != nil {
		t.Fatal(err)
	}
	golden(t, "shops.results.csv", out.Bytes())
}

func TestResultsHeader(t *testing.T) {
	added := outcomeColumns
	for _, tt := range []struct{ columns, want []string }{
		{nil, slices.Concat([]string{"url"}, added)},
		{[]string{"id", "URL"}, slices.Concat([]string{"id", "URL"}, added)},
		{[]string{"website"}, slices.Concat([]string{"website", "url"}, added)},
		{
			[]string{"url", "State", "COST", "shotline_state"},
			slices.Concat([]string{"url", "State", "COST", "shotline_state", "shotline_shotline_state"}, added[1:5], []string{"shotline_cost"}, added[6:]),
		},
	} {
		f := &fakeSource{batch: jobs.Batch{BatchSpec: jobs.BatchSpec{ID: "b", Columns: tt.columns}}}
		if diff := cmp.Diff([][]string{tt.want}, results(t, Results{}, f)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", tt.columns, diff)
		}
	}
}

func TestResultsWithoutInputCells(t *testing.T) {
	row := jobs.Row{Job: jobs.Job{ID: jobs.ID{Batch: "b", Row: 1}, URL: "https://a.example/", State: jobs.Queued}}
	for _, columns := range [][]string{nil, {"note", "url"}, {"note"}} {
		f := &fakeSource{batch: jobs.Batch{BatchSpec: jobs.BatchSpec{ID: "b", Columns: columns}}, rows: []jobs.Row{row}}
		records := results(t, Results{}, f)
		at := slices.Index(records[0], "url")
		if got := records[1][at]; got != row.URL {
			t.Errorf("%v: url is %q", columns, got)
		}
	}
}

func TestResultsOfManyPages(t *testing.T) {
	for _, n := range []int{0, 1, resultsPage - 1, resultsPage, resultsPage + 1, 3*resultsPage + 7} {
		f := &fakeSource{batch: jobs.Batch{BatchSpec: jobs.BatchSpec{ID: "b"}}}
		for i := range n {
			id := jobs.ID{Batch: "b", Row: int64(i + 1)}
			f.rows = append(f.rows, jobs.Row{Job: jobs.Job{ID: id, URL: "https://a.example/" + strconv.Itoa(i+1), State: jobs.Done}})
		}
		records := results(t, Results{}, f)
		if len(records) != n+1 {
			t.Fatalf("%d rows: got %d records", n, len(records)-1)
		}
		for i, record := range records[1:] {
			if want := fmt.Sprintf("https://a.example/%d", i+1); record[0] != want {
				t.Fatalf("record %d is %s", i+1, record[0])
			}
		}
		if f.pages > n/resultsPage+1 {
			t.Errorf("%d rows took %d pages", n, f.pages)
		}
	}
}

// The numbers of rows by state, with duplicates counted separately, agree with
// the counts of the batch.
func TestResultsAgreeWithCounts(t *testing.T) {
	f := shopBatch()
	records := results(t, Results{}, f)
	column := func(name string) int { return slices.Index(records[0], name) }
	counts := map[jobs.State]int64{}
	for _, r := range records[1:] {
		state := jobs.State(r[column("shotline_state")])
		if r[column("duplicate_of")] != "" {
			if r[column("cost")] != "" {
				t.Errorf("a duplicate has the cost %s", r[column("cost")])
			}
			state = jobs.Duplicate
		}
		counts[state]++
	}
	if diff := cmp.Diff(f.batch.Counts.ByState, counts); diff != "" {
		t.Error(diff)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestResultsReturnErrors(t *testing.T) {
	f := shopBatch()
	if err := WriteResults(t.Context(), brokenWriter{}, f, f.batch.ID); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("broken writer: got %v", err)
	}
	if err := WriteResults(t.Context(), io.Discard, f, "other"); !errors.Is(err, jobs.ErrNotFound) {
		t.Errorf("unknown batch: got %v", err)
	}
	f.err = jobs.ErrUnavailable
	if err := WriteResults(t.Context(), io.Discard, f, f.batch.ID); !errors.Is(err, jobs.ErrUnavailable) {
		t.Errorf("broken source: got %v", err)
	}
}

func TestFormulasAreEscaped(t *testing.T) {
	for in, want := range map[string]string{"": "", "a=b": "a=b", "=1": "'=1", "+1": "'+1", "-1": "'-1", "@x": "'@x", "\tx": "'\tx", "https://a": "https://a"} {
		if got := escapeFormula(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
