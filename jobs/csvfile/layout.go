package csvfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"shotline/jobs/weburl"
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
}

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
		titles = append(titles, fmt.Sprintf("%q", weburl.Excerpt(strings.TrimRight(strings.Join(row.cells, " "), " "))))
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

// findNamed returns the layout of a table whose header has a name of urlNames.
// Names that have other meanings, too, such as page, need a URL below them.
func findNamed(samples []sample) (best layout, ok bool) {
	bestRow := -1
	for _, s := range samples {
		s.headers(func(i int, row sampleRow) bool {
			if bestRow >= 0 && row.line >= bestRow {
				return true
			}
			if row.comment && s.headerFollows(i) {
				return false // a comment that explains the header
			}
			at := s.headerAt(i)
			if at < 0 || i > 0 && s.isListAbove(i) {
				return false
			}
			isStrong := slices.Contains(strongNames, nameOf(row.cells[at]))
			if !isStrong && len(withoutSurplus(row.cells, 0)) == 1 && isWide(samples, row.line) {
				return false // the title of a table
			}
			best, ok, bestRow = s.layoutAt(i, at), true, row.line
			if !isStrong {
				best.notes = append(best.notes, fmt.Sprintf("column %q: taken as the URLs", weburl.Excerpt(weburl.Trim(row.cells[at]))))
			}
			return true
		})
	}
	return best, ok
}

// headerFollows reports whether the first row after the row i that is not a
// comment is a header.
func (s sample) headerFollows(i int) bool {
	for next := i + 1; next < len(s.rows); next++ {
		if !s.rows[next].comment {
			return s.headerAt(next) >= 0
		}
	}
	return false
}

// isWide reports whether most rows below a line have several cells, with any
// separator.
func isWide(samples []sample, line int) bool {
	for _, s := range samples {
		rows, wide := 0, 0
		for _, row := range s.rows {
			if row.line <= line || row.comment {
				continue
			}
			if rows++; len(withoutSurplus(row.cells, 0)) > 1 {
				wide++
			}
		}
		if 2*wide > rows {
			return true
		}
	}
	return false
}

// headerAt returns the index of the URL column if the row i is a header, and -1
// otherwise.
func (s sample) headerAt(i int) int {
	row := s.rows[i]
	for _, cell := range row.cells {
		if classify(cell) == webAddress {
			return -1
		}
	}
	if at := strongColumn(row.cells); at >= 0 {
		return at
	}
	if slices.ContainsFunc(row.cells, func(cell string) bool { return classify(cell) != noAddress }) {
		return -1
	}
	below := s.below(i)
	best, bestShare := -1, 0.0
	for _, at := range namedColumns(row.cells) {
		share := shareOf(below, at, ipAddress)
		if len(below) == 0 || share > bestShare && (best < 0 || bestShare < nearlyAll) {
			best, bestShare = at, share
		}
		if len(below) == 0 {
			break
		}
	}
	return best
}

