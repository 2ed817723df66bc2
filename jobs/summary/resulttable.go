package summary

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"shotline/jobs"
	"shotline/jobs/csvfile"
	"shotline/jobs/resultcolumn"
	"shotline/jobs/weburl"
)

// table describes the columns of a results file.
type table struct {
	header    []string
	added     []string // names of the added columns, without prefixes
	own       int      // number of columns of the batch; 1 if it has none
	input     int      // own and the columns of the metadata
	metadata  metadataColumns
	urlColumn int    // index in the input of the column url; -1 if there is none
	address   int    // index in the input of the column whose name says that it has the URLs; -1 if there is none
	delimiter string // of the input
	file      func(jobs.Job) string
}

func newTable(batch jobs.Batch, metadata metadataColumns, file func(jobs.Job) string) table {
	columns, own := batch.Columns, len(batch.Columns)
	if own == 0 {
		columns, own = append([]string{resultcolumn.URL}, metadata.header()...), 1
	}
	t := table{own: own, input: len(columns), metadata: metadata, delimiter: batch.Dialect.Comma(), file: file}
	t.header, t.added = resultcolumn.Header(columns)
	t.urlColumn = slices.IndexFunc(columns, func(c string) bool {
		return strings.EqualFold(strings.TrimSpace(c), resultcolumn.URL)
	})
	t.address = t.urlColumn
	if t.address < 0 {
		t.address = csvfile.FindURLColumn(columns)
	}
	return t
}

// outcome returns the values of the added columns of one row: texts, numbers
// (int64 and float64) and times. An empty cell is nil.
func (t table) outcome(row jobs.Row) []any {
	shown := row.Job
	if row.State == jobs.Duplicate && row.Original != nil {
		shown = *row.Original
	}
	values := make([]any, len(t.added))
	for i, name := range t.added {
		values[i] = t.value(name, row, shown)
	}
	return values
}

// value returns the value of an added column. shown is the job whose result the
// row has.
func (t table) value(name string, row jobs.Row, shown jobs.Job) any {
	switch name {
	case resultcolumn.URL:
		if !t.fits(t.usedCells(row.Job)) {
			return nil
		}
		return text(row.URL)
	case resultcolumn.State:
		return text(string(shown.State))
	case "error":
		return text(shown.Error)
	case "image_url":
		return text(shown.ImageURL)
	case "file":
		if t.file == nil {
			return nil
		}
		return text(t.file(shown))
	case "screenshot_id":
		return text(shown.ScreenshotID)
	case "cost":
		if row.Cost == nil {
			return nil
		}
		return math.Round(*row.Cost*1e4) / 1e4 // without floating-point noise
	case "attempt":
		return whole(int64(shown.Attempt))
	case "closed_by":
		return text(string(shown.ClosedBy))
	case "created_at":
		return instant(row.CreatedAt)
	case "submitted_at":
		return instant(shown.SubmittedAt)
	case "closed_at":
		return instant(shown.ClosedAt)
	case "duplicate_of":
		return whole(row.DuplicateOf)
	case "line":
		return whole(int64(row.Line))
	case "row":
		return whole(row.ID.Row)
	case resultcolumn.Job:
		return row.ID.String()
	}
	panic("no value for the column " + name)
}

func text(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func whole(n int64) any {
	if n == 0 {
		return nil
	}
	return n
}

func instant(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}

// cellText returns a value of an added column as text. moment formats times.
func cellText(value any, moment func(time.Time) string) string {
	switch v := value.(type) {
	case string:
		return escapeFormula(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return credits(v)
	case time.Time:
		return moment(v)
	}
	return ""
}

// excelTime formats a time in UTC as Excel and LibreOffice read it, in whole
// seconds.
func excelTime(t time.Time) string { return t.UTC().Format(time.DateTime) }

// inputCells returns the cells of a row as in the input. A row without cells has
// its URL and, if the batch has no columns, its metadata. A row that does not fit
// the columns has its text in a column without URLs. Otherwise, a part of it could
// become the URL of a job if the file is input again.
func (t table) inputCells(job jobs.Job) []string {
	cells := make([]string, t.input, t.input+len(t.added))
	if job.Cells == nil {
		if t.urlColumn >= 0 {
			cells[t.urlColumn] = job.URL
		}
		t.metadata.fill(cells[1:], job.Metadata)
		return cells
	}
	used := t.usedCells(job)
	if t.fits(used) {
		copy(cells, used)
		return cells
	}
	at := 0
	if t.own > 1 && t.addressColumn(job) == 0 {
		at = 1
	}
	cells[at] = strings.Join(used, t.delimiter)
	return cells
}

// usedCells returns the cells of a row without surplus empty ones at its end, which
// spreadsheets write.
func (t table) usedCells(job jobs.Job) []string {
	all := len(job.Cells)
	for all > t.own && strings.TrimSpace(job.Cells[all-1]) == "" {
		all--
	}
	return job.Cells[:all]
}

// fits reports whether the cells of a row belong to the columns of the input. A row
// that cannot be divided has one cell.
func (t table) fits(used []string) bool {
	return len(used) <= t.own && (len(used) != 1 || t.own == 1)
}

// addressColumn returns the index of the column of the input with the URL of a
// row, or -1 if neither the header nor the row tells.
func (t table) addressColumn(job jobs.Job) int {
	if t.address >= 0 {
		return t.address
	}
	return slices.IndexFunc(job.Cells[:min(len(job.Cells), t.own)], func(cell string) bool {
		normal, err := weburl.Normalize(cell)
		return err == nil && normal == job.URL
	})
}
