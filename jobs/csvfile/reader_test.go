package csvfile_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"shotline/jobs"
	"shotline/jobs/csvfile"
)

const dir = "../../testdata/csv"

// rewinder reads what begin returns. It can seek to the beginning only.
type rewinder struct {
	begin   func() io.Reader
	current io.Reader
	rewound int
}

func (r *rewinder) Read(p []byte) (int, error) {
	if r.current == nil {
		r.current = r.begin()
	}
	return r.current.Read(p)
}

func (r *rewinder) Seek(offset int64, whence int) (int64, error) {
	if offset != 0 || whence != io.SeekStart {
		return 0, errors.New("not the beginning")
	}
	r.current = nil
	r.rewound++
	return 0, nil
}

// readAll reads all rows. If slowly is set, the source returns one byte per read.
func readAll(t testing.TB, text string, slowly bool) (columns []string, all []jobs.Request) {
	t.Helper()
	var source io.ReadSeeker = strings.NewReader(text)
	if slowly {
		source = &rewinder{begin: func() io.Reader { return iotest.OneByteReader(strings.NewReader(text)) }}
	}
	r, err := csvfile.Open(source, csvfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for {
		request, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r.Columns(), all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, request)
	}
}

func readFile(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestFiles(t *testing.T) {
	steps := []any{map[string]any{"click": "#ok"}}
	tests := []struct {
		file    string
		columns []string
		want    []jobs.Request
	}{
		{"mixed.csv", []string{"url", "title", "param:width", "tags", "param:wait_for", "hide_ads", "steps"}, []jobs.Request{
			{Line: 4, URL: "https://one.example/", Tags: []string{"spring", "sale"},
				Params:   jobs.Params{"width": 1280.0, "wait_for": "#main", "hide_ads": true, "steps": steps},
				Metadata: jobs.Metadata{"title": "First, with \"quotes\"\nand a second line"},
				Cells: []string{"https://one.example/", "First, with \"quotes\"\nand a second line", "1280", "spring|sale",
					"#main", "TRUE", `[{"click":"#ok"}]`}},
			{Line: 6, URL: "ftp://two.example/", Metadata: jobs.Metadata{"title": "wrong scheme"},
				Cells:  []string{"ftp://two.example/", "wrong scheme", "", "", "", "", ""},
				Reject: `not a URL: "ftp://two.example/": only http and https are supported`},
			{
				Line: 7, Reject: "text after a closing quote, or an unclosed quote; only this line is rejected",
				Cells: []string{`three.example/path,"a quote that is never closed,800,,,,`},
			},
			{Line: 8, URL: "https://four.example/path", Metadata: jobs.Metadata{"title": `bare 27" screen`},
				Cells: []string{"four.example/path", `bare 27" screen`, "", "", "", "", ""}},
			{Line: 9, URL: "https://five.example/", Metadata: jobs.Metadata{"title": "width"},
				Cells: []string{"https://five.example/", "width", "wide", "", "", "", ""}, Reject: `width: "wide" is not a number`},
			{Line: 10, URL: "https://six.example/", Metadata: jobs.Metadata{"title": "tag of ours"}, Tags: []string{"shotline-x"},
				Cells:  []string{"https://six.example/", "tag of ours", "", "shotline-x", "", "", ""},
				Reject: `tag "shotline-x": the prefix shotline- is reserved`},
			{Line: 11, URL: "https://seven.example/", Metadata: jobs.Metadata{"title": "too"},
				Cells:  []string{"https://seven.example/", "too", "", "", "", "", "", "many"},
				Reject: "8 cells, but the header has 7"},
			{Line: 12, Metadata: jobs.Metadata{"title": "no address"}, Cells: []string{"", "no address", "", "", "", "", ""},
				Reject: "no URL"},
			{Line: 13, URL: "https://nine.example/", Cells: []string{"https://nine.example/", "", "", "", "", "", ""}},
		}},
		{"excel-semicolon.csv", []string{"Title", "URL", "dark"}, []jobs.Request{
			{Line: 2, URL: "https://example.com/", Params: jobs.Params{"dark": true}, Metadata: jobs.Metadata{"Title": "Eins"},
				Cells: []string{"Eins", "HTTPS://Example.COM:443", "true"}},
			{Line: 4, URL: "https://example.com/a;b", Params: jobs.Params{"dark": false}, Metadata: jobs.Metadata{"Title": "Zwei"},
				Cells: []string{"Zwei", "https://example.com/a;b", "false"}},
		}},
		{"tabs.tsv", []string{"name", "link"}, []jobs.Request{
			{Line: 2, URL: "https://example.com/1,2", Metadata: jobs.Metadata{"name": "One"}, Cells: []string{"One", "https://example.com/1,2"}},
		}},
		{"list.txt", nil, []jobs.Request{
			{Line: 1, URL: "https://example.com/@52.5,13.4,15z"},
			{Line: 4, URL: "https://example.com/"},
			{Line: 5, URL: "not a url", Reject: "not only a URL: write %20 for a space in it; a file with several columns needs a header line with a url column"},
			{Line: 6, URL: "https://example.com/a,b"},
		}},
		{"bad-bytes.csv", []string{"url", "title"}, []jobs.Request{
			{Line: 2, URL: "https://example.com/1", Metadata: jobs.Metadata{"title": "caf\ufffd"},
				Cells: []string{"https://example.com/1", "caf\ufffd"}, Reject: "cell 2 is not valid UTF-8"},
			{Line: 3, URL: "https://example.com/2", Metadata: jobs.Metadata{"title": "nul\ufffd"},
				Cells: []string{"https://example.com/2", "nul\ufffd"}, Reject: "cell 2 contains a NUL byte"},
			{Line: 4, URL: "https://example.com/3", Metadata: jobs.Metadata{"title": "fine"}, Cells: []string{"https://example.com/3", "fine"}},
		}},
	}
	for _, tt := range tests {
		for _, slowly := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/slowly=%v", tt.file, slowly), func(t *testing.T) {
				columns, got := readAll(t, readFile(t, tt.file), slowly)
				if diff := cmp.Diff(tt.columns, columns); diff != "" {
					t.Errorf("columns: %s", diff)
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

func TestDemo(t *testing.T) {
	columns, all := readAll(t, readFile(t, "demo.csv"), false)
	if diff := cmp.Diff([]string{"url", "title", "size", "team", "expect"}, columns); diff != "" {
		t.Error(diff)
	}
	for _, request := range all {
		if request.Reject != "" || !strings.Contains(request.URL, ".shotline.test/") {
			t.Errorf("line %d: %s: %s", request.Line, request.URL, request.Reject)
		}
	}
	last := len(all) - 1
	if len(all) != 9 || all[last-1].URL != all[0].URL || !cmp.Equal(all[last-1].Params, all[0].Params) {
		t.Errorf("%d rows; want 9, the last but one a duplicate of the first", len(all))
	}
}

func TestUnusableFiles(t *testing.T) {
	tests := []struct {
		name, text string
		want       error  // nil if only the text is checked
		contains   string // part of the message
	}{
		{"empty", readFile(t, "empty.csv"), csvfile.ErrEmpty, "no URLs"},
		{"header only", readFile(t, "header-only.csv"), csvfile.ErrEmpty, "only a header"},
		{"comments only", "# url\n\n#\n", csvfile.ErrEmpty, ""},
		{"header and empty rows", "url,title\n,\n;;\n \n", csvfile.ErrEmpty, ""},
		{"mark only", "\ufeff", csvfile.ErrEmpty, ""},
		{"no URL column", readFile(t, "no-url.csv"), csvfile.ErrNoURLColumn, `line 1 has "name", "address"`},
		{"no URL column, semicolons", "# x\nname;place\na;b\n", csvfile.ErrNoURLColumn, `line 2 has "name", "place"`},
		{"no URL column, quoted", "\"name\",\"place\"\n\"a\",\"b\"\n", csvfile.ErrNoURLColumn, `line 1 has "name", "place"`},
		{"prose", "Dear all,\n\nplease find\n", csvfile.ErrNoURLColumn, "Dear all"},
		{"apps as parameter", "url,param:apps\nhttps://a.example,1\n", nil, `column "param:apps"`},
		{"key as parameter", "url,param.KEY\nhttps://a.example,1\n", nil, `column "param.KEY"`},
		{"url as parameter", "url,param:url\nhttps://a.example,1\n", nil, `column "param:url"`},
		{"nameless parameter", "url,param:\nhttps://a.example,1\n", nil, `column "param:"`},
		{"two URL columns", "url,URL,\nhttps://a.example,b,\n", nil, "twice"},
		{"parameter twice", "url,param.width,param:Width\nhttps://a.example,1,2\n", nil, "twice"},
		{"parameter twice by its values", "url,width,Width\nhttps://a.example,800,900\n", nil, "twice"},
		{"nameless metadata", "url,meta:\nhttps://a.example,1\n", nil, `column "meta:"`},
		{"key of a row", "url,job:key\nhttps://a.example,1\n", nil, `line 1: column "job:key"`},
		{"callback of a row", "url,Job:Callback_URL\nhttps://a.example,https://b.example\n", nil, `line 1: column "Job:Callback_URL"`},
		{"header not closed", "\"url,title\nhttps://a.example\n", nil, "line 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := csvfile.Open(strings.NewReader(tt.text), csvfile.Options{})
			if err == nil || r != nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.contains) {
				t.Errorf("Open = %v, %v; want %v containing %q", r, err, tt.want, tt.contains)
			}
		})
	}
}

func TestParameters(t *testing.T) {
	tests := []struct {
		column, cell string
		name         string
		want         any
		reject       string
	}{
		{"width", "1280", "width", 1280.0, ""},
		{" Width ", " 1280 ", "width", 1280.0, ""},
		{"param:width", "12.5", "", nil, "not a whole number"},
		{"param:width", "-1", "", nil, "not a whole number"},
		{"param:width", "1e400", "", nil, "not a number"},
		{"param:width", "0x10", "", nil, "not a number"},
		{"delay", "1.5", "delay", 1.5, ""},
		{"param:delay", "1,5", "", nil, "not a number"},
		{"param:delay", "NaN", "", nil, "not a number"},
		{"param:delay", "Inf", "", nil, "not a number"},
		{"geo_latitude", "-33.86", "geo_latitude", -33.86, ""},
		{"pdf", "TRUE", "pdf", true, ""},
		{"pdf", "no", "pdf", false, ""},
		{"param:pdf", "maybe", "", nil, "not true or false"},
		{"param:format", "true", "format", "true", ""},
		{"cache", "0", "cache", "0", ""},
		{"script", "[1].forEach(f)", "script", "[1].forEach(f)", ""},
		{"header", `{"A":"b"}`, "header", map[string]any{"A": "b"}, ""},
		{"header", "A: b", "header", "A: b", ""},
		{"param:steps", "[", "", nil, "not valid JSON"},
		{"param:new_one", "42", "new_one", "42", ""},
		{"param.New", `["a","b"]`, "New", []any{"a", "b"}, ""},
		{"param:new_one", "[draft]", "new_one", "[draft]", ""},
		{"param:WIDTH", "7", "width", 7.0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.column+"="+tt.cell, func(t *testing.T) {
			var text bytes.Buffer
			w := csv.NewWriter(&text)
			w.WriteAll([][]string{{"url", tt.column}, {"https://a.example/", tt.cell}})
			_, all := readAll(t, text.String(), false)
			got := all[0]
			if tt.reject != "" {
				if !strings.Contains(got.Reject, tt.reject) || !strings.HasPrefix(got.Reject, strings.TrimPrefix(tt.column, "param:")+":") {
					t.Errorf("rejected as %q, want %s: … %s", got.Reject, tt.column, tt.reject)
				}
				return
			}
			if diff := cmp.Diff(jobs.Params{tt.name: tt.want}, got.Params); diff != "" || got.Reject != "" {
				t.Error(diff, got.Reject)
			}
		})
	}
}

func TestTags(t *testing.T) {
	_, all := readAll(t, "url\ttag\ttags\na.example\tone\ttwo | three, one,,\n", false)
	if diff := cmp.Diff([]string{"one", "two", "three"}, all[0].Tags); diff != "" {
		t.Error(diff)
	}
}

func TestLongRows(t *testing.T) {
	open := func(text string) *csvfile.Reader {
		r, err := csvfile.Open(&rewinder{begin: func() io.Reader { return iotest.HalfReader(strings.NewReader(text)) }}, csvfile.Options{MaxRow: 10000})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	fits := "https://a.example/," + strings.Repeat("x", 10000-19)
	for _, ending := range []string{"\n", "\r\n"} {
		r := open("url,pad" + ending + fits + ending + fits + "x" + ending +
			"b.example,\"" + strings.Repeat("no end\n", 5000) + "c.example,last")
		var rejected []string
		var lines []int
		for {
			request, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			if request.Reject == "" {
				lines = append(lines, request.Line)
			} else if len(rejected) < 2 {
				rejected = append(rejected, fmt.Sprintf("%d: %s", request.Line, request.Reject))
			}
		}
		if diff := cmp.Diff([]int{2, 5004}, lines); diff != "" {
			t.Errorf("good lines: %s", diff)
		}
		want := []string{"3: longer than 10000 bytes", "4: a quote is not closed within 10000 bytes; only this line is rejected"}
		if diff := cmp.Diff(want, rejected); diff != "" {
			t.Errorf("rejected: %s", diff)
		}
	}
	r := open("url\na.example\n" + strings.Repeat(",", 5000) + "x\nb.example")
	for i, reject := range []string{"", "more than 2000 cells", ""} {
		if request, err := r.Next(); err != nil || request.Reject != reject {
			t.Errorf("row %d: %q, %v; want %q", i, request.Reject, err, reject)
		}
	}
}

func TestReadErrors(t *testing.T) {
	broken := errors.New("broken")
	_, err := csvfile.Open(&rewinder{begin: func() io.Reader { return iotest.ErrReader(broken) }}, csvfile.Options{})
	if !errors.Is(err, broken) {
		t.Errorf("Open = %v", err)
	}
	r, err := csvfile.Open(&rewinder{begin: func() io.Reader {
		return io.MultiReader(strings.NewReader("url\na.example\nb.exam"), iotest.ErrReader(broken))
	}}, csvfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if request, err := r.Next(); err != nil || request.URL != "https://a.example/" {
		t.Errorf("first row: %v, %v", request, err)
	}
	for range 2 {
		if request, err := r.Next(); !errors.Is(err, broken) || !strings.Contains(err.Error(), "line 3") {
			t.Errorf("partial row: %v, %v; want the read error", request, err)
		}
	}
}

// Memory use must not depend on the size of the file.
func TestStreams(t *testing.T) {
	row := "https://a.example/," + strings.Repeat("x", 1000) + "\n"
	rows := 0
	r, err := csvfile.Open(&rewinder{begin: func() io.Reader {
		return io.MultiReader(strings.NewReader("url,pad\n"), readerFunc(func(p []byte) (int, error) {
			if rows++; rows > 20000 {
				return 0, io.EOF
			}
			return copy(p, row), nil
		}))
	}}, csvfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; n < 100; n++ {
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if rows > 300 {
		t.Errorf("%d rows were read from the source for 100 requests", rows)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// Cells written by encoding/csv are read back unchanged.
func FuzzCells(f *testing.F) {
	f.Add("plain", `quote " inside`, "two\nlines")
	f.Add(`"`, ",;\t", "\r\n")
	f.Add(" # ", "", `""`)
	f.Fuzz(func(t *testing.T, a, b, c string) {
		// encoding/csv changes carriage returns, and Reader replaces invalid
		// characters.
		if !utf8.ValidString(strings.Join([]string{a, b, c}, " ")) || strings.ContainsAny(a+b+c, "\r\x00") {
			return
		}
		var text bytes.Buffer
		w := csv.NewWriter(&text)
		row := []string{"https://a.example/", a, b, c}
		w.WriteAll([][]string{{"url", "a", "b", "c"}, row, row})
		_, all := readAll(t, text.String(), len(a)%2 == 0)
		if len(all) != 2 {
			t.Fatalf("%d rows of %q", len(all), text.String())
		}
		for _, request := range all {
			if diff := cmp.Diff(row, request.Cells); diff != "" || request.Reject != "" {
				t.Errorf("%s %s", request.Reject, diff)
			}
		}
	})
}

func BenchmarkReader(b *testing.B) {
	for _, bench := range []struct{ name, header, row string }{
		{"list", "", "https://example.com/products/4711?view=full\n"},
		{"table", "url,title,width,tags\n", "https://example.com/products/4711,A product,1280,spring\n"},
		{"quoted", "url,title,width,tags\n", "https://example.com/products/4711,\"A \"\"good\"\", cheap product\",1280,spring\n"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			const rows = 10000
			text := bench.header + strings.Repeat(bench.row, rows)
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				r, err := csvfile.Open(strings.NewReader(text), csvfile.Options{})
				if err != nil {
					b.Fatal(err)
				}
				n := 0
				for ; ; n++ {
					request, err := r.Next()
					if errors.Is(err, io.EOF) {
						break
					}
					if err != nil || request.Reject != "" {
						b.Fatal(err, request.Reject)
					}
				}
				if n != rows {
					b.Fatalf("%d rows", n)
				}
			}
			b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		})
	}
}

// TestJobColumn checks that a column job_id names the job of a row, and stays an
// ordinary column if its values are no job ids.
func TestJobColumn(t *testing.T) {
	t.Parallel()
	r, err := csvfile.Open(strings.NewReader("Job_ID,url\nb1-7,https://example.com/\nclerk,https://example.com/2\n"), csvfile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []jobs.ID{{Batch: "b1", Row: 7}, {}} {
		request, err := r.Next()
		if err != nil || request.Job != want || request.Metadata["Job_ID"] == nil {
			t.Errorf("got job %v, metadata %v, %v; want job %v", request.Job, request.Metadata, err, want)
		}
	}
}
