package parameter

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"shotline/client/excerpt"
)

// Kind defines how the text of a value is converted.
type Kind int

// The kinds.
const (
	Text    Kind = iota // unchanged
	Boolean             // true or false
	Number              // any number
	Whole               // 0, 1, 2 …
	JSON                // JSON if it begins like an array or an object, otherwise text
	Any                 // like JSON, but text if it is not valid JSON; for names that are not in the table
)

// String returns what a value of this kind is.
func (k Kind) String() string {
	return [...]string{"text", "true or false", "number", "whole number", "JSON or text", "JSON or text"}[k]
}

// find returns the name to send, and the parameter. A name that is not in the
// table keeps its case and is of the kind Any.
func find(name string) (Parameter, error) {
	if reason := Reserved(name); reason != "" {
		return Parameter{}, errors.New(reason)
	}
	if name == "" || name != strings.TrimSpace(name) {
		return Parameter{}, errors.New("not a valid parameter name")
	}
	if p, found := Lookup(name); found {
		return p, nil
	}
	return Parameter{Name: name, Kind: Any}, nil
}

// Parse converts the text of a value to the type of the parameter. It returns the
// name to send, which is in the spelling of the table if the table has it.
func Parse(name, text string) (known string, value any, err error) {
	p, err := find(name)
	if err != nil {
		return "", nil, err
	}
	value, err = p.Parse(text)
	return p.Name, value, err
}

// Check converts a value from JSON to the type of the parameter, so that it is
// equal to the value that Parse returns for its text. The checked value is nil if
// the parameter is not set: it is null or a text without characters.
func Check(name string, value any) (known string, checked any, err error) {
	p, err := find(name)
	if err != nil {
		return "", nil, err
	}
	if text, isText := value.(string); isText {
		if strings.TrimSpace(text) == "" {
			return p.Name, nil, nil
		}
		checked, err = p.Parse(text)
		return p.Name, checked, err
	}
	checked, err = p.check(value)
	return p.Name, checked, err
}

// Parse converts the text of a value to the type of the parameter.
func (p Parameter) Parse(text string) (any, error) {
	trimmed := strings.TrimSpace(text)
	switch p.Kind {
	case Boolean:
		switch strings.ToLower(trimmed) {
		case "true", "yes", "1":
			return true, nil
		case "false", "no", "0":
			return false, nil
		}
		return nil, fmt.Errorf("%s: %q is not true or false", p.Name, excerpt.Of(text))
	case Number, Whole:
		// ParseFloat also accepts hexadecimal numbers, Inf and NaN.
		f, err := strconv.ParseFloat(trimmed, 64)
		if err != nil || strings.Trim(trimmed, "+-.0123456789eE") != "" {
			return nil, fmt.Errorf("%s: %q is not a number", p.Name, excerpt.Of(text))
		}
		if p.Kind == Whole && (f < 0 || f != math.Trunc(f)) {
			return nil, fmt.Errorf("%s: %q is not a whole number", p.Name, excerpt.Of(text))
		}
		return f, nil
	case JSON, Any:
		if !beginsLikeJSON(trimmed) {
			return text, nil
		}
		if err := CheckJSON([]byte(trimmed)); err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
		var v any
		if err := json.Unmarshal([]byte(trimmed), &v); err != nil {
			if p.Kind == Any {
				return text, nil
			}
			return nil, fmt.Errorf("%s: %s is not valid JSON", p.Name, p.shown(strconv.Quote(excerpt.Of(text))))
		}
		return v, nil
	}
	return text, nil
}

// check converts a value that is not a text.
func (p Parameter) check(value any) (any, error) {
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
	case p.Kind == Any, p.Kind == JSON && !isScalar:
		return value, nil
	case isScalar:
		return p.Parse(text)
	}
	data, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%s: want one value, not %s", p.Name, p.shown(excerpt.Of(string(data))))
}

// shown returns how a message refers to an invalid value: the text, or a
// placeholder if the parameter is secret.
func (p Parameter) shown(text string) string {
	if p.Secret {
		return "the value"
	}
	return text
}

func beginsLikeJSON(text string) bool {
	return strings.HasPrefix(text, "[") || strings.HasPrefix(text, "{")
}
