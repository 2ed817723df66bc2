package csvfile

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"shotline/client/excerpt"
)

// sample is the beginning of a file, divided by one separator.
type sample struct {
	comma byte
	begin position
	rows  []sampleRow
}

type sampleRow struct {
	record
	end     position
	comment bool // the line begins with #
}

// sample reads the beginning of the file with a separator.
func (r *records) sample(begin position, comma byte) (sample, error) {
	r.rewind(begin)
	r.comma, r.comments = comma, false
	s := sample{comma: comma, begin: begin}
	for rows := 0; rows < sampleRows+maxTitles && r.pos < begin.at+sampleBytes; {
		end, err := r.begin()
		if errors.Is(err, io.EOF) {
			return s, nil
		}
		if err != nil {
			return s, err
		}
		if end < 0 {
			if len(s.rows) == 0 {
				return s, fmt.Errorf("line %d: %s", r.line, r.tooLong())
			}
			return s, nil
		}
		row := sampleRow{record: record{line: r.line}, comment: r.buf[r.pos] == '#'}
		var n int
		if row.cells, n, row.flaw = r.peek(end); row.comment && row.flaw != "" {
			n = end
		}
		repairText(row.cells)
		r.consume(n)
		row.end = r.position()
		s.rows = append(s.rows, row)
		if !row.comment {
			rows++
		}
	}
	return s, nil
}

// headers calls found for each row that can be a header: not below the lines that
// can be above a header, and not a comment unless it is the first row or has the
// form of a header. It stops if found returns true.
func (s sample) headers(found func(i int, row sampleRow) bool) {
	titles := 0
	for i, row := range s.rows {
		if titles > maxTitles {
			return
		}
		if row.flaw == "" && found(i, row) {
			return
		}
		if !row.comment {
			titles++
		}
	}
}

// layoutAt returns the layout of a file whose header is the row i.
func (s sample) layoutAt(i, url int) layout {
	found := layout{comma: s.comma, header: s.rows[i].cells, line: s.rows[i].line, url: url, first: s.rows[i].end}
	var titles []string
	line := 0
	for _, row := range s.rows[:i] {
		if row.comment {
			continue
		}
		if len(titles) == 0 {
			line = row.line
		}
		titles = append(titles, fmt.Sprintf("%q", excerpt.Of(strings.TrimRight(strings.Join(row.cells, " "), " "))))
	}
	switch {
	case len(titles) == 1:
		found.notes = append(found.notes, fmt.Sprintf("line %d is above the header and was skipped: %s", line, titles[0]))
	case len(titles) > 1:
		found.notes = append(found.notes, fmt.Sprintf("%d lines above the header in line %d were skipped: %s", len(titles), s.rows[i].line, strings.Join(titles, ", ")))
	}
	return found
}

// below returns the rows after the row i that are not comments.
func (s sample) below(i int) []sampleRow {
	rows := sample{rows: s.rows[i+1:]}.data().rows
	return rows[:min(len(rows), sampleRows)]
}

// data returns the rows that are not comments.
func (s sample) data() sample {
	rows := slices.DeleteFunc(slices.Clone(s.rows), func(row sampleRow) bool { return row.comment })
	return sample{s.comma, s.begin, rows}
}

// nearlyAll is the share of cells of a column that must be URLs, if its name does
// not say so.
const nearlyAll = 0.9

// shareOf returns the share of rows whose cell at the index is an address of at
// most the kind.
func shareOf(rows []sampleRow, at int, most addressKind) float64 {
	if len(rows) == 0 {
		return 0
	}
	n := 0
	for _, row := range rows {
		if at < len(row.cells) {
			if kind := classify(row.cells[at]); kind != noAddress && kind <= most {
				n++
			}
		}
	}
	return float64(n) / float64(len(rows))
}

// withoutSurplus returns the cells without empty ones at the end, but at least
// the given number of cells.
func withoutSurplus(cells []string, least int) []string {
	for len(cells) > least && strings.TrimSpace(cells[len(cells)-1]) == "" {
		cells = cells[:len(cells)-1]
	}
	return cells
}
