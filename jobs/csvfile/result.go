package csvfile

import (
	"fmt"
	"slices"
	"strings"

	"shotline/jobs"
	"shotline/jobs/resultcolumn"
	"shotline/jobs/weburl"
)

// A results file is input again. Its columns of the role result are ours: they are
// not among the columns of the new batch, which adds its own.

// addedURL returns the index of the column url if an earlier results file added it
// to the user's columns. Otherwise it returns -1.
func addedURL(header []string) int {
	if found, ok := resultcolumn.Find(header); ok {
		return found.URL
	}
	return -1
}

// resultURL returns the index of the URL column in the header of a results file to
// which url was added. That is the user's own column, because the user corrects
// the addresses there: the one with a known name, or else the only one with URLs
// in nearly all rows. If there is no such column, it is url.
func resultURL(header []string, named []int, below []sampleRow) int {
	found, _ := resultcolumn.Find(header)
	isOwn := func(at int) bool { return !found.Added[at] && at != found.URL }
	if at := slices.IndexFunc(named, isOwn); at >= 0 {
		return named[at]
	}
	var columns []int
	for at := range header {
		if isOwn(at) && shareOf(below, at, ipAddress) >= nearlyAll {
			columns = append(columns, at)
		}
	}
	if len(columns) == 1 {
		return columns[0]
	}
	return found.URL
}

// resultColumns returns the columns of an earlier results file by their index. The
// URLs are in the column url, which is not one of them.
func resultColumns(header []string, url int) map[int]column {
	found, ok := resultcolumn.Find(header)
	if !ok {
		return nil
	}
	columns := make(map[int]column, len(found.Added)+1)
	for at := range header {
		if at != url && (found.Added[at] || at == found.URL) {
			columns[at] = column{role: result, header: weburl.Trim(header[at]), name: fold(header[at])}
		}
	}
	if job, isResult := columns[found.Job]; isResult {
		job.name = resultcolumn.Job
		columns[found.Job] = job
	}
	return columns
}

// resultNote returns the note on the columns of the role result.
func (r *Reader) resultNote() []string {
	var names []string
	for _, c := range r.columns {
		if c.role == result {
			names = append(names, c.header)
		}
	}
	switch len(names) {
	case 0:
		return nil
	case 1:
		return []string{fmt.Sprintf("the column %s of an earlier results file is replaced", names[0])}
	}
	return []string{fmt.Sprintf("the %d columns of an earlier results file are replaced: %s to %s", len(names), names[0], names[len(names)-1])}
}

// own returns the cells of a row, or of the header, without those of the role
// result.
func (r *Reader) own(cells []string) []string {
	if !slices.ContainsFunc(r.columns, func(c column) bool { return c.role == result }) {
		return cells
	}
	var own []string
	for i, cell := range cells {
		if i >= len(r.columns) || r.columns[i].role != result {
			own = append(own, cell)
		}
	}
	return own
}

// setJob sets the job whose result a row shows. A text that is no id is ignored,
// as the other columns of the role result are.
func setJob(request *jobs.Request, cell string) {
	if id, err := jobs.ParseID(strings.TrimSpace(cell)); err == nil {
		request.Job = id
	}
}
