package api

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"
)

func TestResultsInStates(t *testing.T) {
	r := newRig(t, nil)
	r.do("POST", "/v1/batches", "a.test/1\na.test/1\na.test/2\nftp://a.test\n", "Content-Type", "text/csv").want(202)
	for query, want := range map[string]int{"": 4, "?state=rejected": 1, "?state=queued,duplicate&format=csv": 3, "?state=done": 0} {
		rows, err := csv.NewReader(bytes.NewReader(r.do("GET", "/v1/batches/b1/results"+query, nil).body)).ReadAll()
		if err != nil || len(rows) != want+1 {
			t.Errorf("%s: %d rows, %v; want %d", query, len(rows)-1, err, want)
		}
	}
	if lines := bytes.Count(r.do("GET", "/v1/batches/b1/results?state=duplicate&format=ndjson", nil).body, []byte("\n")); lines != 1 {
		t.Errorf("%d duplicates in JSON", lines)
	}
	r.do("GET", "/v1/batches/b1/results?state=lost", nil).problem(422, "query.state[0]", "queued")
}

func TestResultsOfAnInputFromExcel(t *testing.T) {
	r := newRig(t, nil)
	r.do("POST", "/v1/batches", "\ufeffTitel;url\r\nKöln;a.test\r\nUlm;nowhere\r\n", "Content-Type", "text/csv").want(202)
	all := string(r.do("GET", "/v1/batches/b1/results", nil).body)
	if !strings.HasPrefix(all, "\ufeffTitel;url;state;") || strings.Count(all, "\r\n") != 3 {
		t.Errorf("results: %q", all)
	}
}

// TestResultFormats checks that the query, or else the Accept header, decides the
// format.
func TestResultFormats(t *testing.T) {
	r := newRig(t, nil)
	r.do("POST", "/v1/batches", "sku;url\nA1;a.test\nA2;nowhere\n", "Content-Type", "text/csv").want(202)
	const xlsx = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	for _, test := range []struct{ query, accept, kind, file, begin string }{
		{"", "", "text/csv; charset=utf-8", "b1.csv", "sku;url;state;"},
		{"", "*/*", "text/csv; charset=utf-8", "b1.csv", "sku;url;state;"},
		{"", "text/html, text/tab-separated-values;q=0.9", "text/tab-separated-values; charset=utf-8", "b1.tsv", "sku\turl\tstate\t"},
		{"", "application/x-ndjson", "application/x-ndjson", "b1.ndjson", `{"id":"b1-1"`},
		{"", xlsx, xlsx, "b1.xlsx", "PK"},
		{"?format=jsonl", xlsx, "application/x-ndjson", "b1.jsonl", `{"id":"b1-1"`},
		{"?format=xlsx", "", xlsx, "b1.xlsx", "PK"},
		{"?format=csv&delimiter=pipe&state=rejected", "", "text/csv; charset=utf-8", "b1.csv", "sku|url|state|"},
		{"?format=tsv&excel=true", "", "text/tab-separated-values; charset=utf-8", "b1.tsv", "\ufeffsku\turl\tstate\t"},
		{"?excel=true&delimiter=comma", "", "text/csv; charset=utf-8", "b1.csv", "\ufeffsku,url,state,"},
	} {
		a := r.do("GET", "/v1/batches/b1/results"+test.query, nil, "Accept", test.accept)
		if a.status != 200 || a.header.Get("Content-Type") != test.kind || a.header.Get("Content-Disposition") != `attachment; filename="`+test.file+`"` {
			t.Errorf("%s, %s: %d %v", test.query, test.accept, a.status, a.header)
		}
		if !bytes.HasPrefix(a.body, []byte(test.begin)) {
			t.Errorf("%s, %s: %.40q, want %q", test.query, test.accept, a.body, test.begin)
		}
	}
	r.do("GET", "/v1/batches/b1/results?format=xlsx&excel=true", nil).problem(422, "query.excel", "excel is for csv and tsv, not for xlsx")
	r.do("GET", "/v1/batches/b1/results?delimiter=pipe", nil, "Accept", "application/x-ndjson").problem(422, "query.delimiter", "delimiter is for csv, not for jsonl")
	r.do("GET", "/v1/batches/b1/results?delimiter=x", nil).problem(422, "query.delimiter", "semicolon")
}
