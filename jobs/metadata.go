package jobs

import (
	"bytes"
	"encoding/json"
	"reflect"
)

// Metadata are the caller's own fields by name, returned unchanged. Values are
// JSON scalars: string, bool, nil, and json.Number, which keeps every digit.
type Metadata map[string]any

// UnmarshalJSON refuses values that are not scalars with a
// *json.UnmarshalTypeError that names the field.
func (m *Metadata) UnmarshalJSON(data []byte) error {
	exact := json.NewDecoder(bytes.NewReader(data))
	exact.UseNumber()
	var fields map[string]any
	if err := exact.Decode(&fields); err != nil {
		return err
	}
	for name, value := range fields {
		kind := ""
		switch value.(type) {
		case []any:
			kind = "array"
		case map[string]any:
			kind = "object"
		default:
			continue
		}
		return &json.UnmarshalTypeError{Value: kind, Type: reflect.TypeFor[any](), Field: name}
	}
	*m = fields
	return nil
}

// TextMetadata makes metadata from texts, such as the cells of a CSV row.
func TextMetadata(fields map[string]string) Metadata {
	if fields == nil {
		return nil
	}
	m := make(Metadata, len(fields))
	for name, text := range fields {
		m[name] = text
	}
	return m
}
