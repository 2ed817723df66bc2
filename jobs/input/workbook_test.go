package input_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"runtime"
	"strings"
	"testing"

	"shotline/jobs/input"
)

// A workbook that is small but large when unpacked is refused before it is
// unpacked.
func TestLargeWorkbook(t *testing.T) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for name, size := range map[string]uint64{"xl/workbook.xml": 10, "xl/worksheets/sheet1.xml": 1 << 31} {
		if _, err := w.CreateRaw(&zip.FileHeader{Name: name, Method: zip.Deflate, UncompressedSize64: size}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := input.Open(&b, input.Options{})
	if r != nil || !errors.Is(err, input.ErrFormat) || !strings.Contains(err.Error(), "MiB unpacked") {
		t.Errorf("got %v, %v", r, err)
	}
}

// Parts that are not read have no limit. Those that are in memory do.
func TestWorkbookParts(t *testing.T) {
	book := sheet(t, []any{"https://a.example/"})
	for _, test := range []struct {
		part    string
		size    int
		maxSize int64
		want    error
		text    string
	}{
		{"xl/media/image1.png", 17 << 20, 1 << 20, nil, ""},
		{"xl/calcChain.xml", 17 << 20, 1 << 20, nil, ""},
		{"xl/styles2.xml", 17 << 20, 0, input.ErrFormat, `"xl/styles2.xml"`},
		{`XL\Styles2.xml`, 17 << 20, 0, input.ErrFormat, "more than 16 MiB"},
		{"xl/sharedStrings.xml", 65 << 20, 0, input.ErrFormat, "larger than 64 MiB"},
		{"xl/worksheets/sheet3.xml", 17 << 20, 0, nil, ""},
		{"xl/worksheets/sheet3.xml", 2 << 20, 1 << 20, input.ErrTooLarge, ""},
	} {
		old, err := zip.NewReader(strings.NewReader(book), int64(len(book)))
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		for _, file := range old.File {
			if file.Name == test.part {
				continue
			}
			if err := w.Copy(file); err != nil {
				t.Fatal(err)
			}
		}
		part, err := w.Create(test.part)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(make([]byte, test.size)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		r, err := input.Open(&b, input.Options{MaxSize: test.maxSize, TempDir: t.TempDir()})
		if !errors.Is(err, test.want) || err != nil && !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s of %d bytes: %v; want %v with %q", test.part, test.size, err, test.want, test.text)
		}
		if err != nil {
			continue
		}
		if rows := collect(t, r); len(rows) != 1 || rows[0].URL != "https://a.example/" {
			t.Errorf("%s: got %+v", test.part, rows)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Only rows that have a number with an exponent are read a second time for its
// digits.
func TestWorkbookReadsRowsOnce(t *testing.T) {
	allocated := func(number uint64) uint64 {
		rows := [][]any{{"url"}}
		for range 10 {
			row := make([]any, 16384)
			row[0], row[len(row)-1] = "https://a.example/", number
			rows = append(rows, row)
		}
		book := sheet(t, rows...)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, _, err := readAll(book, input.Options{TempDir: t.TempDir()}); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	if once, twice := allocated(1), allocated(12345678901234567890); 100*once > 90*twice {
		t.Errorf("allocated %d bytes for short numbers, %d for long ones", once, twice)
	}
	_, rows, err := readAll(sheet(t, []any{"url", "n"}, []any{"a.example", 1}, nil, []any{"b.example", uint64(12345678901234567890)}), input.Options{TempDir: t.TempDir()})
	if err != nil || len(rows) != 2 || rows[1].Cells[1] != "12345678901234567890" {
		t.Errorf("got %+v, %v", rows, err)
	}
}
