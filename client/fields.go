package client

import "encoding/json"

// fieldReaders are functions by field name. Each reads one field of a vendor's
// object into an S and reports whether it could. They are used for the fields
// that may have an unexpected form.
type fieldReaders[S any] map[string]func(*S, json.RawMessage) bool

// decode reads the fields that it can and deletes them from the object.
func (f fieldReaders[S]) decode(target *S, object map[string]json.RawMessage) {
	for name, raw := range object {
		read, known := f[name]
		if known && (isNull(raw) || read(target, raw)) {
			delete(object, name)
		}
	}
}

// into returns a function that stores the result of read in the given field.
func into[S, T any](place func(*S) *T, read func(json.RawMessage) (T, bool)) func(*S, json.RawMessage) bool {
	return func(target *S, raw json.RawMessage) bool {
		value, ok := read(raw)
		if ok {
			*place(target) = value
		}
		return ok
	}
}
