package summary

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
)

// TestMetadataColumns submits the results of JSON Lines as tables, three times.
// The metadata has a column for each name and does not change, but becomes text.
func TestMetadataColumns(t *testing.T) {
	file := `{"url":"a.test/1","sku":"A-1","count":12345678901234567890,"state":"Bayern","on":true}
{"url":"a.test/2","width":"90","tag":"","meta.x":"m","Sku":"=1+1","website":"https://other.test/2"}
{"url":"a.test/3","metadata":{"url":"https://mine.test/","tags":"a|b","job:timeout":"5s","URLs":"x"},"website":"https://other.test/3","gone":null}
"a.test/4"
`
	requests, _ := requestsOf(t, []byte(file))
	type row struct {
		url      string
		metadata jobs.Metadata
	}
	rows := func(requests []jobs.Request) (all []row) {
		for _, r := range requests {
			if r.Reject != "" || len(r.Params) > 0 || len(r.Tags) > 0 || r.Timeout != 0 {
				t.Errorf("line %d became %+v", r.Line, r)
			}
			metadata := jobs.Metadata{}
			for name, value := range r.Metadata {
				if value != nil && value != "" {
					metadata[name] = fmt.Sprint(value)
				}
			}
			all = append(all, row{r.URL, metadata})
		}
		return all
	}
	want := rows(requests)
	header := []string{"url", "Sku", "URLs", "count", "gone", "meta:job:timeout", "meta:meta.x", "on", "sku", "state", "meta:tags", "meta:url", "website", "meta:width"}
	f := finished(requests)
	if got := results(t, Results{}, f)[0]; !slices.Equal(got[:len(header)], header) || got[len(header)] != "shotline_state" {
		t.Errorf("header %q", got)
	}
	for _, format := range []Format{CSV, TSV, XLSX} {
		got := requests
		for range 3 {
			var out bytes.Buffer
			if err := (Results{Format: format}).Write(t.Context(), &out, finished(got), "b"); err != nil {
				t.Fatal(err)
			}
			got, _ = requestsOf(t, out.Bytes())
			if diff := cmp.Diff(want, rows(got), cmp.AllowUnexported(row{})); diff != "" {
				t.Fatalf("%s (-want +got):\n%s", format, diff)
			}
			for i := range got {
				got[i].Cells = nil // as if they came from JSON again
			}
		}
	}
}

// If there are too many names, one column has all metadata.
func TestManyNamesOfMetadata(t *testing.T) {
	for name, metadata := range map[string]func(i int) jobs.Metadata{
		"many names": func(i int) jobs.Metadata { return jobs.Metadata{"name" + strconv.Itoa(i): "x"} },
		"long names": func(i int) jobs.Metadata { return jobs.Metadata{strings.Repeat("n", 100) + strconv.Itoa(i): "x"} },
	} {
		requests := make([]jobs.Request, 1002)
		if name == "long names" {
			requests = requests[:700]
		}
		for i := range requests {
			requests[i] = jobs.Request{URL: "https://a.test/", Metadata: metadata(i)}
		}
		requests[3].Metadata = nil
		records := results(t, Results{}, finished(requests))
		if got := records[0][:3]; !slices.Equal(got, []string{"url", "metadata", "state"}) {
			t.Fatalf("%s: header %q", name, got)
		}
		for i, record := range records[1:] {
			var got jobs.Metadata
			if err := json.Unmarshal([]byte(record[1]), &got); (err != nil) != (i == 3) || !cmp.Equal(got, requests[i].Metadata) {
				t.Fatalf("%s: row %d: %s (%v)", name, i+1, record[1], err)
			}
		}
	}
}
