package csvfile

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"shotline/client/excerpt"
	"shotline/client/parameter"
	"shotline/jobs"
	"shotline/jobs/weburl"
)

// Fields is a row with typed fields, such as from JSON, instead of the cells of a
// file. The values of Params have the types that encoding/json uses.
type Fields struct {
	URL      string
	Params   map[string]any
	Tags     []string
	Metadata jobs.Metadata
}

// FieldError is an error in one of the fields.
type FieldError struct {
	Field string // such as url, params.width or tags[0]
	Err   error
}

func (e *FieldError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *FieldError) Unwrap() error { return e.Err }

// Request returns the request that a file row with the same values would give. A
// parameter that is null or an empty string is omitted. If the row cannot become
// a job, Reject is set to the first reason, and flaws contains the errors of all
// fields.
func (f Fields) Request() (request jobs.Request, flaws []*FieldError) {
	flaw := func(field string, err error) {
		flaws = append(flaws, &FieldError{field, err})
		reject(&request, err)
	}
	request.URL = weburl.Trim(f.URL)
	if url, err := weburl.Normalize(f.URL); err == nil {
		request.URL = url
	} else {
		flaw("url", err)
		if len(request.URL) > weburl.MaxLength {
			request.URL = excerpt.Of(request.URL)
		}
		request.URL = clean(request.URL)
	}
	var flawed []*FieldError
	request.Params, flawed = CheckParams(f.Params)
	for _, e := range flawed {
		flaw("params."+e.Field, e.Err)
	}
	request.Tags, flawed = CheckTags(f.Tags)
	for _, e := range flawed {
		flaw("tags"+e.Field, e.Err)
	}
	for _, name := range slices.Sorted(maps.Keys(f.Metadata)) {
		text, _ := f.Metadata[name].(string)
		if err := checkText(name + text); err != nil {
			flaw("metadata."+clean(name), err)
			continue
		}
		if request.Metadata == nil {
			request.Metadata = make(jobs.Metadata, len(f.Metadata))
		}
		request.Metadata[name] = f.Metadata[name]
	}
	return request, flaws
}

// CheckParams converts create parameters to the types that columns of the same
// names would have. It omits invalid ones and returns their errors.
func CheckParams(given map[string]any) (params jobs.Params, flaws []*FieldError) {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		known, value, err := parameter.Check(name, given[name])
		switch {
		case err != nil:
			flaws = append(flaws, &FieldError{clean(name), err})
		case value == nil:
		default:
			if params == nil {
				params = make(jobs.Params, len(given))
			}
			params[known] = value
		}
	}
	return params, flaws
}

// CheckTags removes empty, repeated and invalid tags, and returns the errors of
// the invalid ones. The field of an error is the index of the tag.
func CheckTags(given []string) (tags []string, flaws []*FieldError) {
	for i, tag := range given {
		tag = strings.TrimSpace(tag)
		err := checkText(tag)
		if err == nil {
			err = checkTag(tag)
		}
		switch {
		case err != nil:
			flaws = append(flaws, &FieldError{fmt.Sprintf("[%d]", i), err})
		case tag != "" && !slices.Contains(tags, tag):
			tags = append(tags, tag)
		}
	}
	return tags, flaws
}

func checkTag(tag string) error {
	if strings.HasPrefix(tag, jobs.TagPrefix) {
		return fmt.Errorf("tag %q: the prefix %s is reserved", excerpt.Of(tag), jobs.TagPrefix)
	}
	return nil
}

func checkText(text string) error {
	switch {
	case !utf8.ValidString(text):
		return errors.New("not valid UTF-8")
	case strings.IndexByte(text, 0) >= 0:
		return errors.New("contains a NUL byte")
	}
	return nil
}

// clean replaces invalid UTF-8 and NUL bytes, so that the text can be stored and
// displayed.
func clean(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\ufffd"), "\x00", "\ufffd")
}
