package api

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
)

const badTable = "sku,url\nA1,bad one\nA2,bad two\n"

// TestAmendContentTypes puts corrected rows back in each format, and checks the
// counts and the rows.
func TestAmendContentTypes(t *testing.T) {
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	io.WriteString(w, "url,sku\nhttps://a.test/é,A2\n")
	w.Close()
	formBody, formKind := form(t, "file@", "sku,page,url\nA2,x,https://a.test/%C3%A9\n", "url_column", "url")
	for name, test := range map[string]struct {
		query, body string
		header      []string
		isTable     bool
	}{
		"CSV":        {"?by=SKU", "url;sku\nhttps://a.test/\xe9;A2\n", []string{"Content-Type", "text/csv; charset=windows-1252"}, true},
		"gzip":       {"?by=sku", zipped.String(), []string{"Content-Type", "text/csv", "Content-Encoding", "gzip"}, true},
		"form":       {"?by=sku", formBody, []string{"Content-Type", formKind}, true},
		"JSON":       {"", `{"jobs":[{"job_id":"b1-2","url":"https://a.test/é","metadata":{"sku":"A2"}}]}`, nil, false},
		"JSON by":    {"?by=sku", `{"jobs":[{"url":"https://a.test/é","metadata":{"sku":"A2"}}]}`, nil, false},
		"JSON Lines": {"", `{"job_id":"b1-2","url":"https://a.test/é","sku":"A2"}`, []string{"Content-Type", "application/x-ndjson"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			if test.isTable {
				r.do("POST", "/v1/batches", badTable, "Content-Type", "text/csv").want(202)
			} else {
				r.do("POST", "/v1/batches", `{"jobs":[{"url":"bad one","metadata":{"sku":"A1"}},{"url":"bad two","metadata":{"sku":"A2"}}]}`).want(202)
			}
			got := r.do("POST", "/v1/batches/b1/rows"+test.query, test.body, test.header...).want(200)
			want := map[string]any{"batch_id": "b1", "amended": 1.0, "queued": 0.0, "unchanged": 0.0, "separated": 0.0, "done": 0.0, "waiting": 0.0, "left": 0.0, "unasked": 0.0}
			delete(got, "notes")
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			first, second := r.job("b1-1"), r.job("b1-2")
			if first.State != jobs.Rejected || second.State != jobs.Queued || second.URL != "https://a.test/%C3%A9" || second.Metadata["sku"] != "A2" || second.Metadata["job_id"] != nil {
				t.Errorf("rows %+v, %+v", first, second)
			}
			if test.isTable && second.Cells[0] != "A2" {
				t.Errorf("cells %q", second.Cells)
			}
			again := r.do("POST", "/v1/batches/b1/rows"+test.query, test.body, test.header...).want(200)
			if again["unchanged"] != 1.0 || again["amended"] != 0.0 {
				t.Errorf("the same again: %v", again)
			}
		})
	}
}

// A results file is corrected and sent back as it is.
func TestAmendWithAResultsFile(t *testing.T) {
	r := newRig(t, nil)
	r.do("POST", "/v1/batches", badTable, "Content-Type", "text/csv").want(202)
	results := string(r.do("GET", "/v1/batches/b1/results?state=rejected", nil).body)
	corrected := strings.Replace(results, "bad one", "a.test/1", 1)
	got := r.do("POST", "/v1/batches/b1/rows", corrected, "Content-Type", "text/csv").want(200)
	if got["amended"] != 1.0 || got["unchanged"] != 1.0 {
		t.Errorf("got %v", got)
	}
	if j := r.job("b1-1"); j.URL != "https://a.test/1" || j.State != jobs.Queued {
		t.Errorf("got %+v", j)
	}
}

