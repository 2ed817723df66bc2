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

// Mentions reports whether the row contains text, for example a tag.
func (e *RowError) Mentions(text string) bool { return bytes.Contains(e.Raw, []byte(text)) }

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
