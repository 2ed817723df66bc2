package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
)

const (
	maxField  = 64 << 10 // maximum size of a field, in bytes
	maxFields = 300
)

// receiveForm reads a form part by part: one file, and fields with its options,
// before or after it.
func (s *server) receiveForm(ctx context.Context, body io.Reader, boundary string, up *upload) error {
	if boundary == "" {
		return problem(http.StatusBadRequest, "multipart/form-data has no boundary")
	}
	form := multipart.NewReader(body, boundary)
	var params RowOptions
	fileName, hasFile := "", false
	for n := 0; ; n++ {
		part, err := form.NextRawPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return s.bodyError(ctx, err)
		}
		name := part.FormName()
		switch {
		case n == maxFields:
			return problem(http.StatusUnprocessableEntity, fmt.Sprintf("the form has more than %d fields", maxFields))
		case name == "file" && hasFile:
			return invalid("body.file", errors.New("file: want one file"))
		case name == "file":
			fileName, hasFile = part.FileName(), true
			_, err = io.Copy(up, part)
		default:
			err = params.field(name, part)
		}
		if err != nil {
			return s.partError(ctx, err)
		}
	}
	if _, err := io.Copy(io.Discard, body); err != nil {
		return s.bodyError(ctx, err)
	}
	if !hasFile {
		return invalid("body.file", errors.New("file: want a file"))
	}
	if err := up.checkOptions(params, "body"); err != nil {
		return err
	}
	options, err := params.options("body")
	if err != nil {
		return err
	}
	if options.Source == "" {
		options.Source = fileName
	}
	if up.spec, err = s.batchSpec(options, "body"); err != nil {
		return err
	}
	up.notes = paramNotes("param", options.Params)
	if err := options.addToHash(up.spool); err != nil {
		return s.failed(ctx, "hash the options", err)
	}
	return s.openList(ctx, params.URLColumn, up)
}

// fieldError reports an invalid field of a form.
type fieldError struct{ answer error }

func (e *fieldError) Error() string { return e.answer.Error() }

func (s *server) partError(ctx context.Context, err error) error {
	var wrong *fieldError
	if errors.As(err, &wrong) {
		return wrong.answer
	}
	return s.bodyError(ctx, err)
}

// field reads a field that is not the file.
func (p *RowOptions) field(name string, value io.Reader) error {
	data, err := io.ReadAll(io.LimitReader(value, maxField+1))
	if err != nil {
		return err
	}
	if len(data) > maxField {
		return &fieldError{invalid("body."+name, fmt.Errorf("%s: longer than %d bytes", shortened(name), maxField))}
	}
	if name == "tag" { // several values may be separated by commas, as in a query
		p.Tag = append(p.Tag, splitList([]string{string(data)})...)
		return nil
	}
	lists := map[string]*[]string{"param": &p.Param, "app": &p.App}
	if list, ok := lists[name]; ok {
		*list = append(*list, string(data))
		return nil
	}
	texts := map[string]*string{"callback_url": &p.CallbackURL, "timeout": &p.Timeout, "priority": &p.Priority, "budget": &p.Budget, "source": &p.Source, "url_column": &p.URLColumn}
	text, ok := texts[name]
	if !ok {
		return &fieldError{invalid("body."+name, fmt.Errorf("unknown field %q: the file goes into \"file\"", shortened(name)))}
	}
	if *text != "" {
		return &fieldError{invalid("body."+name, fmt.Errorf("%s: given more than once: want one value", name))}
	}
	*text = string(data)
	return nil
}
