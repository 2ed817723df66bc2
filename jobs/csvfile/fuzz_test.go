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
