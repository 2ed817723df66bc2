package summary

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/xuri/excelize/v2"

	"shotline/jobs"
	"shotline/jobs/resultcolumn"
)

// maxSheetRows is the number of rows of a sheet, with the header.
const maxSheetRows = excelize.TotalRows

// sheetName is the name of the only sheet.
const sheetName = "Results"

// stateColors are the fill colors of the cells with the state.
var stateColors = map[jobs.State]string{
	jobs.Done:       "C6EFCE",
	jobs.Failed:     "FFC7CE",
	jobs.Rejected:   "FFC7CE",
	jobs.TimedOut:   "FFEB9C",
	jobs.Canceled:   "D9D9D9",
	jobs.Duplicate:  "E4DFEC",
	jobs.Pending:    "DDEBF7",
	jobs.Submitting: "DDEBF7",
	jobs.Queued:     "DDEBF7",
}

// columnWidths are the widths of the added columns, in characters. The others are
// inputWidth wide.
var columnWidths = map[string]float64{
	resultcolumn.URL: 40, resultcolumn.State: 11, "error": 40, "image_url": 40, "file": 30, "screenshot_id": 17, "cost": 7,
	"attempt": 8, "closed_by": 10, "created_at": 19, "submitted_at": 19, "closed_at": 19, "duplicate_of": 12, "line": 7, "row": 7,
	resultcolumn.Job: 18,
}

const inputWidth = 20

// workbook writes results as a workbook. The rows go to a temporary file first, so
// that memory does not grow with their number. excelize cuts texts at the maximum
// of Excel, 32,767 UTF-16 code units.
type workbook struct {
	table
	file  *excelize.File
	sheet *excelize.StreamWriter
	links linkList
	rows  int // written so far, with the header

	headStyle, timeStyle, linkStyle int
	stateStyles                     map[string]int
}

func (r Results) writeWorkbook(ctx context.Context, w io.Writer, src RowSource, t table, batch jobs.Batch) (err error) {
	// excelize keeps all rows in memory if it cannot create its temporary file, so
	// this fails first.
	folder, err := os.MkdirTemp("", "shotline-xlsx-")
	if err != nil {
		return fmt.Errorf("folder for the rows of the workbook: %w", err)
	}
	defer os.RemoveAll(folder)
	b := &workbook{table: t, file: excelize.NewFile(excelize.Options{TmpDir: folder})}
	defer b.file.Close()
	if err := b.begin(); err != nil {
		return err
	}
	if err := r.each(ctx, src, batch.ID, b.write); err != nil {
		return err
	}
	return b.end(w)
}

// begin creates the sheet with its header.
func (b *workbook) begin() (err error) {
	if err := b.file.SetSheetName(b.file.GetSheetName(0), sheetName); err != nil {
		return err
	}
	b.createStyles()
	if b.sheet, err = b.file.NewStreamWriter(sheetName); err != nil {
		return err
	}
	for i := range b.header {
		width := float64(inputWidth)
		if i >= b.input {
			width = columnWidths[b.added[i-b.input]]
		} else if i == b.urlColumn {
			width = columnWidths[resultcolumn.URL]
		}
		if err := b.sheet.SetColWidth(i+1, i+1, width); err != nil {
			return fmt.Errorf("%d columns: %w", len(b.header), err)
		}
	}
	err = b.sheet.SetPanes(&excelize.Panes{Freeze: true, YSplit: 1, TopLeftCell: "A2", ActivePane: "bottomLeft"})
	if err != nil {
		return err
	}
	head := make([]any, len(b.header))
	for i, name := range b.header {
		head[i] = excelize.Cell{StyleID: b.headStyle, Value: name}
	}
	return b.append(head)
}

