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

	"shotline/client/parameter"
	"shotline/jobs"
	"shotline/jobs/csvfile"
)

// receiveJSON spools the body and reads it completely, to check it and to find
// the options. The import then reads the rows again.
func (s *server) receiveJSON(ctx context.Context, body io.Reader, up *upload) error {
	if _, err := io.Copy(up, body); err != nil {
		return s.bodyError(ctx, err)
	}
	first := newRowReader(up.reader())
	first.maxRows, first.amends = s.MaxRows, up.amends
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
	up.notes = append(paramNotes("params", options.Params), first.notes...)
	again := newRowReader(up.reader())
	again.checkURL, again.amends = s.CheckURL, up.amends
	up.rows = again.next
	return nil
}

// rowReader reads a BatchRequest or an AmendRequest token by token. It keeps only one row in memory.
type rowReader struct {
	source   *rowSource
	tokens   *json.Decoder
	field    string // location of the current value, such as body.jobs[17]
	valueEnd int64  // end of the option that is being decoded; 0: the position of tokens
	row      int    // rows read so far
	maxRows  int    // maximum number of rows; 0: no limit
	amends   bool   // it is an AmendRequest
	inRows   bool
	noted    map[string]bool // names of parameters in notes
	notes    []string

	checkURL func(string) error // checks the callback URLs of rows; used by next
}

// rowSource limits the memory that the decoder uses for one row.
type rowSource struct {
	io.Reader
	read, rowStart int64 // bytes read so far, and up to the start of the row
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
	return &rowReader{source: source, tokens: json.NewDecoder(source), field: "body", noted: map[string]bool{}}
}

// shapeError reports JSON that does not have the expected structure.
type shapeError struct{ text string }

func (e *shapeError) Error() string { return e.text }

// readAll reads the whole body. It returns the options and the number of rows.
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
		// Check the name before the value is read into memory.
		if known := name == "jobs" || !r.amends && slices.Contains(batchMembers, name); !known {
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

// batchMembers are the names of the members of a BatchRequest.
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

// member is the value of a member of the outer object, and the position of its
// end.
type member struct {
	value json.RawMessage
	end   int64
}

// options decodes all members except jobs.
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

// readRows reads the array of jobs.
func (r *rowReader) readRows() error {
	if err := r.readDelim('[', "an array"); err != nil {
		return err
	}
	for r.tokens.More() {
		row, err := r.readRow()
		if err != nil {
			return err
		}
		if row.JobID != "" {
			if _, err := jobs.ParseID(row.JobID); err != nil {
				r.field += ".job_id"
				return &shapeError{fmt.Sprintf("%q is not the id of a job", shortened(row.JobID))}
			}
		}
		r.noteParams(row.Params)
	}
	return r.readDelim(']', "the array's end")
}

// noteParams adds notes on the parameters of the current row. It notes each name
// once.
func (r *rowReader) noteParams(params jobs.Params) {
	for name := range params {
		if len(r.notes) < maxNotes && !r.noted[name] {
			if advice := parameter.Advice(name); advice != "" {
				r.noted[name] = true
				r.notes = append(r.notes, fmt.Sprintf("%s.params.%s: %s", strings.TrimPrefix(r.field, "body."), shortened(name), advice))
			}
		}
	}
}

// readRow reads the next row of the array.
func (r *rowReader) readRow() (row AmendedRow, err error) {
	r.field = fmt.Sprintf("body.jobs[%d]", r.row)
	r.source.rowStart = r.tokens.InputOffset()
	if r.row++; r.maxRows > 0 && r.row > r.maxRows {
		return row, &jobs.RowLimitError{Row: r.row, Limit: r.maxRows}
	}
	var text json.RawMessage
	if err := r.tokens.Decode(&text); err != nil {
		return row, err
	}
	if err := parameter.CheckJSON(text); err != nil {
		return row, err
	}
	if r.amends {
		return row, decodeExact(text, &row)
	}
	return row, decodeExact(text, &row.RowRequest)
}

// next returns the next request, and io.EOF after the last one. The body must
// have passed readAll of another reader.
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
	if row.JobID != "" {
		if request.Job, err = jobs.ParseID(row.JobID); err != nil {
			return request, err // readAll has checked it
		}
	}
	return request, nil
}

// findRows reads up to the first row of the array of jobs.
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
	name, _ := token.(string) // the decoder accepts only strings as names
	r.field = "body." + name
	return name, nil
}

func (r *rowReader) readMember() (m member, err error) {
	r.source.rowStart = r.tokens.InputOffset()
	err = r.tokens.Decode(&m.value)
	m.end = r.tokens.InputOffset()
	if err == nil {
		err = parameter.CheckJSON(m.value)
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

// readEnd reads the end of the object and checks that nothing follows.
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
