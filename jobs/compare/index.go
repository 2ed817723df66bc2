package compare

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"shotline/jobs"
	"shotline/jobs/summary"
)

// entry is what is kept of a row.
type entry struct {
	key   [16]byte // of what identifies the row
	cost  int64    // millionths of a credit; unknownCost
	row   uint32
	state uint8 // index in jobs.States
}

const unknownCost = math.MinInt64

// index is what is kept of a batch, sorted by key and row.
type index struct {
	entries    []entry
	rows       int64
	duplicates int64 // that are not compared
}

// rowPage is the number of rows to read at a time.
const rowPage = 1000

// readIndex reads a batch. Rows of a table are found by the column, others by the
// field of their metadata with its name.
func readIndex(ctx context.Context, src Source, b jobs.Batch, by string) (index, error) {
	x := index{entries: make([]entry, 0, b.Counts.Rows)}
	column, err := columnOf(b, by)
	if err != nil {
		return x, err
	}
	found := by == "" || column >= 0
	for after := int64(0); ; {
		page, err := src.Rows(ctx, b.ID, after, rowPage)
		if err != nil {
			return x, err
		}
		for _, r := range page {
			after = r.ID.Row
			x.rows++
			if by == "" && r.State == jobs.Duplicate {
				x.duplicates++
				continue
			}
			value, present := valueOf(r.Job, by, column)
			found = found || present
			j := Outcome(r)
			e := entry{key: keyOf(r.Job, value), cost: unknownCost, row: uint32(r.ID.Row), state: uint8(slices.Index(jobs.States, j.State))}
			if j.Cost != nil {
				e.cost = int64(math.Round(*j.Cost * 1e6))
			}
			x.entries = append(x.entries, e)
		}
		if len(page) == 0 {
			break
		}
	}
	if !found && x.rows > 0 {
		return x, &ColumnError{b.ID, fmt.Sprintf("no row has a field %q in its metadata", by)}
	}
	slices.SortFunc(x.entries, func(a, b entry) int {
		return cmp.Or(bytes.Compare(a.key[:], b.key[:]), cmp.Compare(a.row, b.row))
	})
	return x, nil
}

// ColumnError says that a batch does not have the column that rows are found by.
type ColumnError struct {
	Batch  string
	Reason string
}

func (e *ColumnError) Error() string { return fmt.Sprintf("batch %s: %s", e.Batch, e.Reason) }

// columnOf returns the index of the column, or -1 if the batch has no columns.
func columnOf(b jobs.Batch, by string) (int, error) {
	if by == "" || len(b.Columns) == 0 {
		return -1, nil
	}
	if err := summary.CheckCaptions(b, []string{by}); err != nil {
		return -1, &ColumnError{b.ID, err.Error()}
	}
	return slices.IndexFunc(b.Columns, func(c string) bool {
		return strings.EqualFold(strings.TrimSpace(c), strings.TrimSpace(by))
	}), nil
}

// valueOf returns the value of a row in the column or field that rows are found
// by. The value is empty if the row has none.
func valueOf(j jobs.Job, by string, column int) (value string, present bool) {
	switch {
	case by == "":
		return "", false
	case column >= 0 && column < len(j.Cells):
		return strings.TrimSpace(j.Cells[column]), true
	case column >= 0:
		return "", true
	}
	field, present := j.Metadata[by]
	if field == nil {
		return "", present
	}
	return strings.TrimSpace(fmt.Sprint(field)), true
}

// keyOf returns what identifies a row: its value or, without one, its URL and its
// own parameters. A row without a URL is identified by its cells.
func keyOf(j jobs.Job, value string) (key [16]byte) {
	parts := []any{"value", value}
	switch {
	case value != "":
	case j.URL == "":
		parts = []any{"cells", j.Cells}
	case len(j.Params) > 0:
		parts = []any{"url", j.URL, j.Params}
	default:
		parts = []any{"url", j.URL}
	}
	text, err := json.Marshal(parts)
	if err != nil { // not possible: the parts came from JSON
		text = []byte(fmt.Sprint(parts))
	}
	sum := sha256.Sum256(text)
	return [16]byte(sum[:])
}

// Outcome returns the job of a row. A duplicate has the outcome of the row that it
// repeats, and no cost.
func Outcome(r jobs.Row) jobs.Job {
	if r.State != jobs.Duplicate || r.Original == nil {
		return r.Job
	}
	j := r.Job
	o := r.Original
	j.State, j.Error, j.ScreenshotID, j.ImageURL, j.ClosedAt, j.Attempt = o.State, o.Error, o.ScreenshotID, o.ImageURL, o.ClosedAt, o.Attempt
	j.Cost = nil
	return j
}
