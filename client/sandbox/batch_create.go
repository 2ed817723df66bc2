package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Limits of the sandbox. The vendor documents none.
const (
	maxBatchBody = 16 << 20 // bytes
	maxBatchRows = 10_000
	maxOption    = 256 << 10 // bytes in the value of one option
	maxOptions   = 500       // number of options
)

// createBatch handles POST /batch/create. The body is either the multipart form
// of the SDKs, for which the response has an id, or the JSON object of the help
// page, for which it has a batch_id. Every line of the list becomes a row, even
// if it is not a valid URL.
func (s *Server) createBatch(r *http.Request, q url.Values) (any, error) {
	list, err := readBatch(r)
	if err != nil {
		return nil, err
	}
	for name, values := range q {
		if _, given := list.options[name]; !given {
			list.options[name] = values
		}
	}
	switch {
	case list.urls == nil:
		return nil, missingParam(list.listName())
	case list.options.Get("country") == "":
		return nil, missingParam("country")
	}
	p := &params{query: list.options}
	o := s.readOrder(p)
	switch most := min(maxBatchRows, s.cfg.MaxScreenshots); {
	case len(list.urls) == 0:
		p.refuse(list.listName(), "must not be empty")
	case len(list.urls) > most:
		p.refuse(list.listName(), fmt.Sprintf("must not have more than %d URLs", most))
	}
	for i, address := range list.urls {
		if len(address) > maxURLLength {
			p.refuse(list.listName(), fmt.Sprintf("has a URL longer than %d bytes in row %d", maxURLLength, i+1))
			break
		}
	}
	if list.options.Has("url") {
		p.refuse("url", "must not be given: the URLs are in "+list.listName())
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	return s.placeWithFaults(r.Context(), o, func(o order) (receipt, error) { return s.placeBatch(o, list) })
}

// placeBatch stores a batch and starts its first rows. It returns the batch in
// its state before any row was started.
func (s *Server) placeBatch(o order, list batchList) (receipt, error) {
	o.plan = s.ensureFaultPlan(o)
	created := &batch{order: o, status: statusProcessing, rows: make([]batchRow, len(list.urls))}
	for i, address := range list.urls {
		created.rows[i].url = address
	}
	if err := s.batches.add(created); err != nil {
		return nil, err
	}
	shown := s.batchObject(created)
	s.advance(created)
	if list.json {
		return batchReceipt{BatchID: shown.ID, Status: shown.Status, Count: shown.Count}, nil
	}
	return shown, nil
}

// advance starts as many rows as may be in progress at once. After the last row
// has ended, it ends the batch.
func (s *Server) advance(b *batch) {
	for {
		row, ok := s.batches.startRow(b, s.cfg.Workers)
		if !ok {
			break
		}
		if err := s.placeRow(b, row); err != nil {
			s.batches.endRow(b, row, 0, err.Error())
		}
	}
	if s.batches.finish(b) {
		s.notifyBatch(b)
	}
}

// placeRow creates the screenshot of a row. URLs of rows never change, so it
// reads them without the lock.
func (s *Server) placeRow(b *batch, row int) error {
	o := b.order
	o.plan, o.batch, o.row = nil, b, row
	o.createdAt = s.cfg.Now()
	var err error
	if o.render.URL, err = normaliseURL(b.rows[row].url); err != nil {
		return fmt.Errorf("url %w", err)
	}
	shot, _, err := s.place(o)
	if err != nil {
		s.store.recordRefusal(o, "")
		return err
	}
	s.batches.setShot(b, row, shot.id)
	return nil
}

// batchList is the parsed body of a batch create.
type batchList struct {
	urls    []string // nil if the body has no list; truncated soon after maxBatchRows
	options url.Values
	json    bool
}

// listName returns the name of the parameter that holds the list.
func (l batchList) listName() string {
	if l.json {
		return "urls"
	}
	return "file"
}

// readBatch reads the body. A body that is not a multipart form must be JSON,
// even if its content type differs: one of the SDKs sends JSON as plain text.
func readBatch(r *http.Request) (batchList, error) {
	body := http.MaxBytesReader(nil, r.Body, maxBatchBody)
	kind, args, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	read := readBatchObject
	if kind == "multipart/form-data" {
		read = func(body io.Reader) (batchList, error) { return readBatchForm(body, args["boundary"]) }
	}
	list, err := read(body)
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return list, &apiError{status: http.StatusRequestEntityTooLarge, code: "PAYLOAD_TOO_LARGE",
			text: fmt.Sprintf("The body is larger than %d bytes", tooLarge.Limit)}
	}
	return list, err
}

// badBody returns the error for a body that cannot be read.
func badBody(text string) *apiError {
	return &apiError{status: http.StatusBadRequest, code: "BAD_REQUEST", text: text}
}

