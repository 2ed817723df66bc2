package csvfile

import (
	"fmt"
	"slices"
	"strings"

	"shotline/client/excerpt"
	"shotline/jobs/weburl"
)

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
		found.notes = append(found.notes, fmt.Sprintf("column %q: taken as the URLs", excerpt.Of(weburl.Trim(found.header[at]))))
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
			name = fmt.Sprintf("%q", excerpt.Of(weburl.Trim(s.rows[first-1].cells[at])))
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
	found.notes = append(found.notes, fmt.Sprintf("line %d, %q, is taken as the header of the URLs", above.line, excerpt.Of(above.text())))
	return found, true
}

// text returns the first cell.
func (row sampleRow) text() string {
	if len(row.cells) == 0 {
		return ""
	}
	return weburl.Trim(row.cells[0])
}
