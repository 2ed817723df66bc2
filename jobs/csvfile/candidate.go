package csvfile

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"shotline/client/excerpt"
)

// A candidate is a column that has the name of a parameter. Whether it is one is
// known after all its values were read. Only then can the first request be
// returned, because all rows of a column are treated alike.

func (r *Reader) hasCandidates() bool {
	return slices.ContainsFunc(r.columns, func(c column) bool { return c.candidate })
}

// judgeCandidates reads the rest of the input, decides the role of the
// candidates, and starts again at the first row.
func (r *Reader) judgeCandidates() error {
	judged, err := r.readCandidates()
	if err != nil {
		return err
	}
	if _, err := r.source.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := r.start(); err != nil {
		return err
	}
	r.columns = judged
	return nil
}

// readCandidates reads rows until all candidates are decided. It ignores errors
// of the source, because reading the requests will return them.
func (r *Reader) readCandidates() ([]column, error) {
	columns := slices.Clone(r.columns)
	undecided, hasValue := map[int]bool{}, map[int]bool{}
	for i, c := range columns {
		if c.candidate {
			undecided[i] = true
		}
	}
	for rec := *r.ahead; len(undecided) > 0; {
		for i := range undecided {
			text, ok := candidateValue(rec, i, len(columns))
			switch {
			case !ok || strings.TrimSpace(text) == "":
			case columns[i].param.Plausible(text):
				hasValue[i] = true
			default:
				columns[i] = columns[i].own(implausible(columns[i], rec.line, text))
				delete(undecided, i)
			}
		}
		next, err := r.nextRecord()
		if err != nil {
			break
		}
		rec = next
	}
	for i, c := range columns {
		if r.columns[i].candidate && c.role == metadata {
			columns[i].note += fmt.Sprintf("; %s:%s sends it", paramPrefix, c.header) // once is enough
			break
		}
	}
	for i := range undecided {
		columns[i].candidate = false
		if hasValue[i] {
			columns[i].note = columns[i].sentNote()
		}
	}
	return columns, checkRepeated(columns)
}

// candidateValue returns the cell of a column. It is not ok if the row will be
// rejected because of its form.
func candidateValue(rec record, i, columns int) (text string, ok bool) {
	if rec.flaw != "" || i >= len(rec.cells) {
		return "", false
	}
	if len(rec.cells) > columns && strings.TrimSpace(strings.Join(rec.cells[columns:], "")) != "" {
		return "", false
	}
	return rec.cells[i], checkText(rec.cells[i]) == nil
}

// implausible explains why a column is not a parameter.
func implausible(c column, line int, text string) string {
	shown := fmt.Sprintf("%q", excerpt.Of(text))
	if c.param.Secret {
		shown = "a value that is no " + c.name
	}
	if want := c.param.Want(); want != "" {
		shown += ", not " + want
	}
	return fmt.Sprintf("because line %d has %s", line, shown)
}
