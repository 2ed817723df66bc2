package input

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"

	"shotline/jobs"
	"shotline/jobs/csvfile"
)

// rows are the rows of one file.
type rows interface {
	Columns() []string
	URLColumn() int
	Fields() map[string]int
	Notes() []string
	Next() (jobs.Request, error)
}

// file is one input.
type file struct {
	name    string
	rows    rows // nil if the file is closed
	closers []io.Closer

	header  []string       // nil if it is no table
	url     int            // index in the header
	fields  map[string]int // see csvfile.Reader.Fields
	columns []int          // index in the columns of the batch, for each column of the file
	dialect jobs.Dialect
	notes   []string

	repacked   bool // there might be more rows than lines
	reopenable bool // it can be opened by its name again
}

func (f *file) close() error {
	var errs []error
	for _, c := range slices.Backward(f.closers) {
		errs = append(errs, c.Close())
	}
	f.rows, f.closers = nil, nil
	return errors.Join(errs...)
}

// open opens one input. If it is an index of sitemaps, it returns the names of the
// parts, and the file has no rows.
func open(r io.Reader, opts Options) (f *file, parts []string, err error) {
	text, closer, err := newContent(r, opts.TempDir)
	if err != nil {
		return nil, nil, err
	}
	f = &file{closers: []io.Closer{closer}}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.close())
			f = nil
		}
	}()
	begin, err := head(text)
	if err == nil && strings.HasPrefix(string(begin), "\x1f\x8b") {
		text, f.repacked = unzipped{text, opts.MaxSize}, true
		begin, err = head(text)
	}
	if err != nil {
		return f, nil, err
	}
	if err := refuseBinary(begin); err != nil {
		return f, nil, err
	}
	if strings.HasPrefix(string(begin), zipMagic) {
		f.repacked = true
		book, err := openWorkbook(text, opts)
		if err == nil {
			f.rows, f.closers = book, append(f.closers, book)
			f.describe()
		}
		return f, nil, err
	}
	hasMark := bytes.HasPrefix(begin, mark16le) || bytes.HasPrefix(begin, mark16be)
	text, note, err := toUTF8(text, begin, opts.Encoding)
	if err != nil {
		return f, nil, err
	}
	if begin, err = head(text); err != nil {
		return f, nil, err
	}
	if err := refuseControls(begin); err != nil {
		return f, nil, err
	}
	is, err := formatOf(begin)
	if opts.Objects {
		is, err = jsonLines, nil
	}
	switch {
	case err != nil:
	case is == jsonLines:
		var found *objects
		if found, err = openObjects(text, opts); err == nil {
			f.rows = found
		}
	case is == sitemap:
		f.repacked = true
		var found *locations
		if found, parts, err = openSitemap(text, opts); found != nil {
			f.rows = found
		}
	default:
		var table *csvfile.Reader
		if table, err = csvfile.Open(&rereader{content: text}, opts.csv(0)); err == nil {
			f.rows, f.dialect = table, table.Dialect()
			f.dialect.BOM = f.dialect.BOM || hasMark
		}
	}
	if note != "" {
		f.notes = append(f.notes, note)
	}
	f.describe()
	return f, parts, err
}

// describe keeps what is known about the rows before the first is read.
func (f *file) describe() {
	if f.rows != nil {
		f.header, f.url, f.fields = f.rows.Columns(), f.rows.URLColumn(), f.rows.Fields()
		f.notes = append(f.notes, f.rows.Notes()...)
	}
}
