package summary

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"shotline/jobs"
	"shotline/jobs/jobjson"
)

// resultsPage is the number of rows to read at a time. Reads are kept short so
// that the database can do maintenance in between.
const resultsPage = 1000

// RowSource is the source of results and contact sheets. Every jobs.Reader
// implements it.
type RowSource interface {
	Batch(ctx context.Context, id string) (jobs.Batch, error)
	Rows(ctx context.Context, batch string, after int64, limit int) ([]jobs.Row, error)
}

// outcomeColumns are the columns that are added after those of the input.
var outcomeColumns = []string{
	"state", "error", "image_url", "file", "screenshot_id", "cost", "attempt", "closed_by",
	"created_at", "submitted_at", "closed_at", "duplicate_of", "line",
}

// Results writes the results of a batch as CSV.
type Results struct {
	// File returns the name of a job's downloaded image. If it is nil, the column
	// is empty.
	File func(jobs.Job) string
}

// WriteResults writes the results of a batch without file names, see
// Results.Write.
func WriteResults(ctx context.Context, w io.Writer, src RowSource, batchID string) error {
	return Results{}.Write(ctx, w, src, batchID)
}

// Write writes all rows of the batch in order, as CSV with a header: the columns
// and cells of the input, unchanged, then state, error, image_url, file,
// screenshot_id, cost, attempt, closed_by, created_at, submitted_at, closed_at,
// duplicate_of and line (of the input).
//
//   - The columns of the input keep their names and positions. If an added
//     column has the same name, ignoring case, it gets the prefix shotline_.
//   - There is always a column url. If the input has no such column, it is the
//     first added column. If the input has no header, it is the first column.
//   - A duplicate has the result of the row that it repeats. The number of that
//     row is in duplicate_of; 1 is the first row after the header. The cost of a
//     duplicate is empty, because the other row was charged. The sum of the
//     column is therefore the cost of the batch.
//   - The error of a rejected row is the reason for the rejection.
//   - If a row has more cells than columns, the additional cells are joined with
//     commas in the last column. If it has fewer, empty cells are added.
//   - Cells of the input are not changed. Added cells with text from outside
//     (error, image_url, screenshot_id) get an apostrophe in front if a
//     spreadsheet would interpret them as a formula.
func (r Results) Write(ctx context.Context, w io.Writer, src RowSource, batchID string) error {
	batch, err := src.Batch(ctx, batchID)
	if err != nil {
		return fmt.Errorf("results of %s: %w", batchID, err)
	}
	table := newTable(batch.Columns, r.File)
	out := csv.NewWriter(w)
	if err := out.Write(table.header); err != nil {
		return fmt.Errorf("results of %s: %w", batchID, err)
	}
	for after := int64(0); ; {
		rows, err := src.Rows(ctx, batchID, after, resultsPage)
		if err != nil {
			return fmt.Errorf("results of %s after row %d: %w", batchID, after, err)
		}
		for _, row := range rows {
			if err := out.Write(table.record(row)); err != nil {
				return fmt.Errorf("results of %s: %w", batchID, err)
			}
		}
		if len(rows) < resultsPage {
			break
		}
		after = rows[len(rows)-1].ID.Row
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("results of %s: %w", batchID, err)
	}
	return nil
}

// WriteRows writes all rows, one JSON object per line. A duplicate has its own
// fields and the number of the row that it repeats.
func WriteRows(ctx context.Context, w io.Writer, src RowSource, batchID string) error {
	out := json.NewEncoder(w)
	for after := int64(0); ; {
		rows, err := src.Rows(ctx, batchID, after, resultsPage)
		if err != nil {
			return fmt.Errorf("rows of %s after row %d: %w", batchID, after, err)
		}
		for _, row := range rows {
			if err := out.Encode(jobjson.FromJob(row.Job)); err != nil {
				return fmt.Errorf("rows of %s: %w", batchID, err)
			}
		}
		if len(rows) < resultsPage {
			return nil
		}
		after = rows[len(rows)-1].ID.Row
	}
}

// table describes the columns of a results file.
type table struct {
	header    []string
	input     int  // number of input columns; 1 if the input has no header
	urlColumn int  // index in the input; -1 if there is none
	addURL    bool // whether url is an added column
	file      func(jobs.Job) string
}

func newTable(columns []string, file func(jobs.Job) string) table {
	if len(columns) == 0 {
		columns = []string{"url"}
	}
	t := table{header: slices.Clone(columns), input: len(columns), file: file}
	t.urlColumn = slices.IndexFunc(columns, func(c string) bool { return sameColumn(c, "url") })
	if t.urlColumn < 0 {
		t.addURL = true
		t.header = append(t.header, "url")
	}
	for _, name := range outcomeColumns {
		for slices.ContainsFunc(t.header, func(c string) bool { return sameColumn(c, name) }) {
			name = "shotline_" + name
		}
		t.header = append(t.header, name)
	}
	return t
}

func sameColumn(a, b string) bool { return strings.EqualFold(strings.TrimSpace(a), b) }

// record returns the cells of one row, one for each column of the header.
func (t table) record(row jobs.Row) []string {
	record := make([]string, 0, len(t.header))
	record = append(record, t.inputCells(row.Job)...)
	if t.addURL {
		record = append(record, row.URL)
	}
	shown, cost, duplicateOf := row.Job, costCell(row.Cost), ""
	if row.State == jobs.Duplicate {
		cost = ""
		duplicateOf = integer(row.DuplicateOf)
		if row.Original != nil {
			shown = *row.Original
		}
	}
	attempt, file := "", ""
	if shown.Attempt > 0 {
		attempt = strconv.Itoa(shown.Attempt)
	}
	if t.file != nil {
		file = t.file(shown)
	}
	return append(record,
		string(shown.State), escapeFormula(shown.Error), escapeFormula(shown.ImageURL), file, escapeFormula(shown.ScreenshotID),
		cost, attempt, string(shown.ClosedBy),
		timeCell(row.CreatedAt), timeCell(shown.SubmittedAt), timeCell(shown.ClosedAt), duplicateOf, lineCell(row.Line))
}

func lineCell(line int) string {
	if line == 0 {
		return ""
	}
	return strconv.Itoa(line)
}

// inputCells returns the cells of a row as in the input.
func (t table) inputCells(job jobs.Job) []string {
	cells := make([]string, t.input)
	if job.Cells == nil {
		if t.urlColumn >= 0 {
			cells[t.urlColumn] = job.URL
		}
		return cells
	}
	copy(cells, job.Cells)
	if len(job.Cells) > t.input {
		cells[t.input-1] = strings.Join(job.Cells[t.input-1:], ",")
	}
	return cells
}
