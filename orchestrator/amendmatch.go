package orchestrator

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"shotline/client/excerpt"
	"shotline/jobs"
)

// alignment returns a function that brings the cells of a request into the columns
// of the batch. It sets a.from.
func (a *amender) alignment() (func(jobs.Request) []string, error) {
	if len(a.batch.Columns) == 0 {
		return func(jobs.Request) []string { return nil }, nil
	}
	if a.options.Columns == nil {
		return nil, badLine(0, nil, "the batch has columns, such as %q: give its rows as a table with the same columns", a.batch.Columns[0])
	}
	from := make([]int, len(a.batch.Columns))
	used := make([]bool, len(a.options.Columns))
	for i, column := range a.batch.Columns {
		from[i] = columnIndex(a.options.Columns, column, used)
		if from[i] < 0 {
			return nil, badLine(0, nil, "the batch has a column %q, which is missing", column)
		}
		used[from[i]] = true
	}
	a.from = from
	return func(r jobs.Request) []string {
		if r.Cells == nil {
			return nil
		}
		cells := make([]string, len(from))
		for i, at := range from {
			if at < len(r.Cells) {
				cells[i] = r.Cells[at]
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

// matchByJob adds each request to its row, which the job of the request names.
func (a *amender) matchByJob(ctx context.Context, requests Requests) error {
	return eachRequest(requests, func(r jobs.Request) error {
		switch {
		case r.Job.IsZero() && r.Reject != "":
			return badLine(r.Line, nil, "it names no job: %s", r.Reject)
		case r.Job.IsZero():
			return fmt.Errorf("%w: %w", ErrInput, &jobs.AmendError{Line: r.Line, Option: jobs.AmendBy,
				Reason: "it names no job: use a results file with its column job_id"})
		case r.Job.Batch != a.batch.ID:
			return badLine(r.Line, nil, "job %s is of batch %s", r.Job, r.Job.Batch)
		}
		j, err := a.store.Job(ctx, r.Job)
		if errors.Is(err, jobs.ErrNotFound) {
			return badLine(r.Line, nil, "the batch has no row %d", r.Job.Row)
		}
		if err != nil {
			return err
		}
		return a.add(ctx, j, r)
	})
}

// matchByColumn adds each request to the row that has the same value in a column.
// The value must be unique both in the file and in the batch.
func (a *amender) matchByColumn(ctx context.Context, requests Requests) error {
	inFile, err := keyColumn(a.options.Columns, a.options.By, "there is")
	if err != nil {
		return err
	}
	inBatch, err := keyColumn(a.batch.Columns, a.options.By, "the batch has")
	if err != nil {
		return err
	}
	type match struct {
		draft place
		line  int32
		row   int64 // 0 until it is found
	}
	var matches []match
	wanted := map[[16]byte]int32{} // indexes of matches by the hashes of their values, which can be long
	err = eachRequest(requests, func(r jobs.Request) error {
		value := inFile.value(r.Cells, r.Metadata)
		if value == "" {
			return badLine(r.Line, nil, "it has no %s", a.options.By)
		}
		hash := hashOf(value)
		if first, taken := wanted[hash]; taken {
			return twice(int32(r.Line), matches[first].line, "its %s %q occurs twice", a.options.By, excerpt.Of(value))
		}
		wanted[hash] = int32(len(matches))
		draft, err := a.drafts.add(request{Request: r})
		matches = append(matches, match{draft: draft, line: int32(r.Line)})
		return err
	})
	if err != nil {
		return err
	}
	err = a.eachRow(ctx, func(j jobs.Job) error {
		value := inBatch.value(j.Cells, j.Metadata)
		i, found := wanted[hashOf(value)]
		if !found {
			return nil
		}
		m := &matches[i]
		if m.row != 0 {
			return badLine(int(m.line), nil, "rows %d and %d of the batch both have the %s %q", m.row, j.ID.Row, a.options.By, excerpt.Of(value))
		}
		m.row = j.ID.Row
		return nil
	})
	if err != nil {
		return err
	}
	for _, m := range matches {
		if m.row == 0 {
			var r request
			if err := a.drafts.get(m.draft, &r); err != nil {
				return err
			}
			return badLine(r.Line, nil, "no row of the batch has the %s %q", a.options.By, excerpt.Of(inFile.value(r.Cells, r.Metadata)))
		}
	}
	for _, m := range matches {
		var r request
		if err := a.drafts.get(m.draft, &r); err != nil {
			return err
		}
		j, err := a.store.Job(ctx, jobs.ID{Batch: a.batch.ID, Row: m.row})
		if err == nil {
			err = a.add(ctx, j, r.Request)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// key is where the value of a row is that names it.
type key struct {
	column int    // index; -1: it is in the metadata
	name   string // of the field of the metadata
}

// keyColumn returns the key with a name. Rows without columns have it in their
// metadata. owner begins the error.
func keyColumn(columns []string, name, owner string) (key, error) {
	at := columnIndex(columns, name, nil)
	if at < 0 && len(columns) > 0 {
		return key{}, badLine(0, nil, "%s no column %q", owner, name)
	}
	return key{at, name}, nil
}

// value returns the value of a row, or an empty text if it has none.
func (k key) value(cells []string, metadata jobs.Metadata) string {
	switch {
	case k.column >= len(cells):
		return ""
	case k.column >= 0:
		return strings.TrimSpace(cells[k.column])
	}
	if value := metadata[k.name]; value != nil {
		return strings.TrimSpace(fmt.Sprint(value))
	}
	return ""
}

// hashOf returns a hash. In practice, different values have different hashes.
func hashOf(value string) (hash [16]byte) {
	sum := sha256.Sum256([]byte(value))
	copy(hash[:], sum[:])
	return hash
}
