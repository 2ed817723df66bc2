package input

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"shotline/client/excerpt"
	"shotline/client/parameter"
	"shotline/jobs"
	"shotline/jobs/csvfile"
	"shotline/jobs/jobjson"
	"shotline/jobs/number"
)

// objects reads JSON Lines: in each line a URL, or an object with the fields of a
// job of the HTTP API. Other fields are metadata. Those that only a results file has
// are not read, except for the job.
type objects struct {
	lines  *bufio.Reader
	opts   Options
	line   int
	notes  []string
	ahead  *jobs.Request
	failed error
}

func openObjects(c content, opts Options) (*objects, error) {
	r, err := c.open()
	if err != nil {
		return nil, err
	}
	o := &objects{lines: bufio.NewReaderSize(r, 64<<10), opts: opts}
	first, err := o.next()
	if errors.Is(err, io.EOF) {
		return nil, csvfile.ErrEmpty
	}
	if err != nil {
		return nil, err
	}
	if first.Reject == errNotObject.Error() {
		return nil, refused("JSON that does not have an object in each line", "want one object or URL in each line (jq -c . FILE)")
	}
	o.ahead = &first
	return o, nil
}

func (o *objects) Columns() []string      { return nil }
func (o *objects) URLColumn() int         { return 0 }
func (o *objects) Fields() map[string]int { return nil }
func (o *objects) Notes() []string        { return o.notes }

func (o *objects) Next() (jobs.Request, error) {
	if o.ahead != nil {
		request := *o.ahead
		o.ahead = nil
		return request, nil
	}
	return o.next()
}

func (o *objects) next() (jobs.Request, error) {
	for {
		text, err := o.readLine()
		if err != nil {
			return jobs.Request{}, err
		}
		if text == nil {
			return jobs.Request{Line: o.line, Reject: fmt.Sprintf("longer than %d bytes", o.opts.maxRow())}, nil
		}
		text = bytes.TrimSpace(bytes.TrimPrefix(text, mark8))
		if len(text) == 0 {
			continue
		}
		request := o.request(text)
		request.Line = o.line
		return request, nil
	}
}

// readLine returns the next line, or nil if it is too long.
func (o *objects) readLine() ([]byte, error) {
	if o.failed != nil {
		return nil, o.failed
	}
	o.line++
	line, long := []byte{}, false
	for {
		part, err := o.lines.ReadSlice('\n')
		if !long {
			line = append(line, part...)
		}
		if long = long || len(line) > o.opts.maxRow()+len("\r\n"); long {
			line = nil
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) && (len(line) > 0 || long):
			o.failed = io.EOF
		case err != nil:
			o.failed = err
			if !errors.Is(err, io.EOF) {
				o.failed = fmt.Errorf("line %d: %w", o.line, err)
			}
			return nil, o.failed
		}
		return line, nil
	}
}

var errNotObject = errors.New("not a JSON object or string")

// request converts the JSON of a line. If it cannot become a job, the result is a
// rejected request.
func (o *objects) request(text []byte) jobs.Request {
	if err := parameter.CheckJSON(text); err != nil {
		return jobs.Request{Reject: err.Error()}
	}
	var url string
	if text[0] == '"' && json.Unmarshal(text, &url) == nil {
		request, _ := csvfile.Fields{URL: url}.Request()
		return request
	}
	var fields map[string]json.RawMessage
	if text[0] != '{' || json.Unmarshal(text, &fields) != nil {
		return jobs.Request{Reject: errNotObject.Error()}
	}
	row, request := csvfile.Fields{Metadata: jobs.Metadata{}}, jobs.Request{}
	var flaw error
	var replaced int
	if request.Job, replaced = jobjson.TakeOutcome(fields); replaced > 0 && o.line == 1 {
		o.notes = append(o.notes, fmt.Sprintf("fields of an earlier results file are replaced, such as id and state (%s)", number.Of(replaced, "field")))
	}
	urlField := o.urlField(fields)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		var err error
		switch value := fields[name]; {
		case name == urlField:
			if json.Unmarshal(value, &row.URL) != nil {
				err = fmt.Errorf("%s: want a string", name)
			}
		case name == "params":
			if json.Unmarshal(value, &row.Params) != nil {
				err = errors.New("params: want an object")
			}
		case name == "tags" || name == "tag":
			row.Tags, err = tagsOf(name, value, row.Tags)
		case name == "metadata" && value[0] == '{':
			var own jobs.Metadata
			if json.Unmarshal(value, &own) != nil {
				err = errors.New("metadata: want texts, numbers, true, false or null")
			}
			maps.Copy(row.Metadata, own)
		case o.opts.Amends && name == "job_id":
			if json.Unmarshal(value, &request.Job) != nil {
				err = errors.New("job_id: want the id of a job, such as b7k2m9q4x1-1")
			}
		case o.setOption(&request, name, value):
		default:
			row.Metadata[name] = scalar(value)
			o.noteField(name)
		}
		if flaw == nil {
			flaw = err
		}
	}
	if len(row.Metadata) == 0 {
		row.Metadata = nil
	}
	options := request
	request, _ = row.Request()
	request.Job, request.CallbackURL, request.Timeout, request.Priority = options.Job, options.CallbackURL, options.Timeout, options.Priority
	if flaw == nil && options.Reject != "" {
		flaw = errors.New(options.Reject)
	}
	if flaw != nil {
		request.Reject = flaw.Error()
	}
	return request
}

