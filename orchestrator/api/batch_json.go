package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"reflect"
	"slices"
	"strings"

	"shotline/jobs"
	"shotline/jobs/csvfile"
)

// receiveJSON spools the body, reads it once, to know that all of it is as it
// should be and to find the options, and leaves the rows to be read again.
func (s *server) receiveJSON(ctx context.Context, body io.Reader, up *upload) error {
	if _, err := io.Copy(up, body); err != nil {
		return s.bodyError(ctx, err)
	}
	first := newRowReader(up.reader())
	first.maxRows = s.MaxRows
	options, rows, err := first.readAll()
	var tooMany *jobs.RowLimitError
	var disk *fs.PathError
	switch {
	case errors.As(err, &disk):
		return s.bodyError(ctx, &spoolError{err})
	case errors.As(err, &tooMany):
		return tooManyRows(tooMany)
	case err != nil:
		return first.problem(err, up.reader())
	}
	if rows == 0 {
		return invalid("body.jobs", errors.New("jobs: want at least one job"))
	}
	if up.spec, err = s.batchSpec(options, "body"); err != nil {
		return err
	}
	again := newRowReader(up.reader())
	again.checkURL = s.CheckURL
	up.rows = again.next
	return nil
}

// rowReader reads a BatchRequest token by token, one row in memory at a time.
type rowReader struct {
	source   *rowSource
	tokens   *json.Decoder
	field    string // where reading is, such as body.jobs[17]
	valueEnd int64  // of what was decoded out of its order; 0: where the tokens are
	row      int    // rows read
	maxRows  int    // that may be there; 0: any number
	inRows   bool

	checkURL func(string) error // of rows' callback URLs, for next
}

// rowSource bounds what one row can make the decoder keep.
type rowSource struct {
	io.Reader
	read, rowStart int64 // bytes read, and at the beginning of the row
}

const maxRow = csvfile.DefaultMaxRow

var errLongRow = fmt.Errorf("longer than %d bytes", maxRow)

func (s *rowSource) Read(p []byte) (int, error) {
	if s.read-s.rowStart > maxRow+64<<10 { // the decoder reads ahead
		return 0, errLongRow
	}
	n, err := s.Reader.Read(p[:min(len(p), 32<<10)])
	s.read += int64(n)
	return n, err
}

func newRowReader(r io.Reader) *rowReader {
	source := &rowSource{Reader: r}
	return &rowReader{source: source, tokens: json.NewDecoder(source), field: "body"}
}

// shapeError is JSON of another shape than was asked for.
type shapeError struct{ text string }

func (e *shapeError) Error() string { return e.text }

// whole reads everything and returns the options and how many rows there are.
func (r *rowReader) readAll() (options BatchOptions, rows int, err error) {
	if err := r.readDelim('{', "an object"); err != nil {
		return options, 0, err
	}
	given := map[string]member{}
	for r.tokens.More() {
		name, err := r.readName()
		if err != nil {
			return options, 0, err
		}
		// Before its value is read, which would lie in memory.
		if !slices.Contains(batchMembers, name) {
			return options, 0, &shapeError{fmt.Sprintf("unknown field %q", shortened(name))}
		}
		if _, twice := given[name]; twice {
			return options, 0, &shapeError{"given twice"}
		}
		given[name] = member{}
		if name == "jobs" {
			err = r.readRows()
		} else {
			given[name], err = r.readMember()
		}
		if err != nil {
			return options, 0, err
		}
	}
	if err := r.readEnd(); err != nil {
		return options, 0, err
	}
	delete(given, "jobs")
	return r.options(given)
}

// batchMembers are the names of a BatchRequest's members.
var batchMembers = func() (names []string) {
	for _, of := range []reflect.Type{reflect.TypeFor[BatchOptions](), reflect.TypeFor[BatchRequest]()} {
		for i := range of.NumField() {
			if name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ","); name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}()

// member is a value of the outer object and where it ends.
type member struct {
	value json.RawMessage
	end   int64
}

// options decodes the members that are no rows.
func (r *rowReader) options(given map[string]member) (options BatchOptions, rows int, err error) {
	for name, value := range given {
		r.field, r.valueEnd = "body", value.end
		if err := decodeExact(fmt.Appendf(nil, `{%q:%s}`, name, value.value), &options); err != nil {
			return options, 0, err
		}
	}
	r.valueEnd = 0
	return options, r.row, nil
}

// rows reads the whole array.
func (r *rowReader) readRows() error {
	if err := r.readDelim('[', "an array"); err != nil {
		return err
	}
	for r.tokens.More() {
		if _, err := r.readRow(); err != nil {
			return err
		}
	}
	return r.readDelim(']', "the array's end")
}

// one reads the next row of the array.
func (r *rowReader) readRow() (row RowRequest, err error) {
	r.field = fmt.Sprintf("body.jobs[%d]", r.row)
	r.source.rowStart = r.tokens.InputOffset()
	if r.row++; r.maxRows > 0 && r.row > r.maxRows {
		return row, &jobs.RowLimitError{Row: r.row, Limit: r.maxRows}
	}
	var text json.RawMessage
	if err := r.tokens.Decode(&text); err != nil {
		return row, err
	}
	if err := csvfile.CheckJSON(text); err != nil {
		return row, err
	}
	return row, decodeExact(text, &row)
}

// next returns the requests of a body that whole has read before, io.EOF after
// the last.
func (r *rowReader) next() (jobs.Request, error) {
	for !r.inRows {
		if err := r.findRows(); err != nil {
			return jobs.Request{}, err
		}
	}
	if !r.tokens.More() {
		if err := r.readDelim(']', "the array's end"); err != nil {
			return jobs.Request{}, err
		}
		return jobs.Request{}, io.EOF
	}
	row, err := r.readRow()
	if err != nil {
		return jobs.Request{}, err
	}
	request := row.request(r.checkURL)
	request.Line = r.row
	return request, nil
}

// findRows reads up to and into the array.
func (r *rowReader) findRows() error {
	if err := r.readDelim('{', "an object"); err != nil {
		return err
	}
	for r.tokens.More() {
		name, err := r.readName()
		if err != nil {
			return err
		}
		if name == "jobs" {
			r.inRows = true
			return r.readDelim('[', "an array")
		}
		if _, err := r.readMember(); err != nil {
			return err
		}
	}
	return &shapeError{"jobs is missing"}
}

func (r *rowReader) readName() (string, error) {
	token, err := r.tokens.Token()
	if err != nil {
		return "", err
	}
	name, _ := token.(string) // the decoder lets nothing else be a name
	r.field = "body." + name
	return name, nil
}

func (r *rowReader) readMember() (m member, err error) {
	r.source.rowStart = r.tokens.InputOffset()
	err = r.tokens.Decode(&m.value)
	m.end = r.tokens.InputOffset()
	if err == nil {
		err = csvfile.CheckJSON(m.value)
	}
	return m, err
}

func (r *rowReader) readDelim(want json.Delim, name string) error {
	r.source.rowStart = r.tokens.InputOffset()
	token, err := r.tokens.Token()
	if err != nil {
		return err
	}
	if token != want {
		return &shapeError{"want " + name}
	}
	return nil
}

// end makes sure that nothing follows.
func (r *rowReader) readEnd() error {
	r.field = "body"
	if err := r.readDelim('}', "the object's end"); err != nil {
		return err
	}
	if _, err := r.tokens.Token(); !errors.Is(err, io.EOF) {
		return &shapeError{"more than one JSON value"}
	}
	return nil
}
