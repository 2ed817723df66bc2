package client

import "encoding/json"

// fieldReaders read the fields of a vendor's object into an S, those about
// which we are lenient.
type fieldReaders[S any] map[string]func(*S, json.RawMessage) bool

// take reads what it understands and deletes it from the object.
func (f fieldReaders[S]) take(target *S, object map[string]json.RawMessage) {
	for name, raw := range object {
		read, known := f[name]
		if known && (isNull(raw) || read(target, raw)) {
			delete(object, name)
		}
	}
}

// into binds a reader to the place for what it reads.
func into[S, T any](place func(*S) *T, read func(json.RawMessage) (T, bool)) func(*S, json.RawMessage) bool {
	return func(target *S, raw json.RawMessage) bool {
		value, ok := read(raw)
		if ok {
			*place(target) = value
		}
		return ok
	}
}
