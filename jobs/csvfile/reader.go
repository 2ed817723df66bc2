package csvfile

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"shotline/client/excerpt"
	"shotline/jobs"
	"shotline/jobs/resultcolumn"
	"shotline/jobs/weburl"
)

// DefaultMaxRow is the default maximum size of a row in bytes.
const DefaultMaxRow = 1 << 20

// Errors of Open; test with errors.Is.
var (
	// ErrEmpty means that the file has no rows.
	ErrEmpty = errors.New("no URLs found")
	// ErrNoURLColumn means that the file is neither a table with a URL column nor a
	// list of URLs. The message lists the columns.
	ErrNoURLColumn = errors.New("no url column")
)

// Options are the options of Open. The zero value is suitable for most callers.
type Options struct {
	MaxRow int // maximum size of a row in bytes; 0 means DefaultMaxRow
	// URLColumn is the name of the URL column, or its number if it has no name. If
	// it is empty, the header decides, or else the cells.
	URLColumn string
	// Separator is the separator of the columns; 0: the header decides.
	Separator byte
	// CheckURL checks the URLs of the column job:callback_url. If it is nil, such a
	// column is an error.
	CheckURL func(url string) error
}

// Reader reads requests, one at a time. It is not safe for concurrent use.
type Reader struct {
	opts    Options
	source  io.ReadSeeker
	records *records
	header  []string // nil for a list
	columns []column
	url     int // index of the URL column
	dialect jobs.Dialect
	notes   []string // on the layout
	ahead   *record  // first row, read by Open to check that there is one
}

// Open reads the header, if there is one, and checks that at least one row
// follows. Besides the errors above, it returns an error if a column is forbidden
// or repeated, or if reading from r fails.
//
// If a column has the name of a create parameter, Open reads the whole input to
// find out whether all values of the column make sense for the parameter. Then it
// seeks to the beginning and reads again. Other inputs are read only once.
func Open(r io.ReadSeeker, opts Options) (*Reader, error) {
	if opts.MaxRow <= 0 {
		opts.MaxRow = DefaultMaxRow
	}
	reader := &Reader{opts: opts, source: r}
	err := reader.start()
	if err == nil && reader.hasCandidates() {
		err = reader.judgeCandidates()
	}
	if err != nil {
		return nil, fmt.Errorf("read csv: %w", err)
	}
	return reader, nil
}

// start reads the header and the first row from the beginning of the source.
func (r *Reader) start() error {
	r.records = newRecords(r.source, r.opts.MaxRow)
	return r.begin()
}

// Notes returns what the user should know about the file: lines above the header
// that were skipped, which column has the URLs if its name does not say so, which
// columns are sent as parameters, which are not although they have the name of
// one, and which names are probably misspelt.
func (r *Reader) Notes() []string {
	notes := append(slices.Clone(r.notes), r.resultNote()...)
	for _, c := range r.columns {
		if c.note != "" {
			notes = append(notes, c.note)
		}
	}
	return notes
}

// begin determines the layout, reads the header, if there is one, and the first
// row.
func (r *Reader) begin() error {
	found, err := r.records.detect(r.opts)
	if err != nil {
		return err
	}
	r.notes, r.url, r.dialect = found.notes, found.url, found.dialect
	if found.header != nil {
		if flaw := repairText(found.header); flaw != "" {
			return fmt.Errorf("line %d: %s", found.line, flaw)
		}
		if r.columns, err = readHeader(found.header, found.url); err == nil {
			err = r.checkOptions()
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", found.line, err)
		}
	}
	r.header = found.header
	next, err := r.nextRecord()
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w, only a header", ErrEmpty)
	}
	if err != nil {
		return err
	}
	r.ahead = &next
	return nil
}

// nextRecord returns the next record. It skips records that repeat the header, as
// in files that were put together, and drops surplus empty cells.
func (r *Reader) nextRecord() (record, error) {
	for {
		rec, err := r.records.next()
		if err != nil || r.header == nil {
			return rec, err
		}
		if len(rec.cells) > len(r.header) {
			rec.cells = withoutSurplus(rec.cells, len(r.header))
		}
		if len(r.header) == 1 && len(rec.cells) == 1 {
			rec.cells[0] = withoutSeparators(rec.cells[0])
		}
		if !slices.Equal(rec.cells, r.header) {
			return rec, nil
		}
	}
}

// withoutSeparators removes separators at the end of a row that has one column.
func withoutSeparators(text string) string {
	if text == "" || !isSeparator(text[len(text)-1]) {
		return text
	}
	return strings.TrimRight(text, ",;|\t ")
}

// Columns returns the header as in the file, without the columns that an earlier
// results file added. It is nil for a list. If a table has no header, it returns
// names for its columns.
func (r *Reader) Columns() []string { return r.own(r.header) }

// URLColumn returns the index of the URL column in Columns.
func (r *Reader) URLColumn() int {
	if r.header == nil {
		return r.url
	}
	return len(r.own(r.header[:r.url]))
}

// Dialect returns how the file is written.
func (r *Reader) Dialect() jobs.Dialect { return r.dialect }

