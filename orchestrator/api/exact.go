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

// encoding/json takes names in any case, the last of those that are repeated, and
// texts that are not UTF-8. None of this is in the contract, and what was meant is
// not known: it is refused.

func init() { huma.ValidateStrictCasing = true }

// exactly decodes JSON whose names are those of the members of v, byte for byte and
// each once, and whose texts are UTF-8. What flawOf tells of its errors is for people.
func exactly(text []byte, v any) error {
	return exactjson.Unmarshal(text, v, exactjson.RejectUnknownMembers(true))
}

// checkExact says what exactly would refuse of a body whatever its members are.
// That it is no JSON is told elsewhere.
func checkExact(body []byte) error {
	if !json.Valid(body) {
		return nil
	}
	if _, err := jsontext.NewDecoder(bytes.NewReader(body)).ReadValue(); err != nil {
		place, wrong := flawOf(err)
		return &huma.ErrorDetail{Location: "body" + place, Message: wrong}
	}
	return nil
}

// flawOf says where in a JSON text, such as .tags[0], an error of exactly lies, and
// what is wrong there; nothing of any other error.
func flawOf(err error) (place, wrong string) {
	var shape *exactjson.SemanticError
	var kind *json.UnmarshalTypeError // of jobs.Metadata
	var syntax *jsontext.SyntacticError
	switch {
	case errors.As(err, &shape) && errors.As(err, &kind):
		place = placeOf(shape.JSONPointer)
		if kind.Field != "" {
			place += "." + kind.Field
		}
		return place, fmt.Sprintf("want %s, not %s", plainType(kind.Type), kind.Value)
	case errors.As(err, &shape) && errors.Is(err, exactjson.ErrUnknownName):
		return placeOf(shape.JSONPointer), fmt.Sprintf("unknown field %q", shortened(shape.JSONPointer.LastToken()))
	case errors.As(err, &shape) && errors.Is(err, strconv.ErrRange):
		return placeOf(shape.JSONPointer), "the number is too large"
	case errors.As(err, &shape) && shape.JSONKind == '0' && shape.GoType.Kind() == reflect.Int:
		return placeOf(shape.JSONPointer), "want a whole number"
	case errors.As(err, &shape):
		return placeOf(shape.JSONPointer), fmt.Sprintf("want %s, not %s", plainType(shape.GoType), plainKind(shape.JSONKind))
	case errors.As(err, &syntax) && errors.Is(err, jsontext.ErrDuplicateName):
		parent := placeOf(syntax.JSONPointer.Parent()) // the last one is a name, even if it is a number
		return parent + "." + syntax.JSONPointer.LastToken(), "given twice"
	case errors.As(err, &syntax):
		return placeOf(syntax.JSONPointer), "not valid UTF-8, or an escape of half a surrogate pair"
	}
	return "", ""
}

// placeOf writes a pointer as places are written in problems.
func placeOf(pointer jsontext.Pointer) string {
	var place strings.Builder
	for token := range pointer.Tokens() {
		if _, err := strconv.ParseUint(token, 10, 32); err == nil {
			place.WriteString("[" + token + "]")
		} else {
			place.WriteString("." + token)
		}
	}
	return strings.ToValidUTF8(place.String(), string(utf8.RuneError))
}

// plainType names a type as JSON does.
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

// plainKind names what came.
func plainKind(kind jsontext.Kind) string {
	switch kind {
	case '{':
		return "object"
	case '[':
		return "array"
	}
	return kind.String()
}