// TestAmendProblems checks that a request that cannot be used is answered with its
// place, and that nothing changes.
func TestAmendProblems(t *testing.T) {
	r := newRig(t, func(c *Config) { c.MaxRows = 3 })
	r.do("POST", "/v1/batches", "sku,url\nA1,bad one\nA2,a.test/2\nA3,a.test/3\n", "Content-Type", "text/csv").want(202)
	r.do("POST", "/v1/batches", `{"jobs":[{"url":"bad one"},{"url":"bad two"}]}`).want(202)
	r.closeJob("b1-2", jobs.Done, "s1")
	table := []string{"Content-Type", "text/csv"}
	for _, test := range []struct {
		name, path, body string
		header           []string
		status           int
		location, text   string
	}{
		{"no batch", "/v1/batches/b9/rows", badTable, table, 404, "", "there is no batch b9"},
		{"no job", "/v1/batches/b1/rows", badTable, table, 422, "body", "line 2: it names no job"},
		{"no such column", "/v1/batches/b1/rows?by=ean", badTable, table, 422, "body", `no column \"ean\"`},
		{"unknown", "/v1/batches/b1/rows?by=sku", "sku,url\nA1,a.test/1\nA9,a.test\n", table, 422, "body", `line 3: no row of the batch has the sku \"A9\"`},
		{"twice", "/v1/batches/b1/rows?by=sku", "sku,url\nA1,a.test/1\nA1,a.test\n", table, 422, "body", `line 3: its sku \"A1\" occurs twice, first in line 2`},
		{"open", "/v1/batches/b1/rows?by=sku", "sku,url\nA1,a.test/1\nA3,a.test\n", table, 409, "body", "line 3: job b1-3 is still queued"},
		{"done", "/v1/batches/b1/rows?by=sku", "sku,url\nA1,a.test/1\nA2,a.test\n", table, 409, "body", "line 3: job b1-2 is done"},
		{"a missing column", "/v1/batches/b1/rows", "url,job_id\na.test,b1-1\n", table, 422, "body", `the batch has a column \"sku\"`},
		{"too many", "/v1/batches/b1/rows?by=sku", "sku,url\nA1,a.test/1\nA2,a.test\nA3,a.test\nA4,a.test\n", table, 413, "", "at most 3 rows"},
		{"no rows", "/v1/batches/b1/rows?by=sku", "sku,url\n", table, 422, "body", "no URLs found"},
		{"charset", "/v1/batches/b1/rows", badTable, []string{"Content-Type", "text/csv; charset=klingon"}, 415, "", "klingon"},
		{"kind", "/v1/batches/b1/rows", "x", []string{"Content-Type", "text/plain"}, 415, "", "want application/json"},
		{"not gzip", "/v1/batches/b1/rows", badTable, append([]string{"Content-Encoding", "gzip"}, table...), 400, "", "gzip"},
		{"an option", "/v1/batches/b1/rows?tag=x", badTable, table, 422, "query.tag", "unknown query parameter"},
		{"JSON for a table", "/v1/batches/b1/rows", `{"jobs":[{"job_id":"b1-1","url":"a.test"}]}`, nil, 422, "body", "give its rows as a table"},
		{"JSON with an option", "/v1/batches/b2/rows", `{"tags":["x"],"jobs":[{"job_id":"b2-1","url":"a.test"}]}`, nil, 422, "body.tags", `unknown field \"tags\"`},
		{"JSON with a column", "/v1/batches/b2/rows?url_column=2", `{"jobs":[{"job_id":"b2-1","url":"a.test"}]}`, nil, 422, "query.url_column", "only for text/csv"},
		{"JSON without a job", "/v1/batches/b2/rows", `{"jobs":[{"job_id":"b2-1","url":"a.test"},{"url":"a.test"}]}`, nil, 422, "body.jobs[1]", "it names no job"},
		{"JSON with a wrong job", "/v1/batches/b2/rows", `{"jobs":[{"job_id":"two","url":"a.test"}]}`, nil, 422, "body.jobs[0].job_id", "not the id of a job"},
		{"JSON with a job twice", "/v1/batches/b2/rows", `{"jobs":[{"job_id":"b2-1","url":"a.test"},{"job_id":"b2-1","url":"b.test"}]}`, nil, 422, "body.jobs[1]", "first in body.jobs[0]"},
		{"no JSON", "/v1/batches/b2/rows", `{"jobs":[`, nil, 400, "body.jobs", "ends too early"},
		{"a job in a new batch", "/v1/batches", `{"jobs":[{"job_id":"b2-1","url":"a.test"}]}`, nil, 422, "body.jobs[0].job_id", `unknown field \"job_id\"`},
	} {
		t.Log(test.name)
		r.do("POST", test.path, test.body, test.header...).problem(test.status, test.location, test.text)
	}
	formBody, formKind := form(t, "file@", badTable, "tag", "x")
	r.do("POST", "/v1/batches/b1/rows?by=sku", formBody, "Content-Type", formKind).problem(422, "", "only url_column can be given")
	for id, want := range map[string]jobs.State{"b1-1": jobs.Rejected, "b1-2": jobs.Done, "b1-3": jobs.Queued, "b2-1": jobs.Rejected, "b2-2": jobs.Rejected} {
		if got := r.job(id).State; got != want {
			t.Errorf("job %s is %s, want %s", id, got, want)
		}
	}
	if got := r.do("POST", "/v1/batches/b1/rows?by=sku&again=true", "sku,url\nA2,a.test/two\n", table...).want(200); got["amended"] != 1.0 {
		t.Errorf("again: %v", got)
	}
}