// readBatchForm reads a form with options and one file that has a URL on every
// line.
func readBatchForm(body io.Reader, boundary string) (batchList, error) {
	list := batchList{options: url.Values{}}
	if boundary == "" {
		return list, badBody("The form has no boundary")
	}
	parts := multipart.NewReader(body, boundary)
	for {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return list, fmt.Errorf("%w: %w", badBody("The form is malformed"), err)
		}
		value, err := io.ReadAll(part)
		if err != nil {
			return list, fmt.Errorf("%w: %w", badBody("The form is cut off"), err)
		}
		switch name := part.FormName(); {
		case name == "file":
			list.urls = appendLines(nonNil(list.urls), value)
		case len(value) > maxOption:
			return list, optionTooLong(name)
		case len(list.options) > maxOptions:
			return list, badBody("The form has too many options")
		default:
			list.options.Add(name, string(value))
		}
	}
}

// optionTooLong returns the error for an option that is longer than maxOption.
func optionTooLong(name string) error {
	p := &params{}
	p.refuse(name, fmt.Sprintf("must not be longer than %d bytes", maxOption))
	return p.err()
}

// appendLines appends the non-empty lines of a file to found.
func appendLines(found []string, file []byte) []string {
	file = bytes.TrimPrefix(file, []byte("\ufeff"))
	for line := range strings.SplitSeq(strings.ReplaceAll(string(file), "\r", "\n"), "\n") {
		if len(found) > maxBatchRows {
			break
		}
		if line = strings.TrimSpace(line); line != "" {
			found = append(found, strings.Clone(line)) // do not keep the whole file in memory
		}
	}
	return found
}

// nonNil returns list, or an empty list if it is nil, which means that there is
// no list.
func nonNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

// readBatchObject reads {"urls":[…],"country":"us", …}.
func readBatchObject(body io.Reader) (batchList, error) {
	list := batchList{options: url.Values{}, json: true}
	data, err := io.ReadAll(body)
	if err != nil {
		return list, fmt.Errorf("%w: %w", badBody("The body is cut off"), err)
	}
	object, err := members(data)
	if err != nil {
		return list, err
	}
	for name, raw := range object {
		switch {
		case name == "urls":
			if list.urls, err = addresses(raw); err != nil {
				return list, err
			}
		case len(raw) > maxOption:
			return list, optionTooLong(name)
		default:
			list.options[name] = optionTexts(raw)
		}
	}
	return list, nil
}

// members reads a JSON object. It stops with an error if the object has more than
// maxOptions members.
func members(data []byte) (map[string]json.RawMessage, error) {
	wrong := badBody("The body is neither a multipart form nor a JSON object")
	read := json.NewDecoder(bytes.NewReader(data))
	if first, err := read.Token(); err != nil || first != json.Delim('{') {
		return nil, wrong
	}
	object := make(map[string]json.RawMessage)
	for read.More() {
		name, err := read.Token()
		if err != nil {
			return nil, wrong
		}
		var raw json.RawMessage
		if err := read.Decode(&raw); err != nil {
			return nil, wrong
		}
		object[name.(string)] = raw
		if len(object) > maxOptions {
			return nil, badBody("The body has too many options")
		}
	}
	if _, err := read.Token(); err != nil {
		return nil, wrong
	}
	if _, err := read.Token(); !errors.Is(err, io.EOF) {
		return nil, wrong
	}
	return object, nil
}

// addresses reads a JSON list of strings. It returns nil for null.
func addresses(raw json.RawMessage) ([]string, error) {
	if string(raw) == "null" {
		return nil, nil
	}
	p := &params{}
	p.refuse("urls", "must be a list of URLs")
	list := json.NewDecoder(bytes.NewReader(raw))
	if first, err := list.Token(); err != nil || first != json.Delim('[') {
		return nil, p.err()
	}
	found := []string{}
	for list.More() && len(found) <= maxBatchRows {
		var address *string
		if list.Decode(&address) != nil || address == nil {
			return nil, p.err()
		}
		found = append(found, *address)
	}
	return found, nil
}

// optionTexts returns a JSON value in the form that a query would have: scalars
// as text, lists of scalars as repeated values, and everything else as one JSON
// string.
func optionTexts(raw json.RawMessage) []string {
	var elements []json.RawMessage
	if json.Unmarshal(raw, &elements) != nil {
		elements = []json.RawMessage{raw}
	}
	var texts []string
	for _, element := range elements {
		var value any
		// The element is part of JSON that was already parsed, so this cannot fail.
		_ = json.Unmarshal(element, &value)
		switch value := value.(type) {
		case nil:
		case string:
			texts = append(texts, value)
		case map[string]any, []any:
			return []string{string(raw)}
		default:
			texts = append(texts, string(element))
		}
	}
	return slices.Clip(texts)
}
