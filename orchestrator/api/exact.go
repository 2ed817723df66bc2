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
func decodeExact(text []byte, v any) error {
	return exactjson.Unmarshal(text, v, exactjson.RejectUnknownMembers(true))
}

// checkExact says what exactly would refuse of a body whatever its members are.
// That it is no JSON is told elsewhere.
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

// flawOf says where in a JSON text, such as .tags[0], an error of exactly lies, and
// what is wrong there; nothing of any other error.
func explainJSON(err error) (location, reason string) {
	var shape *exactjson.SemanticError
	var kind *json.UnmarshalTypeError // of jobs.Metadata
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
		parent := jsonLocation(syntax.JSONPointer.Parent()) // the last one is a name, even if it is a number
		return parent + "." + syntax.JSONPointer.LastToken(), "given twice"
	case errors.As(err, &syntax):
		return jsonLocation(syntax.JSONPointer), "not valid UTF-8, or an escape of half a surrogate pair"
	}
	return "", ""
}

// placeOf writes a pointer as places are written in problems.
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
