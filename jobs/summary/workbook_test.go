package summary

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/xuri/excelize/v2"

	"shotline/jobs"
)

// openWorkbook writes results as a workbook and opens it.
func openWorkbook(t *testing.T, f *fakeSource, file func(jobs.Job) string) *excelize.File {
	t.Helper()
	t.Setenv("TMPDIR", t.TempDir())
	var out bytes.Buffer
	if err := (Results{Format: XLSX, File: file}).Write(t.Context(), &out, f, f.batch.ID); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) > 0 {
		t.Errorf("temporary files remain: %v, %v", left, err)
	}
	book, err := excelize.OpenReader(&out)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { book.Close() })
	return book
}

// All cells of a workbook are those of the CSV, as Excel shows them.
func TestWorkbookHasTheCellsOfCSV(t *testing.T) {
	f := shopBatch()
	f.rows[0].Cells = []string{"007", "https://corner.example/", "-12.5"}
	f.rows[1].Cells = []string{"=1+1", "https://buecher.example/", " leading\ttab & <tag> _x0041_ "}
	f.rows[2].Cells = []string{"12.50", "https://slow.example/never", "-0"}
	f.rows[6].Cells = []string{"1234567890123456789", "https://日本.example/店", "3.14"}
	want := results(t, Results{Excel: true}, f)
	want[0][0] = strings.TrimPrefix(want[0][0], "\ufeff")
	book := openWorkbook(t, f, nil)
	got, err := book.GetRows(sheetName)
	if err != nil {
		t.Fatal(err)
	}
	for i, record := range want {
		for len(got[i]) < len(record) { // GetRows omits empty cells at the end
			got[i] = append(got[i], "")
		}
		for j, cell := range record {
			if i > 0 && j >= 3 { // only text needs it, and a workbook states that a cell is text
				record[j] = strings.TrimPrefix(cell, "'")
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("cells (-csv +xlsx):\n%s", diff)
	}
}

func TestWorkbookTypes(t *testing.T) {
	f := shopBatch()
	f.rows[0].Cells = []string{"=1+1", "https://corner.example/", "-12.5"}
	f.rows[0].Line = 2
	f.rows[0].ClosedAt = noon.Add(3999 * time.Millisecond)
	book := openWorkbook(t, f, func(jobs.Job) string { return "=file.png" })
	column := map[string]string{}
	header, err := book.GetRows(sheetName, excelize.Options{RawCellValue: true})
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range header[0] {
		column[name], _ = excelize.ColumnNumberToName(i + 1)
	}
	text, number := excelize.CellTypeInlineString, excelize.CellTypeUnset
	for name, want := range map[string]struct {
		kind excelize.CellType
		raw  string
	}{
		"Shop": {text, "=1+1"}, "URL": {text, "https://corner.example/"}, "state": {number, "-12.5"}, "shotline_state": {text, "done"},
		"image_url": {text, "https://img.example/1.png"}, "file": {text, "=file.png"}, "screenshot_id": {text, "1001"}, "cost": {number, "1"},
		"attempt": {number, "1"}, "line": {number, "2"}, "row": {number, "1"}, "job_id": {text, f.batch.ID + "-1"},
	} {
		kind, err := book.GetCellType(sheetName, column[name]+"2")
		if err != nil || kind != want.kind {
			t.Errorf("%s: cell type %v, %v; want %v", name, kind, err, want.kind)
		}
		if raw := header[1][columnIndex(t, column[name])]; raw != want.raw {
			t.Errorf("%s: got %q, want %q", name, raw, want.raw)
		}
		if formula, err := book.GetCellFormula(sheetName, column[name]+"2"); err != nil || formula != "" {
			t.Errorf("%s: formula %q, %v", name, formula, err)
		}
	}
	closed, err := book.GetCellValue(sheetName, column["closed_at"]+"2")
	if err != nil || closed != "2026-03-24 12:00:03" {
		t.Errorf("closed_at: got %q, %v", closed, err)
	}
	for cell, want := range map[string]string{column["image_url"] + "2": "https://img.example/1.png", column["URL"] + "2": "https://corner.example/", column["Shop"] + "2": ""} {
		if _, target, err := book.GetCellHyperLink(sheetName, cell); err != nil || target != want {
			t.Errorf("link of %s: got %q, %v; want %q", cell, target, err, want)
		}
	}
	if is, _, _ := book.GetCellHyperLink(sheetName, column["URL"]+"6"); is { // a rejected row
		t.Error("a text that is not a web address has a link")
	}
	panes, err := book.GetPanes(sheetName)
	if err != nil || !panes.Freeze || panes.YSplit != 1 {
		t.Errorf("panes: %+v, %v", panes, err)
	}
	colors := map[string]bool{}
	for row := 2; row <= 9; row++ {
		id, err := book.GetCellStyle(sheetName, fmt.Sprint(column["shotline_state"], row))
		if err != nil {
			t.Fatal(err)
		}
		style, err := book.GetStyle(id)
		if err != nil || len(style.Fill.Color) == 0 {
			t.Fatalf("row %d: the state has no color: %v", row, err)
		}
		colors[style.Fill.Color[0]] = true
	}
	if len(colors) < 4 {
		t.Errorf("the states have the colors %v", colors)
	}
}

func columnIndex(t *testing.T, name string) int {
	t.Helper()
	n, err := excelize.ColumnNameToNumber(name)
	if err != nil {
		t.Fatal(err)
	}
	return n - 1
}

func TestWorkbookFilter(t *testing.T) {
	f := shopBatch()
	var out bytes.Buffer
	if err := (Results{Format: XLSX}).Write(t.Context(), &out, f, f.batch.ID); err != nil {
		t.Fatal(err)
	}
	archive, err := zip.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len()))
	if err != nil {
		t.Fatal(err)
	}
	sheet, err := archive.Open(sheetPart)
	if err != nil {
		t.Fatal(err)
	}
	var data bytes.Buffer
	if _, err := data.ReadFrom(sheet); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`<autoFilter ref="$A$1:$R$9">`, `<hyperlink ref="B2" r:id="rId1"/>`} {
		if !strings.Contains(data.String(), want) {
			t.Errorf("the sheet does not contain %s", want)
		}
	}
	if strings.Contains(data.String(), linkPlaceholder+`" location`) {
		t.Error("the sheet contains the placeholder")
	}
}

