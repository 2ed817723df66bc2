package csvfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"shotline/jobs"
)

// Fields are a row that comes as fields with types, as in JSON, rather than as
// cells of a file. Values of Params are what encoding/json makes.
type Fields struct {
	URL      string
	Params   map[string]any
	Tags     []string
	Metadata jobs.Metadata
}

// FieldError is what is wrong with one of them.
type FieldError struct {
	Field string // such as url, params.width or tags[0]
	Err   error
}

func (e *FieldError) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *FieldError) Unwrap() error { return e.Err }

// Request makes the request that a row of a file with these cells would make. A
// parameter that is null or an empty text is not given. One that cannot become a
// job has Reject set; flaws say why, field by field.
func (f Fields) Request() (request jobs.Request, flaws []*FieldError) {
	flaw := func(field string, err error) {
		flaws = append(flaws, &FieldError{field, err})
		reject(&request, err)
	}
	request.URL = strings.TrimSpace(f.URL)
	if url, err := NormalizeURL(f.URL); err == nil {
		request.URL = url
	} else {
		flaw("url", err)
		if len(request.URL) > MaxURL {
			request.URL = excerpt(request.URL)
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

// CheckParams gives create parameters the types that columns of their names
// would give them, and leaves out those that are wrong.
func CheckParams(given map[string]any) (params jobs.Params, flaws []*FieldError) {
	for _, name := range slices.Sorted(maps.Keys(given)) {
		known, value, err := checkParam(name, given[name])
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

// checkParam returns the name and the value to send, nil when none is given.
func checkParam(name string, value any) (string, any, error) {
	folded := fold(name)
	if why, no := reserved[folded]; no {
		return "", nil, errors.New(why)
	}
	switch {
	case name == "" || name != strings.TrimSpace(name):
		return "", nil, errors.New("not a parameter's name")
	case folded == "url" || folded == "tag" || folded == "tags":
		return "", nil, fmt.Errorf("%s is not given as a parameter", folded)
	}
	k, isKnown := documented[folded]
	if isKnown {
		name = folded
	} else {
		k = open
	}
	if text, isText := value.(string); isText {
		if strings.TrimSpace(text) == "" {
			return name, nil, nil
		}
		value, err := k.value(name, text)
		return name, value, err
	}
	value, err := k.typed(name, value)
	return name, value, err
}

// typed checks a value that is no text, and gives it the form that value gives
// to its text, so that equal rows are equal.
func (k kind) typed(name string, value any) (any, error) {
	if value == nil {
		return nil, nil
	}
	text, isScalar := "", true
	switch v := value.(type) {
	case bool:
		text = strconv.FormatBool(v)
	case float64:
		text = strconv.FormatFloat(v, 'f', -1, 64)
	default:
		isScalar = false
	}
	switch {
	case k == open, k == structured && !isScalar:
		return value, nil
	case isScalar:
		return k.value(name, text)
	}
	shown, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%s: want one value, not %s", name, told(name, excerpt(string(shown))))
}

// CheckTags drops empty and repeated tags, and leaves out those that are wrong;
// the field of a flaw is its index.
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
		return fmt.Errorf("tag %q: tags beginning with %s are ours", excerpt(tag), jobs.TagPrefix)
	}
	return nil
}

func checkText(text string) error {
	switch {
	case !utf8.ValidString(text):
		return errors.New("not valid UTF-8")
	case strings.IndexByte(text, 0) >= 0:
		return errors.New("holds a NUL byte")
	}
	return nil
}

// clean makes text fit to be kept and shown.
func clean(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\ufffd"), "\x00", "\ufffd")
}