// urlField returns the name of the field with the URL.
func (o *objects) urlField(fields map[string]json.RawMessage) string {
	names := slices.Sorted(maps.Keys(fields))
	if wanted := o.opts.URLColumn; wanted != "" {
		if i := slices.IndexFunc(names, func(name string) bool { return strings.EqualFold(name, wanted) }); i >= 0 {
			return names[i]
		}
		return wanted
	}
	if at := csvfile.FindURLColumn(names); at >= 0 {
		return names[at]
	}
	return "url"
}

// setOption sets an option of the request. It reports whether the field is one: a
// field with a value of another form is the user's own.
func (o *objects) setOption(request *jobs.Request, name string, value json.RawMessage) bool {
	switch name {
	case "timeout":
		var text string
		if json.Unmarshal(value, &text) != nil {
			return false
		}
		timeout, err := csvfile.ParseTimeout(text)
		request.Timeout = timeout
		return err == nil
	case "priority":
		var number float64
		if json.Unmarshal(value, &number) != nil || number != math.Trunc(number) || csvfile.CheckPriority(int(number)) != nil {
			return false
		}
		priority := int(number)
		request.Priority = &priority
		return true
	case "callback_url":
		if json.Unmarshal(value, &request.CallbackURL) != nil {
			return false
		}
		err := errors.New("rows cannot have callbacks here")
		if o.opts.CheckURL != nil {
			err = o.opts.CheckURL(request.CallbackURL)
		}
		if err != nil {
			request.CallbackURL, request.Reject = "", "callback_url: "+err.Error()
		}
		return true
	}
	return false
}

// noteField notes once that a field is not sent although it has the name of a
// parameter. Only fields of the first line are noted.
func (o *objects) noteField(name string) {
	if p, found := parameter.Lookup(name); found && o.line == 1 {
		o.notes = append(o.notes, fmt.Sprintf("field %q: not a parameter; params.%s sends it", excerpt.Of(name), p.Name))
	}
}

// tagsOf returns tags from an array of texts, or from one text in which they are
// separated as in a table.
func tagsOf(name string, value json.RawMessage, tags []string) ([]string, error) {
	var text string
	var several []string
	switch {
	case json.Unmarshal(value, &several) == nil:
		return append(tags, several...), nil
	case json.Unmarshal(value, &text) == nil:
		return append(tags, strings.FieldsFunc(text, func(r rune) bool { return r == '|' || r == ',' })...), nil
	}
	return tags, fmt.Errorf("%s: want an array of texts", name)
}

// scalar returns the value of a field of metadata. An array or object becomes its
// JSON text.
func scalar(value json.RawMessage) any {
	if value[0] == '[' || value[0] == '{' {
		return string(value)
	}
	exact := json.NewDecoder(bytes.NewReader(value))
	exact.UseNumber()
	var decoded any
	if exact.Decode(&decoded) != nil {
		return string(value)
	}
	return decoded
}
