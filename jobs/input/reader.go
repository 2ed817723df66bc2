package input

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"shotline/jobs"
	"shotline/jobs/csvfile"
)

// Options are the options of Open and OpenFiles.
type Options struct {
	// Encoding is the name of the encoding of the text. If it is empty, the content
	// decides.
	Encoding string
	// URLColumn is the name of the URL column, or its number; see csvfile.Options.
	URLColumn string
	// Objects says that the input is JSON Lines, whatever it looks like.
	Objects bool
	// Amends says that each row names its job. In JSON Lines the field job_id does,
	// which is metadata otherwise.
	Amends bool
	// CheckURL checks the callback URLs of rows. If it is nil, rows cannot have any.
	CheckURL func(url string) error
	// TempDir is the folder for temporary files; empty: os.TempDir.
	TempDir string
	// MaxSize is the maximum size of a gzip input after it is decompressed; 0: no
	// limit.
	MaxSize int64
	// MaxRow is the maximum size of a row in bytes; 0 means csvfile.DefaultMaxRow.
	MaxRow int
}

func (o Options) maxRow() int {
	if o.MaxRow > 0 {
		return o.MaxRow
	}
	return csvfile.DefaultMaxRow
}

func (o Options) csv(separator byte) csvfile.Options {
	return csvfile.Options{MaxRow: o.MaxRow, URLColumn: o.URLColumn, Separator: separator, CheckURL: o.CheckURL}
}

// rows are the rows of one file.
type rows interface {
	Columns() []string
	URLColumn() int
	Fields() map[string]int
	Notes() []string
	Next() (jobs.Request, error)
}

// file is an open input.
type file struct {
	name    string
	rows    rows
	closers []io.Closer
	columns []int // index in the columns of the batch, for each column of the file
	dialect jobs.Dialect

	repacked bool // there might be more rows than lines
}

func (f *file) close() error {
	var errs []error
	for _, c := range slices.Backward(f.closers) {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// FileError is an error of one of several files.
type FileError struct {
	Name string
	Err  error
}

func (e *FileError) Error() string { return e.Name + ": " + e.Err.Error() }

// Unwrap returns Err.
func (e *FileError) Unwrap() error { return e.Err }

// Reader reads the requests of one or several files, one at a time. It is not safe
// for concurrent use.
type Reader struct {
	files   []*file
	current int
	columns []string
	url     int
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

// OpenFiles opens files by name. The name - is standard input. If an input is an
// index of sitemaps, its parts are opened, too, from the same folder. Errors are
// of the type *FileError.
func OpenFiles(names []string, stdin io.Reader, opts Options) (*Reader, error) {
	var files []*file
	seen := map[string]bool{}
	for _, name := range names {
		seen[filepath.Clean(name)] = true
	}
	for queue := slices.Clone(names); len(queue) > 0; {
		name := queue[0]
		queue = queue[1:]
		f, parts, err := openNamed(name, stdin, opts)
		if err == nil && parts != nil {
			parts, err = beside(name, parts, seen)
			err = errors.Join(err, f.close())
			queue = append(parts, queue...)
		} else if err == nil {
			files = append(files, f)
		}
		if err != nil {
			for _, opened := range files {
				err = errors.Join(err, opened.close())
			}
			return nil, err
		}
	}
	if len(files) == 0 {
		return nil, &FileError{strings.Join(names, ", "), csvfile.ErrEmpty}
	}
	return newReader(files), nil
}

const standardInput = "standard input"

func openNamed(name string, stdin io.Reader, opts Options) (*file, []string, error) {
	if name == "-" {
		f, parts, err := open(stdin, opts)
		if err != nil {
			return nil, nil, &FileError{standardInput, err}
		}
		f.name = standardInput
		return f, parts, nil
	}
	opened, err := os.Open(name)
	if err != nil {
		return nil, nil, err // it contains the name
	}
	if info, err := opened.Stat(); err == nil && info.IsDir() {
		err := fmt.Errorf("is a directory: give the files in it, such as %s", filepath.Join(name, "*.csv"))
		return nil, nil, errors.Join(&FileError{name, err}, opened.Close())
	}
	f, parts, err := open(opened, opts)
	if err != nil {
		return nil, nil, errors.Join(&FileError{name, err}, opened.Close())
	}
	f.name, f.closers = name, append([]io.Closer{opened}, f.closers...)
	return f, parts, nil
}

// beside returns the paths of the parts of an index of sitemaps. It skips parts
// that are inputs already.
func beside(index string, parts []string, seen map[string]bool) (paths []string, err error) {
	var missing []string
	for _, part := range parts {
		found := ""
		for _, name := range []string{part, strings.TrimSuffix(part, ".gz"), part + ".gz"} {
			path := filepath.Join(filepath.Dir(index), filepath.Base(name))
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				found = path
				break
			}
		}
		switch {
		case found == "" && !seenBase(seen, part):
			missing = append(missing, part)
		case found != "" && !seen[filepath.Clean(found)]:
			seen[filepath.Clean(found)] = true
			paths = append(paths, found)
		}
	}
	if len(missing) > 0 {
		more := ""
		if len(missing) > 3 {
			more = fmt.Sprintf(" and %d more", len(missing)-3)
		}
		return nil, &FileError{index, refused("an index of sitemaps", fmt.Sprintf("its parts are not beside it: download %s%s into the same folder, or give them instead",
			strings.Join(missing[:min(len(missing), 3)], ", "), more))}
	}
	return paths, nil
}

// seenBase reports whether an input has a file name, in any folder.
func seenBase(seen map[string]bool, name string) bool {
	for path := range seen {
		if filepath.Base(path) == name {
			return true
		}
	}
	return false
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
	if err == nil && note != "" && f.rows != nil {
		f.rows = noted{f.rows, note}
	}
	return f, parts, err
}

// noted are rows with one more note.
type noted struct {
	rows
	note string
}

func (n noted) Notes() []string { return append([]string{n.note}, n.rows.Notes()...) }

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
	names := f.rows.Columns()
	if names == nil {
		return
	}
	first := r.columns == nil
	taken := map[int]bool{}
	for i, name := range names {
		at := -1
		switch {
		case first:
		case i == f.rows.URLColumn():
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
		if first && i == f.rows.URLColumn() {
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
func (r *Reader) Fields() map[string]int { return r.files[0].rows.Fields() }

// Dialect returns how the first file is written. It is the zero value unless that
// is a table or a list.
func (r *Reader) Dialect() jobs.Dialect { return r.files[0].dialect }

// Notes returns what the user should know about the input. With several files,
// each note begins with the name of its file.
func (r *Reader) Notes() (notes []string) {
	for _, f := range r.files {
		for _, note := range f.rows.Notes() {
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
		request, err := f.rows.Next()
		switch {
		case errors.Is(err, io.EOF):
			r.current++
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
