package csvfile_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"shotline/client/parameter"
	"shotline/jobs"
	"shotline/jobs/csvfile"
	"shotline/jobs/weburl"
)

// all reads a whole file.
func all(t *testing.T, text []byte, opts csvfile.Options) (columns []string, requests []jobs.Request, err error) {
	t.Helper()
	r, err := csvfile.Open(bytes.NewReader(text), opts)
	if err != nil {
		return nil, nil, err
	}
	for {
		request, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r.Columns(), requests, nil
		}
		if err != nil {
			t.Fatal(err)
		}
		requests = append(requests, request)
	}
}

// For any input, no row is missing, every row is either valid or has a reason for
// its rejection, and line numbers increase.
func FuzzReader(f *testing.F) {
	files, err := os.ReadDir(dir)
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		f.Add([]byte(readFile(f, file.Name())))
	}
	f.Add([]byte("url,width,Lang,meta:size,job:timeout,job:priority\na.b,800,fr,XL,1m,7\nc.d,wide,x,,soon,101\n"))
	f.Add([]byte("\"url\"\n\"\"\"\n,\"\n"))
	f.Add([]byte("url;a\r\nhttps://a.b;1\r\n\r\n;;\n#c\nx\x00;\xff\n"))
	f.Add([]byte("https://a.b\n" + strings.Repeat("x", 5001) + "\nhttps://c.d"))
	f.Fuzz(func(t *testing.T, text []byte) {
		columns, requests, err := all(t, text, csvfile.Options{MaxRow: 5000})
		if err != nil {
			return
		}
		if len(requests) == 0 {
			t.Fatal("Open returned no error for a file without rows")
		}
		lines, last := bytes.Count(text, []byte("\n"))+bytes.Count(text, []byte("\r"))+1, 0
		for _, request := range requests {
			if request.Line <= last || request.Line > lines {
				t.Fatalf("line %d after %d of %d", request.Line, last, lines)
			}
			last = request.Line
			if request.Reject == "" {
				again, err := weburl.Normalize(request.URL)
				if err != nil || again != request.URL {
					t.Fatalf("accepted %q, which is normalized to %q (%v)", request.URL, again, err)
				}
			}
			if !utf8.ValidString(request.Reject + request.URL + strings.Join(request.Cells, "")) {
				t.Fatalf("line %d is not UTF-8", request.Line)
			}
			unreadable := request.Reject != "" && request.URL == "" && len(request.Cells) == 1
			if !unreadable && request.Cells != nil && (columns == nil || len(request.Cells) < len(columns)) {
				t.Fatalf("line %d has the cells %q, the header %q", request.Line, request.Cells, columns)
			}
			if _, err := json.Marshal(request.Params); err != nil {
				t.Fatalf("line %d: %v", request.Line, err)
			}
		}
	})
}

// If encoding/csv can read a table, the result is the same: rows, lines and
// cells.
func FuzzAgreesWithEncodingCSV(f *testing.F) {
	f.Add("url,a\nhttps://a.b,\"x\ny\"\n\n#1,yes\nhttps://c.d,\"\"\"\",\nurl,a\n")
	f.Add("a;url\n\";\";https://a.b\n;\nx\n")
	f.Add("url\thide_ads\nb.c\ttrue\td\n \n")
	f.Add("url,url2\n\"#\",\"\"\n\"\",\"\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) || strings.ContainsAny(text, "\r\x00\ufeff") {
			return // these are handled differently
		}
		columns, requests, err := all(t, []byte(text), csvfile.Options{URLColumn: "url"})
		if err != nil || columns == nil || !strings.HasPrefix(text, columns[0]) {
			return
		}
		for _, comma := range []rune{',', ';', '\t', '|'} {
			// The separator is the first that gives the header.
			want, lines, err := readStandard(text, comma)
			if len(want) == 0 || !cmp.Equal(want[0], columns) {
				continue
			}
			if err != nil {
				return
			}
			want, lines = want[1:], lines[1:]
			if len(want) != len(requests) {
				t.Fatalf("%d rows, encoding/csv has %d: %q", len(requests), len(want), text)
			}
			for i, request := range requests {
				for len(want[i]) < len(columns) {
					want[i] = append(want[i], "")
				}
				for n := len(want[i]); n > len(columns) && strings.TrimSpace(want[i][n-1]) == ""; n-- {
					want[i] = want[i][:n-1]
				}
				if last := want[i][0]; len(columns) == 1 && len(want[i]) == 1 && last != "" && strings.ContainsAny(last[len(last)-1:], ",;|\t") {
					want[i][0] = strings.TrimRight(last, ",;|\t ") // surplus separators
				}
				if diff := cmp.Diff(want[i], request.Cells); diff != "" || lines[i] != request.Line {
					t.Fatalf("row %d at line %d, encoding/csv has %d: %s%s", i, request.Line, lines[i], request.Reject, diff)
				}
			}
			return
		}
	})
}

