package orchestrator

import (
	"fmt"
	"maps"
	"slices"

	"shotline/jobs"
)

// keep returns the request of a row of a table, with the fields of the present
// request of j that the table does not change: it has no column for them, or the
// cell is the same as before.
func (a *amender) keep(r jobs.Request, j jobs.Job) jobs.Request {
	if a.options.Columns == nil {
		return r
	}
	stays := func(field string) bool {
		at, found := a.options.Fields[field]
		return !found || a.sameCell(at, r, j)
	}
	r.Params = withKept(r.Params, j.Params, func(name string) bool { return stays(jobs.ParamField + name) })
	r.Metadata = withKept(r.Metadata, j.Metadata, func(name string) bool { return stays(jobs.MetadataField + name) })
	if len(r.Tags) == 0 && stays(jobs.TagsField) {
		r.Tags = j.Tags
	}
	if r.Timeout == 0 && stays(jobs.TimeoutField) {
		r.Timeout = j.Timeout
	}
	if r.Priority == nil && stays(jobs.PriorityField) {
		r.Priority = j.Priority
	}
	return r
}

// sameCell reports whether the row of the batch has the same cell as the request
// in a column of the table.
func (a *amender) sameCell(column int, r jobs.Request, j jobs.Job) bool {
	at := slices.Index(a.from, column)
	return at >= 0 && at < len(j.Cells) && column < len(r.Cells) && j.Cells[at] == r.Cells[column]
}

// withKept returns the values of a request with those of the present one that
// stay. A value that reads the same stays, too, because a table has only texts.
func withKept[M ~map[string]any](given, present M, stays func(name string) bool) M {
	values := maps.Clone(given)
	for name, value := range present {
		_, isGiven := given[name]
		if (isGiven || !stays(name)) && asCell(given[name]) != asCell(value) {
			continue
		}
		if values == nil {
			values = M{}
		}
		values[name] = value
	}
	return values
}

// asCell returns a value as a cell of a table. The cell of null is empty.
func asCell(value any) string {
	if value == nil {
		return ""
	}
	return fmt.Sprint(value)
}
