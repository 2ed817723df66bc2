package csvfile

import (
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
	"shotline/jobs/resultcolumn"
)

// resultsOf returns a results file of the columns and cells of an input. The cells
// of the added columns have the given text, except job_id.
func resultsOf(columns []string, added string, rows ...[]string) string {
	header, names := resultcolumn.Header(columns)
	var b strings.Builder
	b.WriteString(strings.Join(header, ";") + "\n")
	for i, cells := range rows {
		b.WriteString(strings.Join(cells, ";"))
		for _, name := range names {
			if name == resultcolumn.Job {
				b.WriteString(";" + jobs.ID{Batch: "b1", Row: int64(i + 1)}.String())
			} else {
				b.WriteString(";" + added)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

func readAll(t *testing.T, text string, opts Options) (*Reader, []jobs.Request) {
	t.Helper()
	r, err := Open(strings.NewReader(text), opts)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	var requests []jobs.Request
	for {
		request, err := r.Next()
		if err == io.EOF {
			return r, requests
		}
		if err != nil {
			t.Fatal(err)
		}
		requests = append(requests, request)
	}
}

func TestResultsAreInputAgain(t *testing.T) {
	for _, tt := range []struct {
		name    string
		columns []string
		added   string // in the added columns
		cells   []string
		url     string
		at      int // of the URL column
	}{
		{"url", []string{"SKU", "url", "state"}, "x", []string{"A-1", "a.test/1", "Bayern"}, "https://a.test/1", 1},
		{"a name of exports", []string{"Address", "Title"}, "https://wrong.test/", []string{"a.test/1", "T"}, "https://a.test/1", 0},
		{"a corrected address", []string{"Title", "Address"}, "https://wrong.test/", []string{"T", "not yet"}, "", 1},
		{"a name of its own", []string{"Titel", "Wo"}, "https://wrong.test/", []string{"T", "https://a.test/1"}, "https://a.test/1", 1},
		{"link and url", []string{"link", "url"}, "https://wrong.test/", []string{"https://b.test/", "a.test/1"}, "https://a.test/1", 1},
		{"all of our names", []string{"url", "line", "row", "job_id", "file"}, "7", []string{"a.test/1", "U4", "3", "J", "F"}, "https://a.test/1", 0},
	} {
		r, requests := readAll(t, resultsOf(tt.columns, tt.added, tt.cells, tt.cells), Options{})
		if diff := cmp.Diff(tt.columns, r.Columns()); diff != "" {
			t.Errorf("%s: columns (-want +got):\n%s", tt.name, diff)
		}
		if r.URLColumn() != tt.at {
			t.Errorf("%s: the URLs are in the column %d", tt.name, r.URLColumn())
		}
		for i, request := range requests {
			if diff := cmp.Diff(tt.cells, request.Cells); diff != "" {
				t.Errorf("%s: cells (-want +got):\n%s", tt.name, diff)
			}
			if want := (jobs.ID{Batch: "b1", Row: int64(i + 1)}); request.Job != want {
				t.Errorf("%s: job %v, want %v", tt.name, request.Job, want)
			}
			if tt.url != "" && request.URL != tt.url || tt.url == "" && request.Reject == "" {
				t.Errorf("%s: URL %q, reject %q", tt.name, request.URL, request.Reject)
			}
			for i, name := range tt.columns {
				if value, ok := request.Metadata[name]; ok && value != tt.cells[i] {
					t.Errorf("%s: metadata %s is %v", tt.name, name, value)
				}
			}
			if len(request.Metadata) > len(tt.columns)-1 || request.Params != nil {
				t.Errorf("%s: metadata %v, params %v", tt.name, request.Metadata, request.Params)
			}
		}
		if notes := strings.Join(r.Notes(), "\n"); !strings.Contains(notes, "columns of an earlier results file are replaced") {
			t.Errorf("%s: notes: %s", tt.name, notes)
		}
	}
}

// Without a column that can have the URLs, the added column url has them.
func TestResultsWithoutAnotherURLColumn(t *testing.T) {
	r, requests := readAll(t, resultsOf([]string{"Wo"}, "https://a.test/", []string{"irgendwo"}), Options{})
	if diff := cmp.Diff([]string{"Wo", "url"}, r.Columns()); diff != "" || requests[0].URL != "https://a.test/" {
		t.Errorf("columns (-want +got):\n%sURL %s", diff, requests[0].URL)
	}
}

// A file that has some of our names is not a results file.
func TestOwnColumnsWithOurNames(t *testing.T) {
	r, requests := readAll(t, "url,state,line,job_id\na.test,Bayern,U4,b1-2\n", Options{})
	if diff := cmp.Diff([]string{"url", "state", "line", "job_id"}, r.Columns()); diff != "" {
		t.Errorf("columns (-want +got):\n%s", diff)
	}
	want := jobs.Metadata{"state": "Bayern", "line": "U4", "job_id": "b1-2"}
	if diff := cmp.Diff(want, requests[0].Metadata); diff != "" {
		t.Errorf("metadata (-want +got):\n%s", diff)
	}
}

func TestDialect(t *testing.T) {
	for text, want := range map[string]jobs.Dialect{
		"url,a\na.test,b\n":                     {},
		"\ufeffurl;a\r\na.test;b\r\n":           {Delimiter: ";", BOM: true, CRLF: true},
		"\ufeffsep=;\r\nurl;a\r\na.test;b\r\n":  {Delimiter: ";", BOM: true, CRLF: true},
		"url\ta\r\na.test\tb\r\n":               {Delimiter: "\t", CRLF: true},
		"Titel\r\nurl|\"a\nb\"\r\na.test|b\r\n": {Delimiter: "|", CRLF: true},
		"url|\"a\r\nb\"\na.test|b\n":            {Delimiter: "|"},
		"a.test\r\nb.test\r\n":                  {CRLF: true},
		"a.test\nb.test\n":                      {},
		"url,a\ra.test,b\r":                     {},
		"url,size\r\na.test,page\r\n":           {CRLF: true}, // read twice
	} {
		r, _ := readAll(t, text, Options{})
		if r.Dialect() != want {
			t.Errorf("%q: got %+v, want %+v", text, r.Dialect(), want)
		}
	}
}

func TestUnreadableRowsKeepTheirText(t *testing.T) {
	many := strings.Repeat("x,", maxCells) + "y"
	for _, tt := range []struct{ text, row, reject string }{
		{"url,name\na.test/1,x\na.test/2,\"open\r\na.test/3,y\n", `a.test/2,"open`, "quote"},
		{"url,name\na.test/1,x\n" + many + "\na.test/3,y\n", many, tooManyCells},
		{"url,name\na.test/1,x\n\"a\"b\xff\x00,c\na.test/3,y\n", "\"a\"b\ufffd\ufffd,c", "quote"},
		{"a.test/1\n\"a.test/2\na.test/3\n", `"a.test/2`, "quote"},
	} {
		_, requests := readAll(t, tt.text, Options{})
		if len(requests) != 3 || !strings.Contains(requests[1].Reject, tt.reject) {
			t.Errorf("%.40q: %d requests, the second is rejected because of %q", tt.text, len(requests), requests[1].Reject)
			continue
		}
		if diff := cmp.Diff([]string{tt.row}, requests[1].Cells); diff != "" {
			t.Errorf("cells (-want +got):\n%s", diff)
		}
	}
	_, requests := readAll(t, "url\na.test\n"+strings.Repeat("x", 5000)+"\n", Options{MaxRow: 3000})
	if got := requests[1].Cells; len(got) != 1 || !strings.HasPrefix(got[0], "xxx") || len(got[0]) > tooLongText {
		t.Errorf("a line that is too long: %q", got)
	}
}