func TestWorkbookWithoutRows(t *testing.T) {
	f := &fakeSource{batch: jobs.Batch{BatchSpec: jobs.BatchSpec{ID: "b"}}}
	rows, err := openWorkbook(t, f, nil).GetRows(sheetName)
	if err != nil || len(rows) != 1 {
		t.Errorf("got %v, %v", rows, err)
	}
}

// Longer texts make Excel call the file damaged.
func TestWorkbookCutsTexts(t *testing.T) {
	f := shopBatch()
	f.rows[0].Cells = []string{strings.Repeat("a", excelize.TotalCellChars-1) + "𝄞", "https://corner.example/", ""}
	got, err := openWorkbook(t, f, nil).GetCellValue(sheetName, "A2")
	if err != nil || got != strings.Repeat("a", excelize.TotalCellChars-1) {
		t.Errorf("got %d characters, %v", len(got), err)
	}
}

func TestWorkbookLimitsRows(t *testing.T) {
	b := &workbook{rows: maxSheetRows}
	if err := b.append(nil); err == nil || !strings.Contains(err.Error(), "1,048,575 rows") {
		t.Errorf("got %v", err)
	}
}

func TestLinksAreLimited(t *testing.T) {
	var links linkList
	for _, address := range []string{"ftp://a.example/", "=1+1", "", "https://a.example/" + strings.Repeat("a", maxLinkText)} {
		if links.add("B2", address) {
			t.Errorf("%.40q was added", address)
		}
	}
	n := 0
	for links.add("B2", "https://a.example/") {
		n++
	}
	if n != maxLinks {
		t.Errorf("%d links were added, want %d", n, maxLinks)
	}
	long := "https://a.example/" + strings.Repeat("a", maxLinkText-100)
	links = linkList{}
	for n = 0; links.add("B2", long); n++ {
	}
	if n*len(long) > maxLinkBytes || n == 0 {
		t.Errorf("%d links of %d bytes were added", n, len(long))
	}
}

// The placeholder is found wherever the writes are split.
func TestSheetWriter(t *testing.T) {
	links := linkList{}
	links.add("B2", "https://a.example/?a&b")
	sheet := "<sheetData>" + placeholderXML[:20] + "</sheetData>" + placeholderXML + "<pageMargins/>"
	want := "<sheetData>" + placeholderXML[:20] + `</sheetData><hyperlinks><hyperlink ref="B2" r:id="rId1"/></hyperlinks><pageMargins/>`
	for size := 1; size <= len(sheet); size++ {
		var out bytes.Buffer
		w := &sheetWriter{out: &out, links: &links}
		for rest := sheet; rest != ""; {
			n := min(size, len(rest))
			if written, err := w.Write([]byte(rest[:n])); err != nil || written != n {
				t.Fatalf("wrote %d of %d: %v", written, n, err)
			}
			rest = rest[n:]
		}
		if out.String() != want {
			t.Fatalf("pieces of %d bytes: got %s", size, out.String())
		}
	}
}

// TestWorkbookMemory writes 20,000 rows and then 50,000 rows, which must not need
// much more memory.
func TestWorkbookMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 70,000 rows")
	}
	peak := func(rows int) uint64 {
		source := &endlessRows{rows: rows}
		file, err := os.Create(filepath.Join(t.TempDir(), "results.xlsx"))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		began := time.Now()
		if err := (Results{Format: XLSX}).Write(t.Context(), file, source, "b"); err != nil {
			t.Fatal(err)
		}
		info, err := file.Stat()
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d rows: %v, file of %d MB, heap up to %d MB", rows, time.Since(began).Round(time.Second/10), info.Size()>>20, source.heap>>20)
		return source.heap
	}
	small, large := peak(20_000), peak(50_000)
	if large > small+24<<20 {
		t.Errorf("the heap had %d MB with 20,000 rows and %d MB with 50,000 rows", small>>20, large>>20)
	}
}
