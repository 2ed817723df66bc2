package input_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"

	"shotline/jobs"
	"shotline/jobs/csvfile"
	"shotline/jobs/input"
)

// For any input, reading ends, and each row is valid or has a reason for its
// rejection.
func FuzzOpen(f *testing.F) {
	for _, text := range []string{
		tableText, zipped(f, tableText), encode(f, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), tableText), encode(f, charmap.Windows1252, tableText),
		"{\"url\":\"a.example\",\"tags\":[\"x\"],\"params\":{\"width\":1},\"metadata\":{\"a\":null}}\n\"b.example\"\n", sheet(f, []any{"url"}, []any{"a.example"}),
		"<?xml version=\"1.0\"?><urlset><url><loc>https://a.example/</loc></url></urlset>", "<sitemapindex><sitemap><loc>x</loc></sitemap></sitemapindex>",
	} {
		f.Add([]byte(text), "")
	}
	f.Add([]byte("\x83\x79\x81\x5b,x\n"), "shift_jis")
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		r, err := input.Open(bytes.NewReader(data), input.Options{Encoding: name, MaxRow: 5000, MaxSize: 1 << 20, TempDir: t.TempDir()})
		if err != nil {
			return
		}
		defer r.Close()
		for {
			request, err := r.Next()
			if err != nil {
				return
			}
			if request.Reject == "" && request.URL == "" || !utf8.ValidString(request.URL+request.Reject+strings.Join(request.Cells, "")) {
				t.Fatalf("%+v", request)
			}
		}
	})
}

// readAll returns the columns, the rows and the error of an input.
func readAll(text string, opts input.Options) (columns []string, rows []jobs.Request, err error) {
	r, err := input.Open(strings.NewReader(text), opts)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	for {
		row, err := r.Next()
		if err == io.EOF { // not wrapped
			return r.Columns(), rows, nil
		}
		if err != nil {
			return nil, nil, err
		}
		rows = append(rows, row)
	}
}

// areUTF8 reports whether each of the texts is.
func areUTF8(texts ...string) bool { return utf8.ValidString(strings.Join(texts, " ")) }

// A text has the same rows in UTF-8, in UTF-16 and compressed.
func FuzzEncodings(f *testing.F) {
	for _, text := range []string{tableText, "https://a.example/é\n", "{\"url\":\"a.example\",\"n\":\"日\"}\n", "<urlset><url><loc>https://a.example/</loc></url></urlset>", "name;url\n😀;a.example\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) || strings.ContainsAny(text, "\x00\ufeff\ufffd") || strings.HasPrefix(text, "PK") || strings.HasPrefix(text, "<?xml") {
			return
		}
		opts := input.Options{Encoding: "utf-8", TempDir: t.TempDir()}
		columns, rows, err := readAll(text, opts)
		if err != nil {
			return
		}
		opts.Encoding = ""
		for name, other := range map[string]string{
			"UTF-8": text, "gzip": zipped(t, text),
			"UTF-16LE": encode(t, unicode.UTF16(unicode.LittleEndian, unicode.UseBOM), text),
			"UTF-16BE": encode(t, unicode.UTF16(unicode.BigEndian, unicode.UseBOM), text),
		} {
			otherColumns, otherRows, err := readAll(other, opts)
			if err != nil || !cmp.Equal(columns, otherColumns) || !cmp.Equal(rows, otherRows) {
				t.Fatalf("%q in %s: %v %s", text, name, err, cmp.Diff(rows, otherRows))
			}
		}
	})
}

