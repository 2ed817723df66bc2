package csvfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"shotline/client/excerpt"
)

const (
	maxCells     = 2000 // cells of one record; a line of commas must not become a million strings
	tooManyCells = "more than 2000 cells"
	tooLongText  = 1000 // bytes of a line that is too long from which an excerpt is made

	// noComma is a separator that leaves lines whole: it does not occur in UTF-8.
	noComma = 0xff
)

// record is one row as in the file.
type record struct {
	line  int // first line of the record, counted from 1
	cells []string
	flaw  string // why it could not be read; cells is then nil
	text  string // if it could not be read: its first line, or the beginning of a line that is too long
}

// records splits a stream into records. Its buffer holds at most one record of
// the maximum size and the data that was read with it.
type records struct {
	source io.Reader
	max    int // maximum size of a record in bytes
	comma  byte
	// comments skips lines that begin with #.
	comments bool
	// hold keeps what was consumed in the buffer, so that rewind can return to the
	// beginning.
	hold  bool
	buf   []byte
	pos   int // start of the unconsumed data
	line  int // line number at pos
	ended bool
	err   error // error of the source, returned after all data before it is consumed
}

func newRecords(source io.Reader, maxRow int) *records {
	return &records{source: source, max: maxRow, line: 1, buf: make([]byte, 0, 64<<10)}
}

// fill reads more data, at least as much as is unconsumed unless the source ends.
// It reports whether it read anything.
func (r *records) fill() bool {
	if r.ended {
		return false
	}
	if !r.hold {
		r.buf = slices.Delete(r.buf, 0, r.pos)
		r.pos = 0
	}
	have := len(r.buf)
	if cap(r.buf)-have < max(have, 4<<10) {
		r.buf = slices.Grow(r.buf, max(have, 4<<10))
	}
	for idle := 0; len(r.buf) < 2*have || len(r.buf) == have; idle++ {
		n, err := r.source.Read(r.buf[len(r.buf):cap(r.buf)])
		r.buf = r.buf[:len(r.buf)+n]
		if n > 0 {
			idle = 0
		}
		if err == nil && idle > 100 {
			err = io.ErrNoProgress
		}
		if err != nil {
			r.ended = true
			if !errors.Is(err, io.EOF) {
				r.err = err
			}
			break
		}
	}
	return len(r.buf) > have
}

// next returns the next record that is neither empty nor a comment. It returns
// io.EOF after the last one.
func (r *records) next() (record, error) {
	end, err := r.begin()
	if err != nil {
		return record{}, err
	}
	rec := record{line: r.line}
	if end < 0 {
		rec.flaw = r.tooLong()
		rec.text = excerpt.Of(string(r.buf[r.pos : r.pos+min(tooLongText, len(r.buf)-r.pos)]))
		r.skipLine()
		return rec, nil
	}
	cells, n, flaw := r.peek(end)
	rec.cells, rec.flaw = cells, flaw
	if flaw != "" {
		if flaw != tooManyCells {
			rec.flaw += "; only this line is rejected"
		}
		rec.text = string(bytes.TrimRight(r.buf[r.pos:r.pos+end], "\r\n"))
	}
	r.consume(n)
	return rec, nil
}

// rewind returns to the beginning of the data, or to the position after the first
// line if it only names the separator. It works as long as hold is set.
func (r *records) rewind(to position) { r.pos, r.line = to.at, to.line }

// position is a place between two records.
type position struct{ at, line int }

func (r *records) position() position { return position{r.pos, r.line} }