// readStandard reads a text with encoding/csv and removes the rows that
// spreadsheets write for empty lines. If it returns an error, it also returns the
// rows before the error.
func readStandard(text string, comma rune) (rows [][]string, lines []int, err error) {
	r := csv.NewReader(strings.NewReader(text))
	r.Comma, r.FieldsPerRecord = comma, -1
	raw := strings.Split(text, "\n")
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, lines, nil
		}
		if err != nil {
			return rows, lines, err
		}
		line, _ := r.FieldPos(0)
		if strings.Trim(raw[line-1], " \t,;|") == "" || len(rows) > 0 && slices.Equal(cells, rows[0]) {
			continue
		}
		rows, lines = append(rows, cells), append(lines, line)
	}
}

// The line ends of a file and a byte order mark do not change what is read.
func FuzzLayout(f *testing.F) {
	for _, text := range []string{"url,a\nhttps://a.b,1\n", "https://a.b\n#c\nc.d\n", "Title\n\n#,Page;x\n1,a.b\n2,c.d\n", "sep=;\nurl;a\na.b;1\n", "1,a.b\n2,c.d\n", "width|url\n800|a.b\n"} {
		f.Add(text, "")
		f.Add(text, "2")
	}
	f.Fuzz(func(t *testing.T, text, column string) {
		if strings.ContainsAny(text, "\r\"") || strings.HasPrefix(text, "\ufeff") || len(text) > 4000 {
			return // a quoted cell keeps its line ends
		}
		opts := csvfile.Options{URLColumn: column, MaxRow: 5000}
		columns, rows, err := all(t, []byte(text), opts)
		for _, other := range []string{strings.ReplaceAll(text, "\n", "\r\n"), strings.ReplaceAll(text, "\n", "\r"), "\ufeff" + text} {
			otherColumns, otherRows, otherErr := all(t, []byte(other), opts)
			if (err == nil) != (otherErr == nil) || !cmp.Equal(columns, otherColumns) || !cmp.Equal(rows, otherRows) {
				t.Fatalf("%q: %q, %v; %q: %q, %v\n%s", text, columns, err, other, otherColumns, otherErr, cmp.Diff(rows, otherRows))
			}
		}
	})
}

// A column with the name of a parameter is sent as a whole or is the user's own,
// and rejects no row.
func FuzzCandidates(f *testing.F) {
	f.Add("width", "800", "60 cm", "")
	f.Add("Size", "page", "screen", "XL")
	f.Add("hide_ads", "yes", "1", "no")
	f.Add("steps", "[]", "{", "x")
	f.Fuzz(func(t *testing.T, name, a, b, c string) {
		p, found := parameter.Lookup(name)
		if !found || p.Reserved != "" || !utf8.ValidString(strings.Join([]string{name, a, b, c}, " ")) || strings.ContainsAny(name+a+b+c, "\r\x00\ufeff") {
			return
		}
		var text bytes.Buffer
		w := csv.NewWriter(&text)
		w.WriteAll([][]string{{"url", name, "x"}, {"https://a.example/", a, "1"}, {"https://b.example/", b, "1"}, {"https://c.example/", c, "1"}})
		_, rows, err := all(t, text.Bytes(), csvfile.Options{})
		if err != nil || len(rows) != 3 {
			t.Fatalf("%q: %d rows, %v", text.String(), len(rows), err)
		}
		sent, own := 0, 0
		for i, row := range rows {
			if row.Reject != "" || row.Cells[1] != []string{a, b, c}[i] {
				t.Errorf("row %d: %+v", i+1, row)
			}
			sent += len(row.Params)
			own += len(row.Metadata) - 1 // without x
		}
		if sent > 0 && own > 0 {
			t.Errorf("%q: %d values are sent, and %d are the user's own", text.String(), sent, own)
		}
	})
}
