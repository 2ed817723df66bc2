package compare

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"time"

	"shotline/jobs"
	"shotline/jobs/summary"
)

type batchRecord struct {
	BatchID   string    `json:"batch_id"`
	Source    string    `json:"source,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	Rows      int64     `json:"rows"`
}

// reportRecord is the report without its changes.
type reportRecord struct {
	A           batchRecord    `json:"a"`
	B           batchRecord    `json:"b"`
	By          string         `json:"by,omitempty"`
	OtherParams []string       `json:"other_params,omitempty"`
	Same        int64          `json:"same"`
	Changed     int64          `json:"changed"`
	Duplicates  int64          `json:"duplicates"`
	Kinds       map[Kind]int64 `json:"kinds"`
}

// sideRecord is one row of a change.
type sideRecord struct {
	JobID        jobs.ID    `json:"job_id"`
	Row          int64      `json:"row"`
	Line         int        `json:"line,omitempty"`
	State        jobs.State `json:"state"`
	Error        string     `json:"error,omitempty"`
	Cost         *float64   `json:"cost,omitempty"`
	ScreenshotID string     `json:"screenshot_id,omitempty"`
	Shown
}

type changeRecord struct {
	URL         string      `json:"url"`
	Kinds       []Kind      `json:"kinds"`
	A           *sideRecord `json:"a,omitempty"`
	B           *sideRecord `json:"b,omitempty"`
	Share       *float64    `json:"share,omitempty"` // of the pixels that differ
	Pixels      int64       `json:"pixels,omitempty"`
	Difference  string      `json:"difference,omitempty"`
	NotCompared string      `json:"not_compared,omitempty"`
}

func (c Change) record() changeRecord {
	r := changeRecord{URL: c.Job().URL, Kinds: c.Kinds, Pixels: c.Look.Pixels, Difference: c.Look.Difference, NotCompared: c.Look.Reason}
	if c.Has(Picture) {
		r.Share = &c.Look.Share
	}
	side := func(j *jobs.Job, shown Shown) *sideRecord {
		if j == nil {
			return nil
		}
		return &sideRecord{j.ID, j.ID.Row, j.Line, j.State, j.Error, j.Cost, j.ScreenshotID, shown}
	}
	r.A, r.B = side(c.A, c.Look.A), side(c.B, c.Look.B)
	return r
}

// WriteJSON writes the report as one object. Each of its changes is on a line.
func WriteJSON(ctx context.Context, w io.Writer, r *Report) error {
	out := bufio.NewWriter(w)
	side := func(b jobs.Batch) batchRecord { return batchRecord{b.ID, b.Source, b.CreatedAt, b.Counts.Rows} }
	kinds := make(map[Kind]int64, len(Kinds))
	for _, k := range Kinds {
		kinds[k] = r.Counts.Kinds[k]
	}
	head, err := encode(reportRecord{side(r.A), side(r.B), r.By, r.OtherParams, r.Counts.Same, r.Counts.Changed, r.Counts.DuplicatesA + r.Counts.DuplicatesB, kinds})
	if err != nil {
		return err
	}
	out.WriteString(strings.TrimSuffix(head, "}") + `,"changes":[`)
	separator := "\n"
	for c, err := range r.Changes(ctx) {
		if err != nil {
			return err
		}
		text, err := encode(c.record())
		if err != nil {
			return err
		}
		out.WriteString(separator + text)
		separator = ",\n"
	}
	out.WriteString("\n]}\n")
	return out.Flush()
}

// encode returns JSON in which URLs stay readable.
func encode(value any) (string, error) {
	var text strings.Builder
	out := json.NewEncoder(&text)
	out.SetEscapeHTML(false)
	err := out.Encode(value)
	return strings.TrimSuffix(text.String(), "\n"), err
}

// sideColumns are the columns of each row of a change.
var sideColumns = []string{"job_id", "row", "line", "state", "error", "cost", "screenshot_id", "final_url", "title", "width", "height", "image"}

// WriteCSV writes a row for each change. The columns of the rows have the prefixes
// a_ and b_. Several kinds are separated by spaces.
func WriteCSV(ctx context.Context, w io.Writer, r *Report) error {
	out := csv.NewWriter(w)
	header := []string{"kinds", "url", "share", "pixels", "difference", "not_compared"}
	for _, prefix := range []string{"a_", "b_"} {
		for _, name := range sideColumns {
			header = append(header, prefix+name)
		}
	}
	if err := out.Write(header); err != nil {
		return err
	}
	for c, err := range r.Changes(ctx) {
		if err != nil {
			return err
		}
		record := c.record()
		kinds := make([]string, len(record.Kinds))
		for i, k := range record.Kinds {
			kinds[i] = string(k)
		}
		cells := []string{strings.Join(kinds, " "), record.URL, "", decimal(record.Pixels), record.Difference, record.NotCompared}
		if record.Share != nil {
			cells[2] = strconv.FormatFloat(*record.Share, 'g', -1, 64)
		}
		cells = append(append(cells, record.A.cells()...), record.B.cells()...)
		for i, cell := range cells {
			cells[i] = summary.EscapeFormula(cell)
		}
		if err := out.Write(cells); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func (s *sideRecord) cells() []string {
	if s == nil {
		return make([]string, len(sideColumns))
	}
	cost := ""
	if s.Cost != nil {
		cost = strconv.FormatFloat(*s.Cost, 'f', -1, 64)
	}
	return []string{
		s.JobID.String(), decimal(s.Row), decimal(int64(s.Line)), string(s.State), s.Error, cost, s.ScreenshotID, s.FinalURL, s.Title,
		decimal(int64(s.Width)), decimal(int64(s.Height)), s.Image,
	}
}

// decimal formats a number. Zero is empty.
func decimal(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}
