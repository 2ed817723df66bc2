package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// RowError describes a row of a listing that could not be read: it is not an
// object, or its id or its tags have an unknown form.
type RowError struct {
	Row    int             // position in the response, from 1
	Rows   int             // number of rows in the response
	Raw    json.RawMessage // the unparsed row
	Reason string
}

func (e *RowError) Error() string {
	return fmt.Sprintf("row %d of %d in the response: %s", e.Row, e.Rows, e.Reason)
}

// Mentions reports whether the row contains the text of a tag, other than as a
// part of a longer tag.
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

// ID returns the screenshot's id, or "" if the id has an unknown form as well.
func (e *RowError) ID() string {
	var row map[string]json.RawMessage
	if json.Unmarshal(e.Raw, &row) != nil {
		return ""
	}
	return idText(row["id"])
}

// decodeRows reads a listing. It is an array or, according to one SDK's README,
// an object with the array under name. If a row cannot be read, its element is
// zero except for the error stored by odd.
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

// rowsOf returns the rows from either form of a listing.
func rowsOf(payload json.RawMessage, name string) ([]json.RawMessage, error) {
	var list []json.RawMessage
	if json.Unmarshal(payload, &list) == nil {
		return list, nil
	}
	var object map[string]json.RawMessage
	if json.Unmarshal(payload, &object) == nil && object[name] != nil && json.Unmarshal(object[name], &list) == nil {
		return list, nil
	}
	return nil, errors.New("the response is not a list of " + name)
}