// A line of JSON Lines gives the same request as its fields, and no other line is
// lost.
func FuzzJSONLines(f *testing.F) {
	f.Add("a.example", "width", "800", "ref", "7", "{}")
	f.Add("", "steps", "[", "job_id", "b1-1", "\"b.example\"")
	f.Add("a b", "KEY", "x", "", "\u2028", "[1]")
	f.Fuzz(func(t *testing.T, url, param, value, field, text, other string) {
		if !areUTF8(url, param, value, field, text, other) || strings.ContainsAny(other, "\r\n") || strings.ContainsAny(url+param+value+field+text, "\x00") || len(other) > 4000 {
			return
		}
		fields := csvfile.Fields{URL: url, Params: map[string]any{param: value}, Metadata: jobs.Metadata{field: text}}
		line, err := json.Marshal(map[string]any{"url": url, "params": fields.Params, "metadata": fields.Metadata})
		if err != nil {
			t.Fatal(err)
		}
		_, rows, err := readAll(string(line)+"\n"+other+"\n\n"+string(line), input.Options{Objects: true})
		n := 3
		if strings.TrimSpace(strings.ReplaceAll(other, "\ufeff", "")) == "" {
			n = len(rows) // an empty line is no row; a byte order mark may be one
		}
		if err != nil || len(rows) != n || n < 2 {
			t.Fatalf("%d rows, %v; want %d", len(rows), err, n)
		}
		want, _ := fields.Request()
		for i, at := range []int{0, len(rows) - 1} {
			want.Line = []int{1, 4}[i]
			if diff := cmp.Diff(want, rows[at]); diff != "" {
				t.Errorf("%s: %s", line, diff)
			}
		}
		for _, row := range rows {
			if row.Reject == "" && row.URL == "" {
				t.Errorf("%q: %+v", other, row)
			}
		}
	})
}

// A sitemap has a row for each address, in order.
func FuzzSitemap(f *testing.F) {
	f.Add("https://a.example/?a=1&b=2", "b.example", true)
	f.Add(" <x> ", "\u2028", false)
	f.Fuzz(func(t *testing.T, first, second string, declared bool) {
		if !areUTF8(first, second) || strings.ContainsFunc(first+second, func(r rune) bool { return r < ' ' || r == 0xfffe || r == 0xffff }) || len(first+second) > 4000 {
			return // XML cannot contain these
		}
		var text bytes.Buffer
		if declared {
			text.WriteString(xml.Header)
		}
		text.WriteString("<urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">")
		for _, url := range []string{first, second} {
			text.WriteString("<url><lastmod>2026</lastmod><loc>")
			if err := xml.EscapeText(&text, []byte(url)); err != nil {
				t.Fatal(err)
			}
			text.WriteString("</loc></url>\n")
		}
		text.WriteString("</urlset>")
		_, rows, err := readAll(text.String(), input.Options{})
		if err != nil || len(rows) != 2 {
			t.Fatalf("%s: %d rows, %v", text.String(), len(rows), err)
		}
		for i, url := range []string{first, second} {
			want, _ := csvfile.Fields{URL: url}.Request()
			if rows[i].URL != want.URL || (rows[i].Reject == "") != (want.Reject == "") {
				t.Errorf("%q: got %+v, want %+v", url, rows[i], want)
			}
		}
	})
}

// A workbook has the rows of the same table as text.
func FuzzWorkbook(f *testing.F) {
	f.Add("Title", "a.example", "1", "b.example", "two\nlines")
	f.Add("width", "", "=1+1", "x", "1e20")
	f.Fuzz(func(t *testing.T, head, a, b, c, d string) {
		all := head + a + b + c + d
		if !areUTF8(head, a, b, c, d) || len(all) > 4000 || strings.ContainsFunc(all, func(r rune) bool { return r < ' ' && r != '\n' || r == 0xfffe || r == 0xffff || r == '_' }) {
			return // a workbook writes these as _x0000_
		}
		_, rows, err := readAll(sheet(t, []any{"url", head}, []any{a, b}, []any{c, d}), input.Options{TempDir: t.TempDir()})
		if err != nil {
			return
		}
		given := [][]string{{a, b}, {c, d}}
		for _, row := range rows {
			if row.Line < 2 || row.Line > 3 {
				t.Fatalf("row in line %d", row.Line)
			}
			if want := given[row.Line-2]; !cmp.Equal(want, row.Cells[:2]) {
				t.Errorf("row %d: got %q, want %q", row.Line, row.Cells, want)
			}
		}
		if len(rows) == 0 {
			t.Error("no rows, and no error")
		}
	})
}