func (b *workbook) createStyles() {
	style := func(s excelize.Style) int {
		id, err := b.file.NewStyle(&s)
		if err != nil {
			panic(err) // the styles are constants
		}
		return id
	}
	format := "yyyy-mm-dd hh:mm:ss"
	b.headStyle = style(excelize.Style{Font: &excelize.Font{Bold: true}, Fill: fill("F2F2F2")})
	b.timeStyle = style(excelize.Style{CustomNumFmt: &format})
	b.linkStyle = style(excelize.Style{Font: &excelize.Font{Color: "0563C1", Underline: "single"}})
	b.stateStyles = map[string]int{}
	for state, color := range stateColors {
		b.stateStyles[string(state)] = style(excelize.Style{Fill: fill(color)})
	}
}

func fill(color string) excelize.Fill {
	return excelize.Fill{Type: "pattern", Pattern: 1, Color: []string{color}}
}

// append writes cells as the next row.
func (b *workbook) append(cells []any) error {
	if b.rows == maxSheetRows {
		return &OptionError{"format", tooManyRows}
	}
	b.rows++
	return b.sheet.SetRow("A"+strconv.Itoa(b.rows), cells)
}

// write writes the row of a job.
func (b *workbook) write(row jobs.Row) error {
	cells := make([]any, 0, len(b.header))
	for i, cell := range b.inputCells(row.Job) {
		value := inputValue(cell)
		if i == b.urlColumn && row.URL != "" && row.State != jobs.Rejected {
			value = b.link(i, cell, row.URL)
		}
		cells = append(cells, value)
	}
	for i, value := range b.outcome(row) {
		cells = append(cells, b.outcomeCell(b.input+i, b.added[i], value))
	}
	return b.append(cells)
}

// outcomeCell returns the cell for a value of an added column.
func (b *workbook) outcomeCell(column int, name string, value any) any {
	switch v := value.(type) {
	case string:
		switch name {
		case resultcolumn.State:
			return excelize.Cell{StyleID: b.stateStyles[v], Value: v}
		case resultcolumn.URL, "image_url":
			return b.link(column, v, v)
		}
	case time.Time:
		// The fraction of a second is cut off, so that the cell does not show the
		// next second.
		return excelize.Cell{StyleID: b.timeStyle, Value: v.UTC().Truncate(time.Second)}
	}
	return value
}

// link returns a cell of the next row with a text that links to an address.
func (b *workbook) link(column int, text, address string) any {
	cell, err := excelize.CoordinatesToCellName(column+1, b.rows+1)
	if err != nil || !b.links.add(cell, address) {
		return text
	}
	return excelize.Cell{StyleID: b.linkStyle, Value: text}
}

// inputValue returns the value of a cell of the input: a number if spreadsheets
// show that number in exactly the same way, otherwise a text or nil.
func inputValue(cell string) any {
	if cell == "" {
		return nil
	}
	if len(cell) > 10 || cell[0] != '-' && (cell[0] < '0' || cell[0] > '9') {
		return cell
	}
	f, err := strconv.ParseFloat(cell, 64)
	if err != nil || cell == "-0" || strconv.FormatFloat(f, 'f', -1, 64) != cell {
		return cell
	}
	return f
}

// end completes the sheet and writes the workbook.
func (b *workbook) end(w io.Writer) error {
	last, err := excelize.CoordinatesToCellName(len(b.header), max(b.rows, 1))
	if err != nil {
		return err
	}
	if err := b.file.AutoFilter(sheetName, "A1:"+last, nil); err != nil {
		return err
	}
	if b.links.any() {
		if err := b.file.SetCellHyperLink(sheetName, linkPlaceholder, linkPlaceholder, "Location"); err != nil {
			return err
		}
	}
	if err := b.sheet.Flush(); err != nil {
		return err
	}
	// excelize would build the whole archive in memory before it writes it. The
	// archive that it gets here writes to w and ignores the buffer.
	b.file.SetZipWriter(func(io.Writer) excelize.ZipWriter { return newArchive(w, &b.links) })
	return b.file.Write(io.Discard)
}
