package summary

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"testing"

	"shotline/jobs"
)

// savedRows are rows of one batch whose images are saved, except those of odd
// rows.
type savedRows struct {
	rows []jobs.Row
	err  error // of FilesOf
}

func (s savedRows) Batch(_ context.Context, id string) (jobs.Batch, error) {
	return jobs.Batch{BatchSpec: jobs.BatchSpec{ID: id}}, nil
}

func (s savedRows) Rows(_ context.Context, _ string, after int64, limit int) ([]jobs.Row, error) {
	return s.rows[after:min(after+int64(limit), int64(len(s.rows)))], nil
}

func (s savedRows) FilesOf(_ context.Context, batch string, after, last int64) (files []jobs.File, err error) {
	for row := after + 1; row <= last; row++ {
		f := jobs.File{Job: jobs.ID{Batch: batch, Row: row}, Output: jobs.OutputImage, Shot: 1, State: jobs.FileSaved, Name: "a/" + integer(row) + ".png"}
		if row%2 == 1 {
			f.State = jobs.FileFailed
		}
		pdf, second := f, f
		pdf.Output, pdf.Name = jobs.OutputPDF, "x.pdf"
		second.Shot, second.Name = 2, "second.png"
		files = append(files, f, second, pdf)
	}
	return files, s.err
}

// TestResultsNameSavedFiles checks the column file for rows, for duplicates on
// later pages, and the error of the store.
func TestResultsNameSavedFiles(t *testing.T) {
	t.Parallel()
	var rows []jobs.Row
	for row := int64(1); row <= resultsPage+10; row++ {
		rows = append(rows, jobs.Row{Job: jobs.Job{ID: jobs.ID{Batch: "b", Row: row}, URL: "https://a.test/", State: jobs.Done}})
	}
	last := &rows[len(rows)-1]
	last.State, last.DuplicateOf, last.Original = jobs.Duplicate, 4, &rows[3].Job
	var out bytes.Buffer
	if err := (Results{}).Write(t.Context(), &out, savedRows{rows: rows}, "b"); err != nil {
		t.Fatal(err)
	}
	records, err := csv.NewReader(&out).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := -1
	for i, name := range records[0] {
		if name == "file" {
			column = i
		}
	}
	for row, want := range map[int]string{1: "", 2: "a/2.png", resultsPage + 2: "a/" + integer(resultsPage+2) + ".png", resultsPage + 10: "a/4.png"} {
		if got := records[row][column]; got != want {
			t.Errorf("row %d: file %q, want %q", row, got, want)
		}
	}
	broken := errors.New("broken")
	if err := (Results{}).Write(t.Context(), &out, savedRows{rows, broken}, "b"); !errors.Is(err, broken) {
		t.Errorf("got error %v", err)
	}
}
