package csvfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"shotline/jobs"
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
	// ErrEncoding means that the file is not UTF-8 text.
	ErrEncoding = errors.New("not a UTF-8 text file")
	// ErrCopy means that the temporary copy of the input could not be written or
	// read. The input itself might be fine. Next can return it, too.
	ErrCopy = errors.New("temporary copy of the input")
)

// Options are the options of Open. The zero value is suitable for most callers.
type Options struct {
	MaxRow int // maximum size of a row in bytes; 0 means DefaultMaxRow
	// CheckURL checks the URLs of the column job:callback_url. If it is nil, such a
	// column is an error.
	CheckURL func(url string) error
	// TempDir is the folder for the copy of an input that cannot be read twice; see
	// Open. If it is empty, Open uses os.TempDir.
	TempDir string
}

// Reader reads requests, one at a time. It is not safe for concurrent use.
type Reader struct {
	opts    Options
	source  *source
	records *records
	header  []string // nil for a list
	columns []column
	ahead   *record // first row, read by Open to check that there is one
}

// Open reads the header, if there is one, and checks that at least one row
// follows. Besides the errors above, it returns an error if a column is forbidden
// or repeated, or if reading from r fails.
//
// If a column has the name of a create parameter, Open reads the whole input to
// find out whether all values of the column make sense for the parameter. Then it
// reads from the beginning again: by seeking if r is an io.Seeker, otherwise from
// a temporary copy. Close removes the copy. Other inputs are read only once.
func Open(r io.Reader, opts Options) (*Reader, error) {
	if opts.MaxRow <= 0 {
		opts.MaxRow = DefaultMaxRow
	}
	reader := &Reader{opts: opts, source: newSource(r)}
	err := reader.start()
	if err == nil && reader.hasCandidates() {
		err = reader.judgeCandidates()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read csv: %w", err), reader.Close())
	}
	reader.source.forget()
	return reader, nil
}

// start reads the header and the first row from the beginning of the source.
func (r *Reader) start() error {
	r.records = newRecords(r.source, r.opts.MaxRow)
	if err := r.records.skipBOM(); err != nil {
		return err
	}
	return r.begin()
}

// Close removes the temporary copy of the input, if there is one. It does not
// close the reader that was passed to Open.
func (r *Reader) Close() error { return r.source.close() }

// Notes returns what the user should know about the columns: which of them are
// sent as parameters, which are not although they have the name of one, and which
// names are probably misspelt.
func (r *Reader) Notes() []string {
	var notes []string
	for _, c := range r.columns {
		if c.note != "" {
			notes = append(notes, c.note)
		}
	}
	return notes
}

// begin detects whether the file is a table or a list, and its separator.
func (r *Reader) begin() error {
	first, guess, isTable, err := r.records.first(separators, func(cells []string) bool { return urlColumn(cells) >= 0 })
	if errors.Is(err, io.EOF) {
		return ErrEmpty
	}
	if err != nil {
		return err
	}
	if first.flaw != "" && len(guess) == 0 {
		return fmt.Errorf("line %d: %s", first.line, first.flaw)
	}
	if !isTable {
		if first.flaw != "" || !looksLikeURL(first.cells[0]) {
			return fmt.Errorf("%w: line %d has %s", ErrNoURLColumn, first.line, listColumns(guess))
		}
		r.ahead = &first
		return nil
	}
	if flaw := repairText(first.cells); flaw != "" {
		return fmt.Errorf("line %d: %s", first.line, flaw)
	}
	if r.columns, err = readHeader(first.cells); err == nil {
		err = r.checkOptions()
	}
	if err != nil {
		return fmt.Errorf("line %d: %w", first.line, err)
	}
	r.header = first.cells
	next, err := r.records.next()
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w, only a header", ErrEmpty)
	}
	if err != nil {
		return err
	}
	r.ahead = &next
	return nil
}

// Columns returns the header as in the file. It is nil for a list.
func (r *Reader) Columns() []string { return r.header }

// Next returns the request of the next row, or io.EOF after the last one. If a
// row cannot become a job, Reject is set, and URL contains the text of the URL
// cell if there is one. Any other error is a read error, after which the Reader
// cannot continue.
func (r *Reader) Next() (jobs.Request, error) {
	var rec record
	if r.ahead != nil {
		rec, r.ahead = *r.ahead, nil
	} else {
		var err error
		if rec, err = r.records.next(); err != nil {
			if !errors.Is(err, io.EOF) {
				err = fmt.Errorf("read csv, line %d: %w", r.records.line, err)
			}
			return jobs.Request{}, err
		}
	}
	request := jobs.Request{Line: rec.line, Reject: rec.flaw}
	if rec.flaw != "" {
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
	request.URL = weburl.Trim(cells[0])
	if len(cells) > 1 || strings.ContainsAny(request.URL, " \t") {
		request.Reject = "not only a URL; a file with several columns needs a header line with a url column"
		return
	}
	setURL(request)
}

// fromTable sets the fields of a request from a row of a table.
func (r *Reader) fromTable(request *jobs.Request, cells []string) {
	for len(cells) < len(r.header) {
		cells = append(cells, "")
	}
	request.Cells = cells
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
		case metadata:
			if request.Metadata == nil {
				request.Metadata = jobs.Metadata{}
			}
			request.Metadata[c.name] = cell
		}
	}
	for _, tag := range request.Tags {
		if err := checkTag(tag); err != nil {
			reject(request, err)
		}
	}
	setURL(request)
}

// setURL normalizes the URL of a request, or rejects the request.
func setURL(request *jobs.Request) {
	normal, err := weburl.Normalize(request.URL)
	if err == nil {
		request.URL = normal
		return
	}
	reject(request, err)
	if len(request.URL) > weburl.MaxLength {
		request.URL = weburl.Excerpt(request.URL)
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

// skipBOM skips a UTF-8 byte order mark. It returns an error if the file is
// certainly not UTF-8.
func (r *records) skipBOM() error {
	for len(r.buf) < 4 && r.fill() {
	}
	switch {
	case bytes.HasPrefix(r.buf, []byte("\xff\xfe")), bytes.HasPrefix(r.buf, []byte("\xfe\xff")):
		return fmt.Errorf("%w: it is UTF-16; save it as CSV UTF-8", ErrEncoding)
	case bytes.HasPrefix(r.buf, []byte("PK\x03\x04")):
		return fmt.Errorf("%w: it is a spreadsheet or ZIP file; save it as CSV UTF-8", ErrEncoding)
	case bytes.HasPrefix(r.buf, []byte("\xef\xbb\xbf")):
		r.pos = 3
	}
	return nil
}
