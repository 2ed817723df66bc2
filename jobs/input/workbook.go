package input

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/xuri/excelize/v2"

	"shotline/jobs"
	"shotline/jobs/csvfile"
)

// maxWorkbook is the maximum size of a workbook in bytes. It is in memory.
const maxWorkbook = 64 << 20

// workbook reads the first sheet of an Excel workbook as a table or a list.
type workbook struct {
	file  *excelize.File
	text  *sheetText
	table *csvfile.Reader
	notes []string
}

func openWorkbook(c content, opts Options) (*workbook, error) {
	r, err := c.open()
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(r, maxWorkbook+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxWorkbook {
		return nil, fmt.Errorf("%w: the workbook is larger than %d MiB; save it as CSV UTF-8", ErrFormat, maxWorkbook>>20)
	}
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, refused("a damaged ZIP archive or workbook", "")
	}
	if err := checkWorkbook(archive); err != nil {
		return nil, err
	}
	parts := neededParts(archive)
	if err := checkParts(parts, opts.MaxSize); err != nil {
		return nil, err
	}
	if data, err = pack(parts); err != nil {
		return nil, err
	}
	w := &workbook{}
	if err := w.open(data, opts); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

func (w *workbook) open(data []byte, opts Options) (err error) {
	defer recoverDamage(&err)
	w.file, err = excelize.OpenReader(bytes.NewReader(data), excelize.Options{
		UnzipSizeLimit: maxUnpacked, UnzipXMLSizeLimit: maxInMemory, TmpDir: opts.TempDir,
	})
	if err != nil {
		return fmt.Errorf("%w: the workbook cannot be read: %w", ErrFormat, err)
	}
	sheets := w.file.GetSheetList()
	if len(sheets) == 0 {
		return fmt.Errorf("%w: the workbook has no sheet", ErrFormat)
	}
	w.text = &sheetText{file: w.file, sheet: sheets[0]}
	w.table, err = csvfile.Open(&rereader{content: w.text}, opts.csv(','))
	if err != nil {
		return fmt.Errorf("sheet %q: %w", sheets[0], err)
	}
	if len(sheets) > 1 {
		w.notes = []string{fmt.Sprintf("only the first of %d sheets was read: %q", len(sheets), sheets[0])}
	}
	return nil
}

// recoverDamage converts a panic into an error. A damaged workbook must not end
// the process.
func recoverDamage(err *error) {
	if cause := recover(); cause != nil {
		*err = fmt.Errorf("%w: the workbook is damaged: %v", ErrFormat, cause)
	}
}

func (w *workbook) Columns() []string      { return w.table.Columns() }
func (w *workbook) URLColumn() int         { return w.table.URLColumn() }
func (w *workbook) Fields() map[string]int { return w.table.Fields() }
func (w *workbook) Notes() []string        { return append(w.notes, w.table.Notes()...) }

// Next returns the next request. Its line is the number of the row in the sheet.
func (w *workbook) Next() (request jobs.Request, err error) {
	defer recoverDamage(&err)
	if request, err = w.table.Next(); err == nil {
		request.Line = w.text.rowAt(request.Line)
	}
	return request, err
}

func (w *workbook) Close() error {
	var errs []error
	if w.text != nil {
		errs = append(errs, w.text.close())
	}
	if w.file != nil {
		errs = append(errs, w.file.Close())
	}
	return errors.Join(errs...)
}

// sheetText is the content of a sheet as CSV.
type sheetText struct {
	file    *excelize.File
	sheet   string
	shown   *excelize.Rows // the cells as Excel shows them
	raw     *excelize.Rows
	pending bytes.Buffer
	row     int
	line    int     // lines written
	shifts  []shift // of rows that have several lines
}

// shift says that the rows after a row begin some lines later than their number.
type shift struct{ line, lines int }

func (s *sheetText) open() (io.Reader, error) {
	if err := s.close(); err != nil {
		return nil, err
	}
	s.pending.Reset()
	s.row, s.line, s.shifts = 0, 0, nil
	var err error
	if s.shown, err = s.file.Rows(s.sheet); err == nil {
		s.raw, err = s.file.Rows(s.sheet)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: the first sheet is not a table: %w", ErrFormat, err)
	}
	return s, nil
}

func (s *sheetText) close() error {
	var errs []error
	for _, rows := range []*excelize.Rows{s.shown, s.raw} {
		if rows != nil {
			errs = append(errs, rows.Close())
		}
	}
	s.shown, s.raw = nil, nil
	return errors.Join(errs...)
}

// Read implements io.Reader.
func (s *sheetText) Read(p []byte) (int, error) {
	for s.pending.Len() == 0 {
		if !s.shown.Next() || !s.raw.Next() {
			if err := errors.Join(s.shown.Error(), s.raw.Error()); err != nil {
				return 0, err
			}
			return 0, io.EOF
		}
		shown, err := s.shown.Columns()
		if err != nil {
			return 0, err
		}
		if slices.ContainsFunc(shown, hasExponent) {
			raw, err := s.raw.Columns(excelize.Options{RawCellValue: true})
			if err != nil {
				return 0, err
			}
			restoreDigits(shown, raw)
		}
		if err := s.write(shown); err != nil {
			return 0, err
		}
	}
	return s.pending.Read(p)
}

// hasExponent reports whether a cell is a long number that Excel shows with an
// exponent.
func hasExponent(cell string) bool {
	return strings.Contains(cell, "E+") && strings.Trim(cell, "-+.E0123456789") == ""
}

// restoreDigits replaces numbers with an exponent by their digits.
func restoreDigits(shown, raw []string) {
	for i, cell := range shown {
		if i < len(raw) && hasExponent(cell) {
			shown[i] = raw[i]
		}
	}
}

// write appends a row.
func (s *sheetText) write(shown []string) error {
	s.row++
	if strings.TrimSpace(strings.Join(shown, "")) == "" {
		s.line++
		return s.pending.WriteByte('\n')
	}
	w := csv.NewWriter(&s.pending)
	if err := w.Write(shown); err != nil {
		return err
	}
	w.Flush()
	s.line += csvfile.CountLines(s.pending.Bytes())
	if more := s.line - s.row; len(s.shifts) == 0 && more > 0 || len(s.shifts) > 0 && more > s.shifts[len(s.shifts)-1].lines {
		s.shifts = append(s.shifts, shift{s.line, more})
	}
	return w.Error()
}

// rowAt returns the number of the row that begins at a line of the text.
func (s *sheetText) rowAt(line int) int {
	lines := 0
	for i := len(s.shifts) - 1; i >= 0; i-- { // the row is near the end of what was read
		if s.shifts[i].line < line {
			lines = s.shifts[i].lines
			break
		}
	}
	return line - lines
}
