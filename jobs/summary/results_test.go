package summary

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
	"shotline/jobs/resultcolumn"
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
	for _, columns := range [][]string{{"url"}, {"id", "URL"}, {"website"}, {"url", "State", "COST", "shotline_state"}} {
		f := &fakeSource{batch: jobs.Batch{BatchSpec: jobs.BatchSpec{ID: "b", Columns: columns}}}
		want, _ := resultcolumn.Header(columns)
		if diff := cmp.Diff([][]string{want}, results(t, Results{}, f)); diff != "" {
			t.Errorf("%v (-want +got):\n%s", columns, diff)
		}
	}
	f := &fakeSource{batch: jobs.Batch{BatchSpec: jobs.BatchSpec{ID: "b"}}}
	want, _ := resultcolumn.Header([]string{"url"})
	if diff := cmp.Diff([][]string{want}, results(t, Results{}, f)); diff != "" {
		t.Errorf("input without a header (-want +got):\n%s", diff)
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
		f := &fakeSource{batch: jobs.Batch{BatchSpec: jobs.BatchSpec{ID: "b", Columns: []string{"url"}}}}
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
	for _, format := range Formats {
		r := Results{Format: format}
		f := shopBatch()
		if err := r.Write(t.Context(), brokenWriter{}, f, f.batch.ID); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("%s: broken writer: got %v", format, err)
		}
		if err := r.Write(t.Context(), io.Discard, f, "other"); !errors.Is(err, jobs.ErrNotFound) {
			t.Errorf("%s: unknown batch: got %v", format, err)
		}
		f.err = jobs.ErrUnavailable
		if err := r.Write(t.Context(), io.Discard, f, f.batch.ID); !errors.Is(err, jobs.ErrUnavailable) {
			t.Errorf("%s: broken source: got %v", format, err)
		}
	}
}

func TestResultsInSomeStates(t *testing.T) {
	f := shopBatch()
	states := []jobs.State{jobs.Failed, jobs.TimedOut, jobs.Duplicate}
	var got []string
	for _, record := range results(t, Results{States: states}, f)[1:] {
		got = append(got, record[len(record)-1])
	}
	if diff := cmp.Diff([]string{"3", "4", "6"}, got); diff != "" {
		t.Errorf("rows of the table (-want +got):\n%s", diff)
	}
	var out bytes.Buffer
	if err := (Results{States: states, Format: JSONL}).Write(t.Context(), &out, f, f.batch.ID); err != nil {
		t.Fatal(err)
	}
	got = nil
	for line := range strings.Lines(out.String()) {
		var job struct{ ID string }
		if err := json.Unmarshal([]byte(line), &job); err != nil {
			t.Fatal(err)
		}
		got = append(got, job.ID)
	}
	if diff := cmp.Diff([]string{f.batch.ID + "-3", f.batch.ID + "-4", f.batch.ID + "-6"}, got); diff != "" {
		t.Errorf("jobs of JSON (-want +got):\n%s", diff)
	}
}

// A row of which every part depends on the dialect.
func TestResultsInDialects(t *testing.T) {
	row := jobs.Row{Job: jobs.Job{
		ID: jobs.ID{Batch: "b", Row: 7}, Line: 9, State: jobs.Failed, Error: `a;b,c`, CreatedAt: noon.Add(1900 * time.Millisecond),
		URL: "https://a.example/", Cells: []string{"https://a.example/", "Köln\nBonn\r\nUlm", "x", "", "y", "", " "},
	}}
	excel := jobs.Dialect{Delimiter: ";", BOM: true, CRLF: true}
	for _, tt := range []struct {
		name    string
		input   jobs.Dialect
		results Results
		want    string
	}{
		{"comma", jobs.Dialect{}, Results{}, "url,ort,note,H\n,\"https://a.example/,Köln\nBonn\r\nUlm,x,,y\",,failed,\"a;b,c\",,,,,,,2026-03-24T12:00:01.9Z,,,,9,b-7,7\n"},
		{"semicolon", jobs.Dialect{Delimiter: ";"}, Results{}, "url;ort;note;H\n;\"https://a.example/;Köln\nBonn\r\nUlm;x;;y\";;failed;\"a;b,c\";;;;;;;2026-03-24T12:00:01.9Z;;;;9;b-7;7\n"},
		{"from Excel", excel, Results{}, "\ufeffurl;ort;note;H\r\n;\"https://a.example/;Köln\nBonn\r\nUlm;x;;y\";;failed;\"a;b,c\";;;;;;;2026-03-24T12:00:01.9Z;;;;9;b-7;7\r\n"},
		{"for Excel", jobs.Dialect{}, Results{Excel: true, Delimiter: ";"}, "\ufeffurl;ort;note;H\r\n;\"https://a.example/,Köln\nBonn\r\nUlm,x,,y\";;failed;\"a;b,c\";;;;;;;2026-03-24 12:00:01;;;;9;b-7;7\r\n"},
		{"tabs", excel, Results{Format: TSV}, "\ufeffurl\tort\tnote\tH\r\n\t\"https://a.example/;Köln\nBonn\r\nUlm;x;;y\"\t\tfailed\ta;b,c\t\t\t\t\t\t\t2026-03-24T12:00:01.9Z\t\t\t\t9\tb-7\t7\r\n"},
	} {
		f := &fakeSource{batch: jobs.Batch{BatchSpec: jobs.BatchSpec{ID: "b", Columns: []string{"url", "ort", "note"}, Dialect: tt.input}}, rows: []jobs.Row{row}}
		_, added := resultcolumn.Header(f.batch.Columns)
		delimiter := tt.results.dialect(tt.input).Comma()
		want := strings.Replace(tt.want, "H", strings.Join(added, delimiter), 1)
		var out bytes.Buffer
		if err := tt.results.Write(t.Context(), &out, f, "b"); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, out.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestFormulasAreEscaped(t *testing.T) {
	for in, want := range map[string]string{"": "", "a=b": "a=b", "=1": "'=1", "-a": "'-a", "-1": "-1", "+3.2": "+3.2", "-,5": "-,5", "+1+1": "'+1+1", "-": "'-", "-1e5": "'-1e5", "@x": "'@x", "\tx": "'\tx", "https://a": "https://a"} {
		if got := escapeFormula(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestCheckRows(t *testing.T) {
	b := jobs.Batch{Counts: jobs.Counts{Rows: 1 << 20, ByState: map[jobs.State]int64{jobs.Done: 1<<20 - 1, jobs.Failed: 1}}}
	for _, test := range []struct {
		results Results
		ok      bool
	}{
		{Results{Format: XLSX}, false},
		{Results{Format: CSV}, true},
		{Results{Format: XLSX, States: []jobs.State{jobs.Done}}, true},
		{Results{Format: XLSX, States: []jobs.State{jobs.Done, jobs.Failed}}, false},
	} {
		if err := test.results.CheckRows(b); (err == nil) != test.ok {
			t.Errorf("%+v: %v", test.results, err)
		}
	}
}