// isListAbove reports whether the rows above a row are URLs of a list and not
// titles of a table.
func (s sample) isListAbove(i int) bool {
	if len(s.rows[i].cells) < 2 {
		for _, row := range s.rows[:i] {
			if !row.comment && classify(row.cells[0]) != noAddress {
				return true
			}
		}
		return false
	}
	for _, row := range s.rows[:i] {
		if !row.comment && len(withoutSurplus(row.cells, 0)) >= len(s.rows[i].cells) && classify(row.cells[0]) != noAddress {
			return true
		}
	}
	return false
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

// findUnnamed returns the layout of a table in which exactly one column has
// nearly only URLs. It returns an error if several have.
func findUnnamed(samples []sample) (found layout, ok bool, err error) {
	for _, full := range samples {
		s := full.data()
		for _, kind := range []addressKind{webAddress, hostName, ipAddress} {
			columns, first := s.addressColumns(kind)
			switch {
			case len(columns) == 0:
				continue
			case len(columns) > 1:
				return layout{}, false, severalColumns(s, columns, first)
			}
			found, err = full.unnamedLayout(s, columns[0], first)
			return found, err == nil, err
		}
	}
	return layout{}, false, nil
}

// addressColumns returns the columns in which nearly all cells from the row first
// on are addresses, if nearly all of these rows have several cells.
func (s sample) addressColumns(kind addressKind) (columns []int, first int) {
	for i := range s.rows[:min(len(s.rows), maxTitles+1)] {
		rows := s.rows[i:min(len(s.rows), i+sampleRows)]
		wide := 0
		for _, row := range rows {
			if len(withoutSurplus(row.cells, 0)) > 1 {
				wide++
			}
		}
		isWide, isData := float64(wide) >= nearlyAll*float64(len(rows)), false
		for at, cell := range s.rows[i].cells {
			k := classify(cell)
			isData = isData || k != noAddress
			if isWide && k != noAddress && k <= kind && shareOf(rows, at, kind) >= nearlyAll {
				columns = append(columns, at)
			}
		}
		if len(columns) > 0 || isData {
			return columns, i
		}
	}
	return nil, 0
}

// unnamedLayout returns the layout of a table with the URLs in a column from the
// row first on. The row above it is the header, if there is one.
func (s sample) unnamedLayout(data sample, at, first int) (layout, error) {
	row := data.rows[first]
	indexOf := func(line int) int {
		return slices.IndexFunc(s.rows, func(r sampleRow) bool { return r.line == line })
	}
	index, header := indexOf(row.line), -1
	for i := first - 1; i >= 0; i-- {
		above := data.rows[i]
		isWide := len(above.cells) == len(row.cells) && weburl.Trim(above.cells[at]) != ""
		if header < 0 || isWide { // the first row of those that are as wide as the data
			header = indexOf(above.line)
		}
	}
	if first == 0 && index > 0 && s.rows[index-1].comment && len(row.cells) > 1 && len(s.rows[index-1].cells) == len(row.cells) {
		header = index - 1 // such as #,Titel,Adresse
	}
	if header >= 0 {
		if flaw := s.rows[header].flaw; flaw != "" {
			return layout{}, fmt.Errorf("line %d: %s", s.rows[header].line, flaw)
		}
		found := s.layoutAt(header, at)
		for len(found.header) <= at {
			found.header = append(found.header, "")
		}
		found.notes = append(found.notes, fmt.Sprintf("column %q: taken as the URLs", weburl.Excerpt(weburl.Trim(found.header[at]))))
		return found, nil
	}
	if at == 0 && continuesURL(data.rows[first:]) {
		return layout{}, fmt.Errorf("%w: line %d might be one URL with a %q in it, or several columns: put such URLs in double quotes, or write a header line such as url,name above them",
			ErrNoURLColumn, row.line, s.comma)
	}
	found := layout{comma: s.comma, line: row.line, url: at, first: s.begin}
	for i := range row.cells {
		found.header = append(found.header, fmt.Sprintf("column %d", i+1))
	}
	found.header[at] = "url"
	if index > 0 {
		found.first = s.rows[index-1].end
	}
	found.notes = []string{fmt.Sprintf("no header line: column %d of %d is taken as the URLs", at+1, len(row.cells))}
	return found, nil
}

// continuesURL reports whether the cells after the first look like parts of URLs
// that contain the separator, such as maps at @52.5,13.4,15z.
func continuesURL(rows []sampleRow) bool {
	for _, row := range rows {
		if len(row.cells) < 2 {
			continue
		}
		next, last := row.cells[1], row.cells[len(row.cells)-1]
		at := strings.LastIndexByte(row.cells[0], '@')
		isMap := at >= 0 && strings.Trim(row.cells[0][at+1:], "-.0123456789") == "" && strings.Trim(next, "-.0123456789") == ""
		if isMap || pageEnding.MatchString(last) || strings.Contains(row.cells[0], "?") && strings.ContainsAny(last, "=&") {
			return true
		}
	}
	return false
}

func severalColumns(s sample, columns []int, first int) error {
	row := s.rows[first]
	names := make([]string, 0, len(columns))
	for _, at := range columns[:min(len(columns), 5)] {
		name := fmt.Sprint(at + 1)
		if first > 0 && at < len(s.rows[first-1].cells) {
			name = fmt.Sprintf("%q", weburl.Excerpt(weburl.Trim(s.rows[first-1].cells[at])))
		}
		names = append(names, name)
	}
	return fmt.Errorf("%w: line %d has more than one URL, in the columns %s: choose one with --url-column, or name it url",
		ErrNoURLColumn, row.line, strings.Join(names, " and "))
}

// findList returns the layout of a list of URLs, one in each line.
func findList(full sample) (layout, bool) {
	s := full.data()
	list := layout{comma: noComma, first: full.begin}
	if looksLikeURL(s.rows[0].text()) {
		return list, true
	}
	first := slices.IndexFunc(s.rows[:min(len(s.rows), maxTitles+1)], func(row sampleRow) bool { return classify(row.text()) != noAddress })
	if first < 0 || shareOf(s.rows[first:], 0, ipAddress) < nearlyAll {
		return layout{}, false
	}
	above := s.rows[first-1]
	if above.flaw != "" {
		return layout{}, false
	}
	if strings.ContainsAny(above.text(), "./:@") && !strings.ContainsAny(above.text(), " ") {
		return list, true // a wrong URL is no header
	}
	header := slices.IndexFunc(full.rows, func(row sampleRow) bool { return row.line == above.line })
	found := full.layoutAt(header, 0)
	found.notes = append(found.notes, fmt.Sprintf("line %d, %q, is taken as the header of the URLs", above.line, weburl.Excerpt(above.text())))
	return found, true
}

// text returns the first cell.
func (row sampleRow) text() string {
	if len(row.cells) == 0 {
		return ""
	}
	return weburl.Trim(row.cells[0])
}

// findWanted returns the layout of a table with the column that the user named,
// by its name or by its number.
func findWanted(samples []sample, wanted string) (best layout, err error) {
	bestRow := -1
	for _, s := range samples {
		s.headers(func(i int, row sampleRow) bool {
			at := slices.IndexFunc(row.cells, func(cell string) bool { return nameOf(cell) == nameOf(wanted) })
			if at >= 0 && (bestRow < 0 || row.line < bestRow) {
				best, bestRow = s.layoutAt(i, at), row.line
			}
			return at >= 0
		})
	}
	if bestRow >= 0 {
		return best, nil
	}
	if at := columnNumber(wanted); at > 0 {
		if found, ok := findNumbered(samples, at-1); ok {
			return found, nil
		}
		if found, ok := findList(samples[len(samples)-1]); ok && at == 1 {
			return found, nil
		}
	}
	return layout{}, fmt.Errorf("%w: no column %q: %s", ErrNoURLColumn, weburl.Excerpt(wanted), firstColumns(samples))
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

// withoutSurplus returns the cells without empty ones at the end, but at least
// the given number of cells.
func withoutSurplus(cells []string, least int) []string {
	for len(cells) > least && strings.TrimSpace(cells[len(cells)-1]) == "" {
		cells = cells[:len(cells)-1]
	}
	return cells
}
