package summary

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
	"shotline/jobs/csvfile"
)

// importFile returns a finished batch of the rows of a file.
func importFile(t *testing.T, id string, file []byte) *fakeSource {
	t.Helper()
	r, err := csvfile.Open(bytes.NewReader(file), csvfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	f := &fakeSource{batch: jobs.Batch{BatchSpec: jobs.BatchSpec{ID: id, Columns: r.Columns(), Dialect: r.Dialect()}}}
	for {
		request, err := r.Next()
		if errors.Is(err, io.EOF) {
			return f
		}
		if err != nil {
			t.Fatal(err)
		}
		state := jobs.Done
		if request.Reject != "" {
			state = jobs.Rejected
		}
		f.rows = append(f.rows, jobs.Row{Job: jobs.Job{
			ID: jobs.ID{Batch: id, Row: int64(len(f.rows) + 1)}, Line: request.Line, URL: request.URL, Cells: request.Cells,
			State: state, Error: request.Reject, ImageURL: "https://img.example/1.png", CreatedAt: noon,
		}})
	}
}

// TestRowsThatDoNotFitStayRejected submits the results of rows that have more cells
// than columns, or cannot be divided. No part of such a row becomes a job's URL.
func TestRowsThatDoNotFitStayRejected(t *testing.T) {
	for _, text := range []string{
		"url;name\nhttps://a.test/?x=1;2;foo\nhttps://a.test/2;ok\n",
		"name,url\nfoo,https://a.test/?x=1,2\nok,https://a.test/2\n",
		"Website,name\nhttps://a.test/?x=1,2,foo\nhttps://a.test/2,ok\n",
		"a,b\nhttps://a.test/?x=1,2,foo\nhttps://a.test/2,ok\nhttps://a.test/3,ok\n",
		"url,name\nhttps://a.test/\"x,foo\n\"https://a.test/2,ok\"x\n",
	} {
		f := importFile(t, "b", []byte(text))
		for range 3 {
			var again bytes.Buffer
			if err := (Results{}).Write(t.Context(), &again, f, "b"); err != nil {
				t.Fatal(err)
			}
			next := importFile(t, "b", again.Bytes())
			for i, row := range next.rows {
				if was := f.rows[i]; row.State != was.State || row.State == jobs.Done && row.URL != was.URL {
					t.Errorf("%q: row %d was %s %s and is %s %s in\n%s", text, i+1, was.State, was.URL, row.State, row.URL, again.String())
				}
			}
			f = next
		}
	}
}

// TestResultsOfResults submits results as the next input, ten times. Columns,
// cells, and how the file is written do not change.
func TestResultsOfResults(t *testing.T) {
	for name, file := range map[string]string{
		"table":         "SKU,url,state,note\nA-1,a.test/1,Bayern,\"x\ny\"\nA-2,nowhere,,\"a \"\"b\"\"\"\nA-3,a.test/3,=1+1, z\n",
		"from Excel":    "\ufeffTitel;URL;Größe\r\nKöln;a.test/1;\"1\n2\"\r\nUlm;;3\r\n",
		"other column":  "Address|Title\nhttps://a.test/1|T\nhttps://b.test/|U|surplus\n",
		"link and url":  "link\turl\nb.test/1\ta.test/1\nb.test/2\ta.test/2\n",
		"list":          "https://a.test/1,2\nhttps://b.test/\n",
		"bad rows":      "url,name\na.test/1,x\n\"a.test/2\"x,y\na.test/3,z,,,\n",
		"our own names": "url,row,job_id,line,file\na.test/1,1,2,3,4\na.test/2,5,6,7,8\n",
	} {
		var first, last bytes.Buffer
		f := importFile(t, "b", []byte(file))
		columns, dialect := f.batch.Columns, f.batch.Dialect
		if columns == nil {
			columns = []string{"url"}
		}
		for n := range 10 {
			last.Reset()
			if err := (Results{}).Write(t.Context(), &last, f, "b"); err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				first.Write(last.Bytes())
			}
			f = importFile(t, "b", last.Bytes())
			if !slices.Equal(f.batch.Columns, columns) || f.batch.Dialect != dialect {
				t.Fatalf("%s: columns %q, dialect %+v", name, f.batch.Columns, f.batch.Dialect)
			}
		}
		// Errors and lines depend on how the file is written; cells do not.
		cut := func(file []byte) (own [][]string) {
			for _, row := range importFile(t, "b", file).rows {
				own = append(own, row.Cells)
			}
			return own
		}
		if diff := cmp.Diff(cut(first.Bytes()), cut(last.Bytes())); diff != "" {
			t.Errorf("%s: cells after the first and after the tenth time:\n%s", name, diff)
		}
		if name != "list" && name != "bad rows" && name != "other column" {
			if diff := cmp.Diff(cut([]byte(file)), cut(last.Bytes())); diff != "" {
				t.Errorf("%s: cells of the input and after the tenth time:\n%s", name, diff)
			}
		}
	}
}
