package artifact

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"shotline/client/pageurl"
)

// variables are the variables of templates by name.
var variables = map[string]func(Values) string{
	"id":      func(v Values) string { return v.File.Screenshot },
	"domain":  func(v Values) string { return strings.TrimPrefix(v.host(), "www.") },
	"yyyy":    func(v Values) string { return v.time("2006") },
	"mm":      func(v Values) string { return v.time("01") },
	"dd":      func(v Values) string { return v.time("02") },
	"hh":      func(v Values) string { return v.time("15") },
	"ii":      func(v Values) string { return v.time("04") },
	"ss":      func(v Values) string { return v.time("05") },
	"tag":     Values.tag,
	"job":     func(v Values) string { return v.Job.ID.String() },
	"batch":   func(v Values) string { return v.Job.ID.Batch },
	"row":     func(v Values) string { return strconv.FormatInt(v.Job.ID.Row, 10) },
	"line":    Values.line,
	"state":   func(v Values) string { return string(v.Job.State) },
	"host":    Values.host,
	"path":    Values.path,
	"ext":     func(v Values) string { return v.Extension },
	"shot":    func(v Values) string { return strconv.Itoa(v.File.Shot) },
	"attempt": func(v Values) string { return strconv.Itoa(v.File.Attempt) },
	"output":  func(v Values) string { return string(v.File.Output) },
}

// time formats the end of the job. Unlike the present, it is the same if the file
// is fetched again.
func (v Values) time(layout string) string {
	if v.Job.ClosedAt.IsZero() {
		return ""
	}
	return v.Job.ClosedAt.UTC().Format(layout)
}

// tag returns the first tag that the vendor has, which is a tag of the batch if it
// has tags.
func (v Values) tag() string {
	for _, tags := range [][]string{v.Tags, v.Job.Tags} {
		if len(tags) > 0 {
			return tags[0]
		}
	}
	return ""
}

// line returns the line of the input, or the row if the job did not come from a
// file.
func (v Values) line() string {
	if v.Job.Line > 0 {
		return strconv.Itoa(v.Job.Line)
	}
	return strconv.FormatInt(v.Job.ID.Row, 10)
}

func (v Values) host() string {
	u, err := pageurl.Parse(v.Job.URL)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// path returns the path of the URL without slashes at its ends.
func (v Values) path() string {
	u, err := pageurl.Parse(v.Job.URL)
	if err != nil {
		return ""
	}
	return strings.Trim(u.Path, "/")
}

// column returns the cell of the column with a name, or else metadata with the
// name.
func (v Values) column(name string) string {
	at := columnIndex(v.Columns, name)
	switch {
	case at < 0:
		return v.metadata(name)
	case at < len(v.Job.Cells):
		return v.Job.Cells[at]
	case v.Job.Cells == nil && strings.EqualFold(name, "url"):
		return v.Job.URL
	}
	return ""
}

// meta returns metadata with a name, or else the cell of the column.
func (v Values) meta(name string) string {
	if _, given := v.Job.Metadata[name]; given || columnIndex(v.Columns, name) < 0 {
		return v.metadata(name)
	}
	return v.column(name)
}

func (v Values) metadata(name string) string {
	switch value := v.Job.Metadata[name].(type) {
	case nil:
		return ""
	case string:
		return value
	case json.Number:
		return value.String()
	default:
		return fmt.Sprint(value)
	}
}
