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
)

// resultsPage is how many rows are read at a time: short reads let the
// database tidy up in between.
const resultsPage = 1000

// RowSource is what results and contact sheets are read from; every
// jobs.Reader is one.
type RowSource interface {
	Batch(ctx context.Context, id string) (jobs.Batch, error)
	Rows(ctx context.Context, batch string, after int64, limit int) ([]jobs.Row, error)
}

// outcomeColumns are ours, after the input's.
var outcomeColumns = []string{
	"state", "error", "image_url", "file", "screenshot_id", "cost", "attempt", "closed_by",
	"created_at", "submitted_at", "closed_at", "duplicate_of", "line",
}

// Results writes the results of a batch as CSV.
type Results struct {
	// File names the downloaded picture of a job; nil leaves the column empty.
	File func(jobs.Job) string
}

// WriteResults writes the results of a batch without names of files, see
// Results.Write.
func WriteResults(ctx context.Context, w io.Writer, src RowSource, batchID string) error {
	return Results{}.Write(ctx, w, src, batchID)
}

// Write writes every row of the batch, in order, as CSV with a header: the
// input's columns and cells as they were, then state, error, image_url, file,
// screenshot_id, cost, attempt, closed_by, created_at, submitted_at, closed_at,
// duplicate_of and line (of the input).
//
//   - A column of the input keeps its name and place; ours of the same name
//     (case aside) gets the prefix shotline_.
//   - There is always a column url: the input's, or one of ours, first when the
//     input had no header and first of ours otherwise.
//   - A duplicate shows the outcome of the row it repeats, whose number is in
//     duplicate_of: 1 is the first row after the header. Its cost is empty,
//     because it was paid for there: the column adds up to the batch's cost.
//   - A rejected row has its reason in error.
//   - A row with more cells than columns has the surplus in its last column,
//     joined by commas; one with fewer is filled up.
//   - Cells of the input are left alone. Our own that hold text from outside
//     (error, image_url, screenshot_id) get an apostrophe in front when a
//     spreadsheet would take them for a formula.
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

// WriteRows writes every row as it is, one JSON object a line: a duplicate names
// the row that it repeats.
func WriteRows(ctx context.Context, w io.Writer, src RowSource, batchID string) error {
	out := json.NewEncoder(w)
	for after := int64(0); ; {
		rows, err := src.Rows(ctx, batchID, after, resultsPage)
		if err != nil {
			return fmt.Errorf("rows of %s after row %d: %w", batchID, after, err)
		}
		for _, row := range rows {
			if err := out.Encode(row.Job); err != nil {
				return fmt.Errorf("rows of %s: %w", batchID, err)
			}
		}
		if len(rows) < resultsPage {
			return nil
		}
		after = rows[len(rows)-1].ID.Row
	}
}

// table knows the columns of one results file.
type table struct {
	header    []string
	input     int  // columns of the input, url included when it had no header
	urlColumn int  // of the input; -1 when it has none
	addURL    bool // url is one of ours
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

// record returns the cells of one row, as many as the header has.
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
		string(shown.State), unarmed(shown.Error), unarmed(shown.ImageURL), file, unarmed(shown.ScreenshotID),
		cost, attempt, string(shown.ClosedBy),
		timeCell(row.CreatedAt), timeCell(shown.SubmittedAt), timeCell(shown.ClosedAt), duplicateOf, lineCell(row.Line))
}

func lineCell(line int) string {
	if line == 0 {
		return ""
	}
	return strconv.Itoa(line)
}

// inputCells returns the row as it was in the input.
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
