package csvfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"

	"shotline/client/excerpt"
	"shotline/jobs"
)

// Limits of the sample from which the layout is determined.
const (
	maxTitles   = 10  // lines above the header
	sampleRows  = 100 // rows that decide which column has the URLs
	sampleBytes = 1 << 20
)

// separators are the column separators that spreadsheets and databases use.
var separators = []byte{',', ';', '\t', '|'}

// layout is how a file is divided into rows and cells.
type layout struct {
	comma  byte     // noComma for a list
	header []string // nil for a list
	line   int      // of the header
	url    int      // index of the URL column
	first  position // of the first row after the header
	notes  []string

	dialect jobs.Dialect
}

// detect determines the layout of the file and leaves the records at the first
// row. The header decides if it has a column with a name that is known. Otherwise
// the column decides in which nearly all cells are URLs.
func (r *records) detect(opts Options) (layout, error) {
	r.hold = true
	found, err := r.findLayout(opts.URLColumn, opts.Separator)
	if err != nil {
		return layout{}, err
	}
	r.comma, r.comments = found.comma, found.header == nil
	found.dialect = r.dialect(found)
	r.rewind(found.first)
	r.hold = false
	return found, nil
}

func (r *records) findLayout(wanted string, separator byte) (layout, error) {
	commas := separators
	begin, given, err := r.separatorLine()
	if err != nil {
		return layout{}, err
	}
	if separator != 0 {
		given = separator
	}
	if given != 0 {
		commas = []byte{given}
	}
	if found, ok := r.plainHeader(begin, commas, wanted); ok {
		return found, nil
	}
	lines, err := r.sample(begin, noComma)
	if err != nil {
		return layout{}, err
	}
	var tables []sample
	for i, comma := range commas {
		if i > 0 && bytes.IndexByte(r.buf[begin.at:], comma) < 0 {
			continue // the same as with the first separator
		}
		s, err := r.sample(begin, comma)
		if err != nil {
			return layout{}, err
		}
		tables = append(tables, s)
	}
	samples := append(slices.Clone(tables), lines)
	if !slices.ContainsFunc(lines.rows, func(row sampleRow) bool { return !row.comment }) {
		return layout{}, firstError(samples)
	}
	if wanted != "" {
		return findWanted(samples, wanted)
	}
	if found, ok := findNamed(tables); ok {
		return found, nil
	}
	if found, ok, err := findUnnamed(tables); ok || err != nil {
		return found, err
	}
	if found, ok := findList(lines); ok {
		return found, nil
	}
	return layout{}, noURLColumn(samples)
}

// firstError returns why a file has no rows.
func firstError(samples []sample) error {
	for _, s := range samples {
		for _, row := range s.rows {
			if row.comment && FindURLColumn(row.cells) >= 0 {
				return fmt.Errorf("%w, only a header", ErrEmpty)
			}
		}
	}
	return ErrEmpty
}

// plainHeader returns the layout if the first line has a column url. It does not
// read further, so that the rows of most files are read once.
func (r *records) plainHeader(begin position, commas []byte, wanted string) (layout, bool) {
	if wanted != "" {
		return layout{}, false
	}
	r.rewind(begin)
	end, err := r.begin()
	if err != nil || end < 0 || r.buf[r.pos] == '#' {
		return layout{}, false
	}
	for _, r.comma = range commas {
		cells, n, flaw := r.peek(end)
		if at := strongColumn(cells); flaw == "" && at >= 0 {
			line := r.line
			r.consume(n)
			return layout{comma: r.comma, header: cells, line: line, url: at, first: r.position()}, true
		}
	}
	return layout{}, false
}

// separatorLine reads a first line such as sep=; that spreadsheets write and
// obey. It returns the position after it, and the separator, which is 0 if there
// is no such line.
func (r *records) separatorLine() (position, byte, error) {
	r.skipMarks()
	begin := r.position()
	end, err := r.lineEnd()
	if errors.Is(err, io.EOF) {
		return begin, 0, ErrEmpty
	}
	if err != nil || end < 0 {
		return begin, 0, err
	}
	line := bytes.Trim(bytes.TrimRight(r.buf[r.pos:r.pos+end], "\r\n"), `"`)
	const prefix = "sep="
	if len(line) <= len(prefix) || !bytes.EqualFold(line[:len(prefix)], []byte(prefix)) || !isSeparator(line[len(prefix)]) {
		return begin, 0, nil
	}
	comma := line[len(prefix)]
	if len(bytes.Trim(line[len(prefix):], string([]byte{comma, '"'}))) > 0 {
		return begin, 0, nil
	}
	r.consume(end)
	return r.position(), comma, nil
}

// findWanted returns the layout of a table with the column that the user named,
// by its name or by its number. A header with URLs below the name is sought
// first, because other rows can have a cell with the same text.
func findWanted(samples []sample, wanted string) (layout, error) {
	if found, ok := findWantedName(samples, wanted, true); ok {
		return found, nil
	}
	if at := columnNumber(wanted); at > 0 {
		if found, ok := findNumbered(samples, at-1); ok {
			return found, nil
		}
		if found, ok := findList(samples[len(samples)-1]); ok && at == 1 {
			return found, nil
		}
	}
	if found, ok := findWantedName(samples, wanted, false); ok {
		return found, nil
	}
	return layout{}, fmt.Errorf("%w: no column %q: %s", ErrNoURLColumn, excerpt.Of(wanted), firstColumns(samples))
}

func findWantedName(samples []sample, wanted string, needsURLs bool) (best layout, ok bool) {
	bestRow := -1
	for _, s := range samples {
		s.headers(func(i int, row sampleRow) bool {
			at := slices.IndexFunc(row.cells, func(cell string) bool { return nameOf(cell) == nameOf(wanted) })
			if at < 0 || needsURLs && shareOf(s.below(i), at, ipAddress) < nearlyAll {
				return false
			}
			if bestRow < 0 || row.line < bestRow {
				best, bestRow = s.layoutAt(i, at), row.line
			}
			return true
		})
	}
	return best, bestRow >= 0
}

// findNumbered returns the layout of a table with the URLs in a column that has
// no name.
func findNumbered(samples []sample, at int) (layout, bool) {
	for _, full := range samples {
		s := full.data()
		for first, row := range s.rows[:min(len(s.rows), maxTitles+1)] {
			if at < len(row.cells) && len(row.cells) > 1 && classify(row.cells[at]) != noAddress {
				found, err := full.unnamedLayout(s, at, first)
				return found, err == nil
			}
		}
	}
	return layout{}, false
}

// noURLColumn returns the error for a file whose URL column is not known.
func noURLColumn(samples []sample) error {
	return fmt.Errorf("%w: %s; name the column url, or choose it with --url-column", ErrNoURLColumn, firstColumns(samples))
}

// firstColumns describes the first line with the separator that gives the most
// cells.
func firstColumns(samples []sample) string {
	var widest sampleRow
	for _, s := range samples {
		for _, row := range s.rows {
			if row.comment && len(s.rows) > 1 {
				continue
			}
			if len(row.cells) > len(widest.cells) {
				widest = row
			}
			if widest.line == 0 {
				widest = row
			}
			break
		}
	}
	if widest.flaw != "" && len(widest.cells) == 0 {
		return fmt.Sprintf("line %d: %s", widest.line, widest.flaw)
	}
	return fmt.Sprintf("line %d has %s", widest.line, listColumns(widest.cells))
}
