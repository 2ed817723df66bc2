package input_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"
	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/japanese"
	"golang.org/x/text/encoding/unicode"

	"shotline/jobs"
	"shotline/jobs/csvfile"
	"shotline/jobs/input"
)

func encode(t testing.TB, e encoding.Encoding, text string) string {
	t.Helper()
	encoded, err := e.NewEncoder().String(text)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

func zipped(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// sheet returns a workbook.
func sheet(t testing.TB, rows ...[]any) string {
	t.Helper()
	f := excelize.NewFile()
	defer f.Close()
	for i, row := range rows {
		if err := f.SetSheetRow("Sheet1", fmt.Sprintf("A%d", i+1), &row); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.NewSheet("Notes"); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := f.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// collect reads all rows.
func collect(t testing.TB, r *input.Reader) (rows []jobs.Request) {
	t.Helper()
	for {
		request, err := r.Next()
		if errors.Is(err, io.EOF) {
			return rows
		}
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, request)
	}
}

// shown returns rows in short: line, URL, cells or metadata, and the reason of a
// rejection.
func shown(rows []jobs.Request) (texts []string) {
	for _, row := range rows {
		text := fmt.Sprint(row.Line, " ", row.URL)
		if row.Cells != nil {
			text += " " + strings.Join(row.Cells, "|")
		} else if row.Metadata != nil {
			text += fmt.Sprint(" ", row.Metadata)
		}
		if row.Reject != "" {
			text += " rejected: " + row.Reject
		}
		texts = append(texts, text)
	}
	return texts
}

const tableText = "Produit;URL\nCafé;https://example.com/cafe\nLait;https://example.com/lait\n"

var tableRows = []string{"2 https://example.com/cafe Café|https://example.com/cafe", "3 https://example.com/lait Lait|https://example.com/lait"}

// TestContents checks that the content decides how an input is read.
func TestContents(t *testing.T) {
	utf16 := func(order unicode.Endianness, mark unicode.BOMPolicy, text string) string {
		return encode(t, unicode.UTF16(order, mark), text)
	}
	jsonLines := "{\"url\":\"https://a.example/\",\"params\":{\"width\":800},\"tags\":[\"x\"],\"metadata\":{\"sku\":\"1\"},\"title\":\"A\",\"rank\":12345678901234567890,\"more\":[1]}\n\n\"b.example\"\n{\"url\":7}\nnone\n{\"link\":\"c.example\",\"priority\":5,\"timeout\":\"soon\"}"
	jsonRows := []string{"1 https://a.example/ map[more:[1] rank:12345678901234567890 sku:1 title:A]", "3 https://b.example/", "4  rejected: url: want a string",
		"5  rejected: not a JSON object or string", "6 https://c.example/ map[timeout:soon]"}
	sitemap := `<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">
<url><loc>https://a.example/?x=1&amp;y=2</loc><lastmod>2026-01-01</lastmod><image:image><image:loc>https://a.example/p.png</image:loc></image:image></url>
<url>
  <loc>
    https://a.example/b
  </loc>
</url><url><loc>ftp://a.example/</loc></url></urlset>`
	sitemapRows := []string{"3 https://a.example/?x=1&y=2", "5 https://a.example/b", `8 ftp://a.example/ rejected: not a URL: "ftp://a.example/": only http and https are supported`}
	for _, tt := range []struct {
		name, text, encoding string
		rows, notes          []string
	}{
		{name: "UTF-8", text: tableText, rows: tableRows},
		{name: "UTF-8 with a mark", text: "\ufeff" + tableText, rows: tableRows},
		{name: "UTF-16LE with a mark", text: utf16(unicode.LittleEndian, unicode.UseBOM, tableText), rows: tableRows},
		{name: "UTF-16BE with a mark", text: utf16(unicode.BigEndian, unicode.UseBOM, tableText), rows: tableRows},
		{name: "UTF-16LE without a mark", text: utf16(unicode.LittleEndian, unicode.IgnoreBOM, tableText), rows: tableRows},
		{name: "UTF-16BE without a mark", text: utf16(unicode.BigEndian, unicode.IgnoreBOM, tableText), rows: tableRows},
		{name: "Windows-1252", text: encode(t, charmap.Windows1252, tableText), rows: tableRows,
			notes: []string{"read as Windows-1252, because line 2 is not UTF-8; --encoding NAME decides"}},
		{name: "Windows-1252 late in the file", text: encode(t, charmap.Windows1252, strings.Repeat("https://example.com/x\n", 50_000)+"https://example.com/é\n"),
			notes: []string{"read as Windows-1252, because line 50001 is not UTF-8; --encoding NAME decides"}},
		{name: "Windows-1252 with a line ending between two reads", text: "https://ab.test\r\n" + strings.Repeat("https://a.test\r\n", 5000) + "https://a.test/\xe9\r\n",
			notes: []string{"read as Windows-1252, because line 5002 is not UTF-8; --encoding NAME decides"}},
		{name: "UTF-8 with a damaged cell", text: strings.Replace(tableText, "Lait", "L\xe9it", 1),
			rows: []string{tableRows[0], "3 https://example.com/lait L\ufffdit|https://example.com/lait rejected: cell 1 is not valid UTF-8"}, notes: []string{
				"line 3 is not UTF-8: such rows are rejected; --encoding NAME decides how to read them"}},
		{name: "named", text: encode(t, japanese.ShiftJIS, "ページ,題\nhttps://example.com/,日本\nhttps://example.com/2,語\n"), encoding: "Shift_JIS",
			rows: []string{"2 https://example.com/ https://example.com/|日本", "3 https://example.com/2 https://example.com/2|語"}, notes: []string{`column "ページ": taken as the URLs`}},
		{name: "named UTF-16", text: utf16(unicode.BigEndian, unicode.UseBOM, tableText), encoding: "utf-16", rows: tableRows},
		{name: "Windows-1252 named UTF-8", text: encode(t, charmap.Windows1252, tableText), encoding: "utf-8",
			rows: []string{"2 https://example.com/cafe Caf\ufffd|https://example.com/cafe rejected: cell 1 is not valid UTF-8", tableRows[1]}},
		{name: "gzip", text: zipped(t, tableText), rows: tableRows},
		{name: "gzip of UTF-16", text: zipped(t, utf16(unicode.LittleEndian, unicode.UseBOM, tableText)), rows: tableRows},
		{name: "JSON Lines", text: jsonLines, rows: jsonRows},
		{name: "gzip of JSON Lines with a mark", text: zipped(t, "\ufeff"+strings.ReplaceAll(jsonLines, "\n", "\r\n")), rows: jsonRows},
		{name: "strings with escapes", text: `"https:\/\/a.example\/b"` + "\n" + `"c.example"`, rows: []string{"1 https://a.example/b", "2 https://c.example/"}},
		{name: "sitemap", text: sitemap, rows: sitemapRows},
		{name: "sitemap in Latin-1", text: encode(t, charmap.ISO8859_1, strings.Replace(strings.Replace(sitemap, "UTF-8", "ISO-8859-1", 1), "example/b", "example/é", 1)),
			rows: []string{sitemapRows[0], "5 https://a.example/%C3%A9", sitemapRows[2]}},
		{name: "list in angle brackets", text: "<https://a.example/>\n", rows: []string{"1 https://a.example/"}},
		{name: "workbook", text: sheet(t, []any{"Report"}, nil, []any{"SKU", "Address", "Width"}, []any{"two\nlines", "https://a.example/", 12345678901234}, []any{7, "b.example", 8.5}),
			rows: []string{"4 https://a.example/ two\nlines|https://a.example/|12345678901234", "5 https://b.example/ 7|b.example|8.5"},
			notes: []string{`only the first of 2 sheets was read: "Sheet1"`, `line 1 is above the header and was skipped: "Report"`, `column "Address": taken as the URLs`,
				`column "Width": not a parameter, because line 4 has "12345678901234", not a whole number from 100 to 10000; param:Width sends it`}},
		{name: "list in a workbook", text: sheet(t, []any{"https://a.example/x,y"}, []any{"https://a.example/;2"}), rows: []string{"1 https://a.example/x,y", "2 https://a.example/;2"},
			notes: []string{`only the first of 2 sheets was read: "Sheet1"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, source := range []io.Reader{strings.NewReader(tt.text), iotest.HalfReader(io.MultiReader(strings.NewReader(tt.text)))} {
				r, err := input.Open(source, input.Options{Encoding: tt.encoding, TempDir: t.TempDir()})
				if err != nil {
					t.Fatal(err)
				}
				rows := collect(t, r)
				if tt.rows != nil {
					if diff := cmp.Diff(tt.rows, shown(rows)); diff != "" {
						t.Error(diff)
					}
				}
				if diff := cmp.Diff(tt.notes, r.Notes()); diff != "" {
					t.Error(diff)
				}
				if err := r.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestJSONFields(t *testing.T) {
	text := `{"Page":"a.example","callback_url":"https://hook.example/","priority":7,"timeout":"90s","tags":"x|y","width":800}` + "\n" +
		`{"page":"b.example","callback_url":"https://hook.example/bad","priority":0.5,"params":{"width":"wide"}}`
	r, err := input.Open(strings.NewReader(text), input.Options{CheckURL: func(url string) error {
		if strings.HasSuffix(url, "bad") {
			return errors.New("bad host")
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	rows := collect(t, r)
	seven := 7
	want := []jobs.Request{
		{Line: 1, URL: "https://a.example/", CallbackURL: "https://hook.example/", Priority: &seven, Timeout: 90e9, Tags: []string{"x", "y"}, Metadata: rows[0].Metadata},
		{Line: 2, URL: "https://b.example/", Metadata: rows[1].Metadata, Reject: "callback_url: bad host"},
	}
	if diff := cmp.Diff(want, rows); diff != "" || fmt.Sprint(rows[0].Metadata, rows[1].Metadata) != "map[width:800] map[priority:0.5]" {
		t.Error(diff, rows[0].Metadata, rows[1].Metadata)
	}
	if diff := cmp.Diff([]string{`field "width": not a parameter; params.width sends it`}, r.Notes()); diff != "" {
		t.Error(diff)
	}
}

// TestRefusals checks that the error names what an input is.
func TestRefusals(t *testing.T) {
	ods := "PK\x03\x04"
	random := make([]byte, 3000)
	rand.NewChaCha8([32]byte{}).Read(random)
	for _, tt := range []struct {
		name, text string
		opts       input.Options
		want       error
		contains   string
	}{
		{"nothing", "", input.Options{}, csvfile.ErrEmpty, "no URLs"},
		{"nothing in gzip", zipped(t, ""), input.Options{}, csvfile.ErrEmpty, "no URLs"},
		{"old Excel", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\x00\x00", input.Options{}, input.ErrFormat, "an old Excel file (.xls)"},
		{"PDF", "%PDF-1.7\n", input.Options{}, input.ErrFormat, "a PDF"},
		{"image", "\x89PNG\r\n\x1a\n\x00", input.Options{}, input.ErrFormat, "an image (PNG)"},
		{"compressed image", zipped(t, "\xff\xd8\xff\xe0"), input.Options{}, input.ErrFormat, "an image (JPEG)"},
		{"ZIP archive", ods, input.Options{}, input.ErrFormat, "damaged ZIP archive"},
		{"binary", strings.Repeat("\x01\x02\x03", 100), input.Options{}, input.ErrFormat, "a binary file"},
		{"random bytes", string(random), input.Options{}, input.ErrFormat, "a binary file"},
		{"UTF-32", "\xff\xfe\x00\x00u\x00\x00\x00", input.Options{}, input.ErrFormat, "UTF-32"},
		{"web page", "<!DOCTYPE html>\n<a href=https://a.example/>", input.Options{}, input.ErrFormat, "a web page"},
		{"feed", "<?xml version='1.0'?><rss version='2.0'></rss>", input.Options{}, input.ErrFormat, "a feed"},
		{"other XML", "<?xml version='1.0'?>\n<!-- x -->\n<Orders></Orders>", input.Options{}, input.ErrFormat, `XML with the element "orders"`},
		{"index without files", "<sitemapindex><sitemap><loc>https://a.example/1.xml</loc></sitemap></sitemapindex>", input.Options{}, input.ErrFormat, "an index of sitemaps"},
		{"empty sitemap", "<urlset></urlset>", input.Options{}, csvfile.ErrEmpty, ""},
		{"damaged sitemap", "<urlset>\n<url></urlset>", input.Options{}, nil, "sitemap, line 2"},
		{"JSON array", " [\n{\"url\":\"a.example\"}]", input.Options{}, input.ErrFormat, "a JSON array"},
		{"JSON over several lines", "{\n\"url\":\"a.example\"\n}\n", input.Options{}, input.ErrFormat, "jq -c"},
		{"unknown encoding", "a.example", input.Options{Encoding: "latin-99"}, input.ErrEncoding, `"latin-99"`},
		{"Shift-JIS without a name", encode(t, japanese.ShiftJIS, "url,題\nhttps://example.com/,日本\nhttps://example.com/ベ,ページ\n"), input.Options{}, input.ErrEncoding,
			"line 3 has the byte 0x81, which is neither UTF-8 nor Windows-1252; name the encoding, such as shift_jis (--encoding NAME"},
		{"too large in gzip", zipped(t, strings.Repeat("https://a.example/\n", 1000)), input.Options{MaxSize: 1000}, input.ErrTooLarge, ""},
		{"cut gzip", zipped(t, strings.Repeat("https://a.example/\n", 1000))[:30], input.Options{}, io.ErrUnexpectedEOF, "gzip"},
		{"no URLs in a workbook", sheet(t, []any{"a", "b"}, []any{1, 2}), input.Options{}, csvfile.ErrNoURLColumn, `sheet "Sheet1"`},
		{"long first line", strings.Repeat("x", 10<<20), input.Options{}, nil, "line 1: longer than 1048576 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := input.Open(strings.NewReader(tt.text), tt.opts)
			if err == nil || r != nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.contains) {
				t.Errorf("got %v, %v; want %v with %q", r, err, tt.want, tt.contains)
			}
		})
	}
}

// An input that cannot seek is copied to a file if it is not small. No file
// remains.
func TestCopies(t *testing.T) {
	folder := t.TempDir()
	text := "url,width\n" + strings.Repeat("https://example.com/,800\n", 100_000)
	r, err := input.Open(iotest.OneByteReader(io.MultiReader(strings.NewReader(text[:100]))), input.Options{TempDir: filepath.Join(folder, "none")})
	if err != nil {
		t.Fatalf("a small input needs no file: %v", err)
	}
	r.Close()
	if r, err = input.Open(io.MultiReader(strings.NewReader(text)), input.Options{TempDir: folder}); err != nil {
		t.Fatal(err)
	}
	if rows := collect(t, r); len(rows) != 100_000 || rows[99_999].Params["width"] != 800.0 {
		t.Errorf("%d rows", len(rows))
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(folder); len(left) > 0 || err != nil {
		t.Errorf("files remain: %v, %v", left, err)
	}
	if _, err := input.Open(io.MultiReader(strings.NewReader(text)), input.Options{TempDir: filepath.Join(folder, "none")}); !errors.Is(err, input.ErrCopy) {
		t.Errorf("got %v, want ErrCopy", err)
	}
	broken := errors.New("broken")
	if _, err := input.Open(io.MultiReader(strings.NewReader(text), iotest.ErrReader(broken)), input.Options{TempDir: folder}); !errors.Is(err, broken) || errors.Is(err, input.ErrCopy) {
		t.Errorf("got %v, want the error of the input", err)
	}
}

// In JSON Lines the field job_id names the job only if the rows amend a batch.
func TestJobsOfJSONLines(t *testing.T) {
	text := "{\"job_id\":\"b1-7\",\"url\":\"a.example\"}\n{\"job_id\":\"seven\",\"url\":\"a.example\"}\n{\"url\":\"a.example\"}\n"
	for _, amends := range []bool{true, false} {
		r, err := input.Open(strings.NewReader(text), input.Options{Amends: amends})
		if err != nil {
			t.Fatal(err)
		}
		rows := collect(t, r)
		if amends {
			if rows[0].Job.String() != "b1-7" || rows[0].Metadata != nil || !strings.Contains(rows[1].Reject, "job_id: want the id of a job") || !rows[2].Job.IsZero() {
				t.Errorf("got %+v", rows)
			}
		} else if !rows[0].Job.IsZero() || rows[0].Metadata["job_id"] != "b1-7" || rows[1].Reject != "" {
			t.Errorf("got %+v", rows)
		}
	}
}
