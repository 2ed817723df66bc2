package resultcolumn

import (
	"slices"
	"strings"
)

// The names of the columns that other packages refer to.
const (
	URL   = "url"
	State = "state"
	Job   = "job_id"
)

// prefix makes the name of an added column differ from the names of the input.
const prefix = "shotline_"

// first are the columns that the first versions of the program added.
var first = []string{
	State, "error", "image_url", "file", "screenshot_id", "cost", "attempt", "closed_by",
	"created_at", "submitted_at", "closed_at", "duplicate_of", "line",
}

// The columns that this version adds, in their order. New columns come at the end.
//
// The order of row and job_id shows whether the file has an added column url: with
// one, row comes first. The name url alone does not show it, because most inputs
// have such a column themselves.
var (
	withURL    = slices.Concat(first, []string{"row", Job}) // after url
	withoutURL = slices.Concat(first, []string{Job, "row"})
)

// versions are the sets of columns that the versions of the program added, the
// newest first.
var versions = [][]string{withURL, withoutURL, first}

// Header returns the columns of a results file: those of the input, then url if
// the input has no such column, then the added ones. If an added column has the
// same name as an earlier one, ignoring case, it gets the prefix shotline_.
//
// The second result is the added columns, without prefixes, in the order of the
// header.
func Header(input []string) (header, added []string) {
	header = slices.Clone(input)
	if !slices.ContainsFunc(input, func(c string) bool { return equal(c, URL) }) {
		added = append([]string{URL}, withURL...)
	} else {
		added = withoutURL
	}
	return appendNames(header, added), added
}

func appendNames(header, added []string) []string {
	for _, name := range added {
		for slices.ContainsFunc(header, func(c string) bool { return equal(c, name) }) {
			name = prefix + name
		}
		header = append(header, name)
	}
	return header
}

func equal(a, b string) bool { return strings.EqualFold(strings.TrimSpace(a), b) }