// Next returns the request of the next row, or io.EOF after the last one. If a
// row cannot become a job, Reject is set, and URL contains the text of the URL
// cell if there is one. If the row cannot be divided into cells, Cells contains its
// first line as one cell. Any other error is a read error, after which the Reader
// cannot continue.
func (r *Reader) Next() (jobs.Request, error) {
	var rec record
	if r.ahead != nil {
		rec, r.ahead = *r.ahead, nil
	} else {
		var err error
		if rec, err = r.nextRecord(); err != nil {
			if !errors.Is(err, io.EOF) {
				err = fmt.Errorf("read csv, line %d: %w", r.records.line, err)
			}
			return jobs.Request{}, err
		}
	}
	request := jobs.Request{Line: rec.line, Reject: rec.flaw}
	if rec.flaw != "" {
		request.Cells = []string{clean(rec.text)}
		return request, nil
	}
	flaw := repairText(rec.cells)
	if r.header == nil {
		r.fromList(&request, rec.cells)
	} else {
		r.fromTable(&request, rec.cells)
	}
	if flaw != "" {
		request.Reject = flaw
	}
	return request, nil
}

// fromList sets the fields of a request from a row of a list, which has one cell.
func (r *Reader) fromList(request *jobs.Request, cells []string) {
	request.URL = weburl.Trim(withoutSeparators(strings.TrimSpace(cells[0])))
	switch {
	case moreThanOne(request.URL, true):
		rejectURL(request, errors.New("more than one URL: write each on a line of its own"))
	case strings.ContainsAny(request.URL, " \t"):
		rejectURL(request, errors.New("not only a URL: write %20 for a space in it; a file with several columns needs a header line with a url column"))
	default:
		setURL(request)
	}
}

// fromTable sets the fields of a request from a row of a table.
func (r *Reader) fromTable(request *jobs.Request, cells []string) {
	for len(cells) < len(r.header) {
		cells = append(cells, "")
	}
	request.Cells = r.own(cells)
	shifted := false // a part of an unquoted secret might be in another column
	if slices.ContainsFunc(cells[len(r.columns):], func(cell string) bool { return strings.TrimSpace(cell) != "" }) {
		reject(request, fmt.Errorf("%d cells, but the header has %d", len(cells), len(r.columns)))
		shifted = slices.Contains(SecretColumns(r.header), true)
	}
	for i, cell := range cells[:len(r.columns)] {
		if strings.TrimSpace(cell) == "" || shifted && r.columns[i].role != address {
			continue
		}
		switch c := r.columns[i]; c.role {
		case address:
			request.URL = weburl.Trim(cell)
		case tags:
			request.Tags = splitTags(request.Tags, cell)
		case param:
			v, err := c.param.Parse(cell)
			if err != nil {
				reject(request, err)
				continue
			}
			if request.Params == nil {
				request.Params = jobs.Params{}
			}
			request.Params[c.name] = v
		case option:
			if err := r.setOption(request, c.name, strings.TrimSpace(cell)); err != nil {
				reject(request, err)
			}
		case result:
			if c.name == resultcolumn.Job {
				setJob(request, cell)
			}
		case metadata:
			if request.Metadata == nil {
				request.Metadata = jobs.Metadata{}
			}
			request.Metadata[c.name] = cell
			if fold(c.name) == jobColumn {
				request.Job, _ = jobs.ParseID(strings.TrimSpace(cell)) // zero if it is a column of the user's
			}
		}
	}
	for _, tag := range request.Tags {
		if err := checkTag(tag); err != nil {
			reject(request, err)
		}
	}
	if moreThanOne(request.URL, false) {
		rejectURL(request, errors.New("more than one URL: write each in a row of its own"))
		return
	}
	setURL(request)
}

// setURL normalizes the URL of a request, or rejects the request.
func setURL(request *jobs.Request) {
	normal, err := weburl.Normalize(request.URL)
	if err != nil {
		rejectURL(request, err)
		return
	}
	request.URL = normal
}

// rejectURL rejects a request because of its URL. It shortens a URL that is too
// long to be one.
func rejectURL(request *jobs.Request, why error) {
	reject(request, why)
	if len(request.URL) > weburl.MaxLength {
		request.URL = excerpt.Of(request.URL)
	}
}

// reject sets the reason why a row cannot become a job. The first reason is kept.
func reject(request *jobs.Request, why error) {
	if request.Reject == "" {
		request.Reject = why.Error()
	}
}

// repairText replaces characters that cells must not contain, so that the row can
// be written to the results, and returns an error text if there were any.
func repairText(cells []string) (flaw string) {
	for i, cell := range cells {
		switch {
		case !utf8.ValidString(cell):
			flaw = fmt.Sprintf("cell %d is not valid UTF-8", i+1)
		case strings.IndexByte(cell, 0) >= 0:
			flaw = fmt.Sprintf("cell %d contains a NUL byte", i+1)
		default:
			continue
		}
		cells[i] = clean(cell)
	}
	return flaw
}

// looksLikeURL reports whether the first line of a file is a URL and not a
// header. A URL with an error is not a header either.
func looksLikeURL(cell string) bool {
	scheme, _, found := strings.Cut(weburl.Trim(cell), "://")
	if found && scheme != "" && !strings.ContainsFunc(scheme, func(r rune) bool { return !unicode.IsLetter(r) }) {
		return true
	}
	_, err := weburl.Normalize(cell)
	return err == nil
}
