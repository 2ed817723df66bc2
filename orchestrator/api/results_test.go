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
