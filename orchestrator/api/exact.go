package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
	exactjson "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// encoding/json accepts names in any case, duplicate names (the last one counts),
// and texts that are not UTF-8. The contract allows none of this, and the
// intended meaning is not known. Therefore such JSON is refused.

func init() { huma.ValidateStrictCasing = true }

// decodeExact decodes JSON. Names must be the names of members of v, byte for
// byte and each only once, and texts must be UTF-8. Use explainJSON to describe
// its errors to users.
func decodeExact(text []byte, v any) error {
	return exactjson.Unmarshal(text, v, exactjson.RejectUnknownMembers(true))
}

// checkExact returns an error if decodeExact would refuse a body whatever its
// members are. It ignores invalid JSON, which is reported elsewhere.
func checkExact(body []byte) error {
	if !json.Valid(body) {
		return nil
	}
	if _, err := jsontext.NewDecoder(bytes.NewReader(body)).ReadValue(); err != nil {
		location, reason := explainJSON(err)
		return &huma.ErrorDetail{Location: "body" + location, Message: reason}
	}
	return nil
}

// explainJSON describes an error of decodeExact: its location in the JSON, such
// as .tags[0], and the reason. For any other error both are empty.
func explainJSON(err error) (location, reason string) {
	var shape *exactjson.SemanticError
	var kind *json.UnmarshalTypeError // from jobs.Metadata
	var syntax *jsontext.SyntacticError
	switch {
	case errors.As(err, &shape) && errors.As(err, &kind):
		location = jsonLocation(shape.JSONPointer)
		if kind.Field != "" {
			location += "." + kind.Field
		}
		return location, fmt.Sprintf("want %s, not %s", plainType(kind.Type), kind.Value)
	case errors.As(err, &shape) && errors.Is(err, exactjson.ErrUnknownName):
		return jsonLocation(shape.JSONPointer), fmt.Sprintf("unknown field %q", shortened(shape.JSONPointer.LastToken()))
	case errors.As(err, &shape) && errors.Is(err, strconv.ErrRange):
		return jsonLocation(shape.JSONPointer), "the number is too large"
	case errors.As(err, &shape) && shape.JSONKind == '0' && shape.GoType.Kind() == reflect.Int:
		return jsonLocation(shape.JSONPointer), "want a whole number"
	case errors.As(err, &shape):
		return jsonLocation(shape.JSONPointer), fmt.Sprintf("want %s, not %s", plainType(shape.GoType), plainKind(shape.JSONKind))
	case errors.As(err, &syntax) && errors.Is(err, jsontext.ErrDuplicateName):
		parent := jsonLocation(syntax.JSONPointer.Parent()) // the last token is a name, even if it is a number
		return parent + "." + syntax.JSONPointer.LastToken(), "given twice"
	case errors.As(err, &syntax):
		return jsonLocation(syntax.JSONPointer), "not valid UTF-8, or an escape of half a surrogate pair"
	}
	return "", ""
}

// jsonLocation returns a JSON pointer in the notation of locations in problems.
func jsonLocation(pointer jsontext.Pointer) string {
	var location strings.Builder
	for token := range pointer.Tokens() {
		if _, err := strconv.ParseUint(token, 10, 32); err == nil {
			location.WriteString("[" + token + "]")
		} else {
			location.WriteString("." + token)
		}
	}
	return strings.ToValidUTF8(location.String(), string(utf8.RuneError))
}

// plainType returns the JSON name of a type.
func plainType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Map, reflect.Struct:
		return "an object"
	case reflect.Slice:
		return "an array"
	case reflect.Int:
		return "a number"
	case reflect.Interface:
		return "a string, a number, true, false or null"
	default:
		return t.String()
	}
}

// plainKind returns the name of the kind of a JSON value.
func plainKind(kind jsontext.Kind) string {
	switch kind {
	case '{':
		return "object"
	case '[':
		return "array"
	}
	return kind.String()
}
