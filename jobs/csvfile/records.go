package csvfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

const (
	maxCells     = 2000 // cells of one record; a line of commas must not become a million strings
	tooManyCells = "more than 2000 cells"

	// noComma is a separator that leaves lines whole: it does not occur in UTF-8.
	noComma = 0xff
)

// record is one row as in the file.
type record struct {
	line  int // first line of the record, counted from 1
	cells []string
	flaw  string // why it could not be read; cells is then nil
}

// records splits a stream into records. Its buffer holds at most one record of
// the maximum size and the data that was read with it.
type records struct {
	source io.Reader
	max    int // maximum size of a record in bytes
	comma  byte
	buf    []byte
	pos    int // start of the unconsumed data
	line   int // line number at pos
	ended  bool
	err    error // error of the source, returned after all data before it is consumed
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
	r.buf = slices.Delete(r.buf, 0, r.pos)
	r.pos = 0
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
		r.skipLine()
		return rec, nil
	}
	cells, n, flaw := r.peek(end)
	rec.cells, rec.flaw = cells, flaw
	r.consume(n)
	return rec, nil
}

// first returns the first record, split by the first of the separators for which
// fit returns true. If there is none, fits is false, and this and all further
// records are whole lines; guess is then the header with the separator that gives
// the most cells.
func (r *records) first(separators []byte, fit func(cells []string) bool) (rec record, guess []string, fits bool, err error) {
	end, err := r.begin()
	if err != nil {
		return record{}, nil, false, err
	}
	rec = record{line: r.line}
	if end < 0 {
		rec.flaw = r.tooLong()
		return rec, nil, false, nil
	}
	n := 0
	for _, r.comma = range append(slices.Clone(separators), noComma) {
		rec.cells, n, rec.flaw = r.peek(end)
		if rec.flaw == "" && fit(rec.cells) {
			fits = true
			break
		}
		if len(rec.cells) > len(guess) {
			guess = rec.cells
		}
	}
	r.consume(n)
	return rec, guess, fits, nil
}

// begin skips to the next record and returns the length of its first line, or -1
// if the line is too long.
func (r *records) begin() (int, error) {
	for {
		end, err := r.lineEnd()
		if end < 0 || err != nil {
			return end, err
		}
		// Spreadsheets write an empty line as separators only.
		text := bytes.Trim(r.buf[r.pos:r.pos+end], " \t\r\n,;")
		if len(text) > 0 && r.buf[r.pos] != '#' {
			return end, nil
		}
		r.consume(end)
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

// lineEnd returns the length of the line at pos including its line feed, or -1 if
// it is too long.
func (r *records) lineEnd() (int, error) {
	seen := 0
	for {
		unread := r.buf[r.pos:]
		if i := bytes.IndexByte(unread[seen:], '\n'); i >= 0 {
			return r.lineLength(unread[:seen+i+1]), nil
		}
		seen = len(unread)
		if seen > r.max+len("\r\n") {
			return -1, nil
		}
		if !r.fill() {
			switch {
			case r.err != nil:
				return 0, r.err
			case seen == 0:
				return 0, io.EOF
			}
			return r.lineLength(unread), nil
		}
	}
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
		if i := bytes.IndexByte(r.buf[r.pos:], '\n'); i >= 0 {
			r.consume(i + 1)
			return
		}
		r.pos = len(r.buf)
		if !r.fill() {
			return
		}
	}
}

func (r *records) consume(n int) {
	r.line += bytes.Count(r.buf[r.pos:r.pos+n], []byte{'\n'})
	r.pos += n
}

// quoted is like peek for a record with quotes. If the record has an error, it
// ends with its first line, because the wrong quote is there and the lines after
// it might be valid.
func (r *records) quoted(firstLine int) (cells []string, n int, flaw string) {
	for {
		window, atEnd := r.buf[r.pos:], r.ended
		if len(window) > r.max+len("\r\n") {
			window, atEnd = window[:r.max+len("\r\n")], false
		}
		cells, n, flaw = parse(window, r.comma, atEnd)
		if n > 0 {
			return cells, n, ""
		}
		if flaw == "" && len(window) < r.max+len("\r\n") && (r.fill() || !atEnd) {
			continue
		}
		if flaw == "" {
			flaw = fmt.Sprintf("a quote is not closed within %d bytes", r.max)
		}
		return nil, firstLine, flaw
	}
}

// parse reads the record at the start of data and returns its cells and its
// length. If the length is 0 and flaw is empty, the record continues after the
// end of data.
func parse(data []byte, comma byte, atEnd bool) (cells []string, n int, flaw string) {
	for at := 0; ; {
		var cell []byte
		if at < len(data) && data[at] == '"' {
			at++
			for {
				i := bytes.IndexByte(data[at:], '"')
				if i < 0 {
					return nil, 0, ""
				}
				cell = append(cell, data[at:at+i]...)
				at += i + 1
				if at == len(data) || data[at] != '"' {
					break
				}
				cell = append(cell, '"')
				at++
			}
		} else {
			start := at
			for at < len(data) && data[at] != comma && data[at] != '\n' {
				at++
			}
			cell = data[start:at]
			if at == len(data) || data[at] == '\n' {
				cell = bytes.TrimRight(cell, "\r")
			}
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
