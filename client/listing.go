package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// RowError says why one row of a listing could not be read: it is not an
// object, or its id or tags have an unknown form.
type RowError struct {
	Row    int             // position in the answer, from 1
	Rows   int             // rows in the answer
	Raw    json.RawMessage // the row as it came
	Reason string
}

func (e *RowError) Error() string {
	return fmt.Sprintf("row %d of %d in the answer: %s", e.Row, e.Rows, e.Reason)
}

// Mentions reports whether the row contains a tag: its text, and not as a part of a
// longer tag.
func (e *RowError) Mentions(tag string) bool {
	inTag := func(b byte) bool {
		return b == '-' || b == '_' || '0' <= b && b <= '9' || 'a' <= b|0x20 && b|0x20 <= 'z'
	}
	for raw := e.Raw; ; {
		at := bytes.Index(raw, []byte(tag))
		if at < 0 {
			return false
		}
		end := at + len(tag)
		if (at == 0 || !inTag(raw[at-1])) && (end == len(raw) || !inTag(raw[end])) {
			return true
		}
		raw = raw[at+1:]
	}
}

// ID returns the screenshot's id, or "" if that has an unknown form, too.
func (e *RowError) ID() string {
	var row map[string]json.RawMessage
	if json.Unmarshal(e.Raw, &row) != nil {
		return ""
	}
	return idText(row["id"])
}

// decodeRows reads a listing, which is an array or, by one of the SDKs' READMEs,
// an object with the array under name. A row that cannot be read keeps its
// place: odd puts the reason there.
func decodeRows[T any](payload json.RawMessage, name string, odd func(*T, *RowError)) ([]T, error) {
	list, err := rowsOf(payload, name)
	if err != nil {
		return nil, err
	}
	rows := make([]T, len(list))
	for i, raw := range list {
		if err := json.Unmarshal(raw, &rows[i]); err != nil {
			var none T
			rows[i] = none
			odd(&rows[i], &RowError{Row: i + 1, Rows: len(list), Raw: raw, Reason: err.Error()})
		}
	}
	return rows, nil
}

// rowsOf takes the rows out of either form of a listing.
func rowsOf(payload json.RawMessage, name string) ([]json.RawMessage, error) {
	var list []json.RawMessage
	if json.Unmarshal(payload, &list) == nil {
		return list, nil
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(payload, &object) == nil && object[name] != nil && json.Unmarshal(object[name], &list) == nil {
		return list, nil
	}
	return nil, errors.New("the answer is not a list of " + name)
}
