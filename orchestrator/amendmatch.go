package orchestrator

import (
	"context"
	"fmt"
	"strings"

	"shotline/jobs"
)

// alignment returns a function that brings the cells of a request into the columns
// of the batch.
func (a *amender) alignment() (func([]string) []string, error) {
	if len(a.batch.Columns) == 0 {
		return func([]string) []string { return nil }, nil
	}
	from := make([]int, len(a.batch.Columns))
	used := make([]bool, len(a.options.Columns))
	for i, column := range a.batch.Columns {
		from[i] = columnIndex(a.options.Columns, column, used)
		if from[i] < 0 {
			return nil, fmt.Errorf("%w: the batch has a column %q, which is missing", ErrInput, column)
		}
		used[from[i]] = true
	}
	return func(given []string) []string {
		if given == nil {
			return nil
		}
		cells := make([]string, len(from))
		for i, at := range from {
			if at < len(given) {
				cells[i] = given[at]
			}
		}
		return cells
	}, nil
}

// columnIndex returns the index of the first column of this name that is not used,
// or -1 if there is none.
func columnIndex(columns []string, name string, used []bool) int {
	for i, column := range columns {
		if strings.EqualFold(strings.TrimSpace(column), strings.TrimSpace(name)) && (used == nil || !used[i]) {
			return i
		}
	}
	return -1
}

// match returns the row of the batch for each request.
func (a *amender) match(ctx context.Context, given []jobs.Request) ([]int64, error) {
	if a.options.By != "" {
		return a.matchByColumn(ctx, given)
	}
	rows := make([]int64, len(given))
	for i, r := range given {
		switch {
		case r.Job.IsZero() && r.Reject != "":
			return nil, badLine(r, "it names no job: %s", r.Reject)
		case r.Job.IsZero():
			return nil, badLine(r, "it names no job: use a results file with its column job_id, or match rows by a column of yours with --by")
		case r.Job.Batch != a.batch.ID:
			return nil, badLine(r, "job %s is of batch %s", r.Job, r.Job.Batch)
		}
		rows[i] = r.Job.Row
	}
	return rows, nil
}

// matchByColumn matches rows by the value of a column, which must be unique both in
// the file and in the batch.
func (a *amender) matchByColumn(ctx context.Context, given []jobs.Request) ([]int64, error) {
	inFile, inBatch := columnIndex(a.options.Columns, a.options.By, nil), columnIndex(a.batch.Columns, a.options.By, nil)
	if inFile < 0 {
		return nil, fmt.Errorf("%w: there is no column %q", ErrInput, a.options.By)
	}
	if inBatch < 0 {
		return nil, fmt.Errorf("%w: the batch has no column %q", ErrInput, a.options.By)
	}
	wanted := make(map[string]int, len(given))
	for i, r := range given {
		value := cellAt(r.Cells, inFile)
		if value == "" {
			return nil, badLine(r, "its column %q is empty", a.options.By)
		}
		if first, taken := wanted[value]; taken {
			return nil, badLine(r, "its %s %q is also in line %d", a.options.By, value, given[first].Line)
		}
		wanted[value] = i
	}
	rows := make([]int64, len(given))
	err := a.eachRow(ctx, func(j jobs.Job) error {
		value := cellAt(j.Cells, inBatch)
		i, found := wanted[value]
		if !found {
			return nil
		}
		if rows[i] != 0 {
			return badLine(given[i], "rows %d and %d of the batch both have the %s %q", rows[i], j.ID.Row, a.options.By, value)
		}
		rows[i] = j.ID.Row
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, row := range rows {
		if row == 0 {
			return nil, badLine(given[i], "no row of the batch has the %s %q", a.options.By, cellAt(given[i].Cells, inFile))
		}
	}
	return rows, nil
}

func cellAt(cells []string, i int) string {
	if i >= len(cells) {
		return ""
	}
	return strings.TrimSpace(cells[i])
}
