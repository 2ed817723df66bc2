package csvfile

import (
	"fmt"
	"slices"

	"shotline/client/excerpt"
	"shotline/jobs/weburl"
)

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
				best.notes = append(best.notes, fmt.Sprintf("column %q: taken as the URLs", excerpt.Of(weburl.Trim(row.cells[at]))))
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
	named := namedColumns(row.cells)
	for _, at := range named {
		share := shareOf(below, at, ipAddress)
		if len(below) == 0 || share > bestShare && (best < 0 || bestShare < nearlyAll) {
			best, bestShare = at, share
		}
		if len(below) == 0 {
			break
		}
	}
	if best < 0 && addedURL(row.cells) >= 0 {
		return resultURL(row.cells, named, below)
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
