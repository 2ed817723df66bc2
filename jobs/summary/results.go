package summary

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"

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

// Format is a format of results.
type Format string

// The formats of results.
const (
	CSV   Format = "csv"   // a table as text, written as the input was
	TSV   Format = "tsv"   // the same, separated by tabs
	JSONL Format = "jsonl" // one JSON object per line
	XLSX  Format = "xlsx"  // a workbook with one sheet
)

// Formats lists the formats of results.
var Formats = []Format{CSV, TSV, JSONL, XLSX}

// Results writes the results of a batch. The zero value writes all rows as CSV.
type Results struct {
	// File returns the name of a job's saved image. If it is nil, the name is that
	// of the store's record, relative to the folder of the download.
	File   func(jobs.Job) string
	Format Format       // empty: CSV
	States []jobs.State // only rows in these states; empty: all

	// Delimiter separates the cells of CSV. If it is empty, that of the input does.
	Delimiter string
	// Excel makes CSV and TSV easy to open in Excel: they have a byte order mark and
	// CRLF line ends, and times are written as Excel reads them, in whole seconds.
	Excel bool
}

// Write writes the rows of the batch in order. For every format but JSONL that is
// a table with a header: the columns and cells of the input, unchanged, then
// state, error, image_url, file, screenshot_id, cost, attempt, closed_by,
// created_at, submitted_at, closed_at, duplicate_of, line (of the input), job_id
// and row (of the batch).
//
//   - The columns of the input keep their names and positions. If an added
//     column has the same name, ignoring case, it gets the prefix shotline_.
//   - There is always a column url. If the input has no such column, it is the
//     first added column, and row comes before job_id. If the input has no
//     header, it is the first column, followed by the metadata of rows that have
//     no cells, sorted by name: a column for each name, or one column metadata with
//     JSON objects if there are more than 1000 names or 64 KiB of them. For the
//     names, the rows are read twice.
//   - A duplicate has the result of the row that it repeats. The number of that
//     row is in duplicate_of; 1 is the first row after the header. The cost of a
//     duplicate is empty, because the other row was charged, unless the duplicate
//     was charged before it was amended. The sum of the column is therefore the cost
//     of the batch.
//   - The error of a rejected row is the reason for the rejection.
//   - If a row has more cells than columns, they are joined with the delimiter of
//     the input, without empty ones at the end, in the first column that has no
//     URLs. A row that cannot be divided has its text there. If a row has fewer
//     cells, empty ones are added.
//   - Cells of the input are not changed. Added cells with text get an apostrophe
//     in front if a spreadsheet would interpret them as a formula. Numbers such
//     as -5 are no formulas. XLSX has no apostrophes, because it states for each
//     cell that it is text.
//
// JSONL has the fields of jobjson.Record. A duplicate has its own fields there, and
// the number of the row that it repeats.
func (r Results) Write(ctx context.Context, w io.Writer, src RowSource, batchID string) error {
	if err := r.write(ctx, w, src, batchID); err != nil {
		return fmt.Errorf("results of %s: %w", batchID, err)
	}
	return nil
}

func (r Results) write(ctx context.Context, w io.Writer, src RowSource, batchID string) error {
	batch, err := src.Batch(ctx, batchID)
	if err != nil {
		return err
	}
	var metadata metadataColumns
	if r.Format != JSONL {
		if metadata, err = findMetadata(ctx, src, batch); err != nil {
			return err
		}
	}
	if files, knows := src.(fileSource); knows && r.File == nil {
		named := &namedRows{RowSource: src, files: files}
		src, r.File = named, named.name
	}
	switch r.Format {
	case JSONL:
		return r.writeJSON(ctx, w, src, batch)
	case XLSX:
		return r.writeWorkbook(ctx, w, src, newTable(batch, metadata, r.File), batch)
	default:
		return r.writeText(ctx, w, src, newTable(batch, metadata, r.File), batch)
	}
}

// each calls write with every row in r.States, in order.
func (r Results) each(ctx context.Context, src RowSource, batchID string, write func(jobs.Row) error) error {
	for after := int64(0); ; {
		rows, err := src.Rows(ctx, batchID, after, resultsPage)
		if err != nil {
			return fmt.Errorf("after row %d: %w", after, err)
		}
		for _, row := range rows {
			if len(r.States) > 0 && !slices.Contains(r.States, row.State) {
				continue
			}
			if err := write(row); err != nil {
				return err
			}
		}
		if len(rows) < resultsPage {
			return nil
		}
		after = rows[len(rows)-1].ID.Row
	}
}

func (r Results) writeJSON(ctx context.Context, w io.Writer, src RowSource, batch jobs.Batch) error {
	out := json.NewEncoder(w)
	return r.each(ctx, src, batch.ID, func(row jobs.Row) error {
		record := jobjson.Record{Job: jobjson.FromJob(row.Job)}
		if r.File != nil {
			record.File = r.File(row.Job)
		}
		return out.Encode(record)
	})
}

func (r Results) writeText(ctx context.Context, w io.Writer, src RowSource, t table, batch jobs.Batch) error {
	dialect := r.dialect(batch.Dialect)
	out := newRecordWriter(w, dialect)
	if err := out.write(t.header); err != nil {
		return err
	}
	moment := timeCell
	if r.Excel {
		moment = excelTime
	}
	err := r.each(ctx, src, batch.ID, func(row jobs.Row) error {
		record := t.inputCells(row.Job)
		for _, value := range t.outcome(row) {
			record = append(record, cellText(value, moment))
		}
		return out.write(record)
	})
	if err != nil {
		return err
	}
	return out.flush()
}

// dialect returns how to write CSV or TSV if the input was written in the dialect
// of the batch.
func (r Results) dialect(d jobs.Dialect) jobs.Dialect {
	if r.Delimiter != "" {
		d.Delimiter = r.Delimiter
	}
	if r.Format == TSV {
		d.Delimiter = "\t"
	}
	if r.Excel {
		d.BOM, d.CRLF = true, true
	}
	return d
}
