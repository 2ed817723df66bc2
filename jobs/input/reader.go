package input

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"shotline/jobs"
)

// Reader reads the requests of one or several files, one at a time. It is not safe
// for concurrent use.
type Reader struct {
	files   []*file
	current int
	columns []string
	url     int
	opts    Options // with which closed files are opened again
}

// Open opens one input. Besides the errors of csvfile.Open, it returns ErrFormat
// and ErrEncoding.
func Open(r io.Reader, opts Options) (*Reader, error) {
	f, parts, err := open(r, opts)
	if err == nil && parts != nil {
		err = errors.Join(refused("an index of sitemaps", "give the sitemaps themselves"), f.close())
	}
	if err != nil {
		return nil, err
	}
	return newReader([]*file{f}), nil
}

// newReader matches the columns of the files.
func newReader(files []*file) *Reader {
	r := &Reader{files: files}
	for _, f := range files {
		r.match(f)
	}
	return r
}

// match adds the columns of a file to those of the batch. Columns with the same
// name are the same, and so are the URL columns.
func (r *Reader) match(f *file) {
	if f.header == nil {
		return
	}
	first := r.columns == nil
	taken := map[int]bool{}
	for i, name := range f.header {
		at := -1
		switch {
		case first:
		case i == f.url:
			at = r.url
		default:
			for j, own := range r.columns {
				if j != r.url && !taken[j] && strings.EqualFold(strings.TrimSpace(own), strings.TrimSpace(name)) {
					at = j
					break
				}
			}
		}
		if at < 0 {
			at = len(r.columns)
			r.columns = append(r.columns, name)
		}
		if first && i == f.url {
			r.url = at
		}
		taken[at] = true
		f.columns = append(f.columns, at)
	}
}

// Repacked reports whether the input might have more rows than lines.
func (r *Reader) Repacked() bool {
	return slices.ContainsFunc(r.files, func(f *file) bool { return f.repacked })
}

// Columns returns the columns of the batch: those of the first table, then those
// that only further tables have. It is nil if there is no table.
func (r *Reader) Columns() []string { return r.columns }

// Fields returns the columns of the first file that set fields of the requests; see
// jobs.AmendOptions. It is nil if that is no table.
func (r *Reader) Fields() map[string]int { return r.files[0].fields }

// Dialect returns how the first file is written. It is the zero value unless that
// is a table or a list.
func (r *Reader) Dialect() jobs.Dialect { return r.files[0].dialect }

// Notes returns what the user should know about the input. With several files,
// each note begins with the name of its file.
func (r *Reader) Notes() (notes []string) {
	for _, f := range r.files {
		for _, note := range f.notes {
			if len(r.files) > 1 {
				note = f.name + ": " + note
			}
			notes = append(notes, note)
		}
	}
	return notes
}

// Next returns the next request, or io.EOF after the last one; see
// csvfile.Reader.Next. With several files, the reason of a rejection begins with
// the name of the file.
func (r *Reader) Next() (jobs.Request, error) {
	for r.current < len(r.files) {
		f := r.files[r.current]
		if f.rows == nil {
			if err := f.reopen(r.opts); err != nil {
				return jobs.Request{}, err
			}
		}
		request, err := f.rows.Next()
		switch {
		case errors.Is(err, io.EOF):
			r.current++
			if err := f.close(); err != nil {
				return jobs.Request{}, &FileError{f.name, err}
			}
			continue
		case err != nil && len(r.files) > 1:
			return request, &FileError{f.name, err}
		case err != nil || len(r.files) == 1:
			return request, err
		}
		if request.Reject != "" {
			request.Reject = f.name + ": " + request.Reject
		}
		request.Cells = r.cells(f, request)
		return request, nil
	}
	return jobs.Request{}, io.EOF
}

// cells returns the cells of a row in the columns of the batch.
func (r *Reader) cells(f *file, request jobs.Request) []string {
	if r.columns == nil || f.columns != nil && request.Cells == nil {
		return request.Cells
	}
	cells := make([]string, len(r.columns))
	if f.columns == nil {
		cells[r.url] = request.URL
		for i, name := range r.columns {
			if value, found := request.Metadata[name]; found && i != r.url && value != nil {
				cells[i] = fmt.Sprint(value)
			}
		}
		return cells
	}
	for i, cell := range request.Cells {
		if i < len(f.columns) {
			cells[f.columns[i]] = cell
		} else {
			cells = append(cells, cell)
		}
	}
	return cells
}

// Close closes the files that OpenFiles opened and removes temporary copies.
func (r *Reader) Close() error {
	var errs []error
	for _, f := range r.files {
		errs = append(errs, f.close())
	}
	return errors.Join(errs...)
}