// begin skips to the next record and returns the length of its first line, or -1
// if the line is too long.
func (r *records) begin() (int, error) {
	for {
		r.skipMarks()
		end, err := r.lineEnd()
		if end < 0 || err != nil {
			return end, err
		}
		line := r.buf[r.pos : r.pos+end]
		isComment := r.comments && line[0] == '#'
		// Spreadsheets write an empty line as separators only.
		if !isComment && len(bytes.Trim(line, " \t\r\n,;|")) > 0 {
			return end, nil
		}
		r.consume(end)
	}
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// skipMarks skips byte order marks at the beginning of a line. If files were put
// together, they are in the middle of the data.
func (r *records) skipMarks() {
	for {
		for len(r.buf)-r.pos < len(byteOrderMark) && bytes.HasPrefix(byteOrderMark, r.buf[r.pos:]) && r.fill() {
		}
		if !bytes.HasPrefix(r.buf[r.pos:], byteOrderMark) {
			return
		}
		r.pos += len(byteOrderMark)
	}
}

// peek splits the record whose first line has the given length. It returns the
// cells and the length of the record.
func (r *records) peek(firstLine int) (cells []string, n int, flaw string) {
	text := bytes.TrimRight(r.buf[r.pos:r.pos+firstLine], "\r\n")
	if bytes.IndexByte(text, '"') >= 0 {
		return r.quoted(firstLine)
	}
	comma := []byte{r.comma}
	if bytes.Count(text, comma) >= maxCells {
		return nil, firstLine, tooManyCells
	}
	return strings.Split(string(text), string(comma)), firstLine, ""
}

func (r *records) tooLong() string { return fmt.Sprintf("longer than %d bytes", r.max) }

// lineEnd returns the length of the line at pos including its line ending, or -1
// if it is too long.
func (r *records) lineEnd() (int, error) {
	seen := 0
	for {
		unread := r.buf[r.pos:]
		if n := endOfLine(unread[seen:], false); n > 0 {
			return r.lineLength(unread[:seen+n]), nil
		}
		if seen = len(unread); seen > 0 && unread[seen-1] == '\r' {
			seen-- // the next byte decides whether a line feed belongs to it
		}
		if seen > r.max+len("\r\n") {
			return -1, nil
		}
		if !r.fill() {
			switch {
			case r.err != nil:
				return 0, r.err
			case len(unread) == 0:
				return 0, io.EOF
			}
			return r.lineLength(unread), nil
		}
	}
}

// endOfLine returns the length of the first line of data including its ending,
// which is LF, CR LF or CR. It returns 0 if the ending is not in the data, or if
// the data ends with a CR and more data can follow.
func endOfLine(data []byte, atEnd bool) int {
	feed := bytes.IndexByte(data, '\n')
	line := data
	if feed >= 0 {
		line = data[:feed]
	}
	cr := bytes.IndexByte(line, '\r')
	switch {
	case cr < 0:
		return feed + 1
	case cr+1 < len(data) && data[cr+1] == '\n':
		return cr + 2
	case cr+1 < len(data) || atEnd:
		return cr + 1
	}
	return 0
}

// lineLength returns the length of a line, or -1 if it is too long. Its line
// ending does not count towards the limit.
func (r *records) lineLength(line []byte) int {
	if len(bytes.TrimRight(line, "\r\n")) > r.max {
		return -1
	}
	return len(line)
}

// skipLine skips the rest of a line of any length.
func (r *records) skipLine() {
	for {
		unread := r.buf[r.pos:]
		if n := endOfLine(unread, r.ended); n > 0 {
			r.consume(n)
			return
		}
		if keep := len(unread) - 1; keep >= 0 && unread[keep] == '\r' {
			r.pos += keep
		} else {
			r.pos = len(r.buf)
		}
		if !r.fill() && !r.ended {
			return
		}
		if r.ended && r.pos == len(r.buf) {
			return
		}
	}
}

func (r *records) consume(n int) {
	r.line += CountLines(r.buf[r.pos : r.pos+n])
	r.pos += n
}

// CountLines counts the line endings in data, which does not end between CR and
// LF.
func CountLines(data []byte) int {
	n := bytes.Count(data, []byte{'\n'})
	if bytes.IndexByte(data, '\r') >= 0 {
		n += bytes.Count(data, []byte{'\r'}) - bytes.Count(data, []byte("\r\n"))
	}
	return n
}

// quoted is like peek for a record with quotes. If the record has an error, it
// ends with its first line, because the wrong quote is there and the lines after
// it might be valid.
func (r *records) quoted(firstLine int) (cells []string, n int, flaw string) {
	for spaces := true; ; {
		window, atEnd := r.buf[r.pos:], r.ended
		if len(window) > r.max+len("\r\n") {
			window, atEnd = window[:r.max+len("\r\n")], false
		}
		cells, n, flaw = parse(window, r.comma, atEnd, spaces)
		if n > 0 {
			return cells, n, ""
		}
		if flaw == "" && len(window) < r.max+len("\r\n") && (r.fill() || !atEnd) {
			continue
		}
		switch {
		case flaw != "":
		case atEnd:
			flaw = "a quote is not closed"
		default:
			flaw = fmt.Sprintf("a quote is not closed within %d bytes", r.max)
		}
		if !spaces {
			return nil, firstLine, flaw
		}
		spaces = false // the quotes after spaces might be ordinary characters
	}
}

// parse reads the record at the start of data and returns its cells and its
// length. If the length is 0 and flaw is empty, the record continues after the
// end of data. If spaces is set, a quote after spaces begins a quoted cell, too.
func parse(data []byte, comma byte, atEnd, spaces bool) (cells []string, n int, flaw string) {
	skipSpaces := func(at int) int {
		for spaces && at < len(data) && data[at] != comma && (data[at] == ' ' || data[at] == '\t') {
			at++
		}
		return at
	}
	for at := 0; ; {
		var cell []byte
		if i := skipSpaces(at); i < len(data) && data[i] == '"' {
			if cell, at = quotedCell(data, i+1); at < 0 {
				return nil, 0, ""
			}
			at = skipSpaces(at)
			for comma == noComma && at < len(data) && isSeparator(data[at]) {
				at = skipSpaces(at + 1)
			}
		} else {
			start := at
			for at < len(data) && data[at] != comma && data[at] != '\n' && data[at] != '\r' {
				at++
			}
			cell = data[start:at]
		}
		cells = append(cells, string(cell))
		if len(cells) > maxCells {
			return nil, 0, tooManyCells
		}
		rest := data[at:]
		switch {
		case len(rest) > 0 && rest[0] == comma:
			at++
		case len(rest) > 0 && rest[0] == '\n':
			return cells, at + 1, ""
		case len(rest) > 1 && rest[0] == '\r' && rest[1] == '\n':
			return cells, at + 2, ""
		case len(rest) > 1 && rest[0] == '\r':
			return cells, at + 1, ""
		case len(rest) == 0 || len(rest) == 1 && rest[0] == '\r':
			if !atEnd {
				return nil, 0, ""
			}
			return cells, len(data), ""
		default:
			return nil, 0, "text after a closing quote, or an unclosed quote"
		}
	}
}

// quotedCell returns the text of a quoted cell whose first character is at the
// index, and the index after its closing quote, which is -1 if there is none.
func quotedCell(data []byte, at int) (cell []byte, end int) {
	for {
		i := bytes.IndexByte(data[at:], '"')
		if i < 0 {
			return nil, -1
		}
		cell = append(cell, data[at:at+i]...)
		at += i + 1
		if at == len(data) || data[at] != '"' {
			return cell, at
		}
		cell = append(cell, '"')
		at++
	}
}

func isSeparator(c byte) bool { return c == ',' || c == ';' || c == '\t' || c == '|' }
