package client

import (
	"encoding/json"
	"errors"
)

// BatchRow is one page of a vendor batch as listed by /batch/info, according to
// the help page. A field is zero if the vendor did not send it.
type BatchRow struct {
	ScreenshotID string `json:"screenshot_id,omitempty"` // the id for Info and Thumbnail; empty if the row has no screenshot yet
	URL          string `json:"url,omitempty"`
	Status       Status `json:"status,omitempty"`
	Error        string `json:"error,omitempty"` // why the row failed
	// Extra holds fields that have no counterpart above, and fields whose value
	// does not fit the type above.
	Extra map[string]json.RawMessage `json:"-"`
	// ReadError is set if the row could not be read. All other fields are then zero.
	ReadError *RowError `json:"-"`
}

// UnmarshalJSON reads the vendor's object, or a bare screenshot id. In an object
// the id can be named "id" or, as on the help page, "screenshot_id".
func (r *BatchRow) UnmarshalJSON(data []byte) error {
	if id := idText(data); id != "" {
		*r = BatchRow{ScreenshotID: id}
		return nil
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil || object == nil {
		return errors.New("the row is not an object")
	}
	var row BatchRow
	for _, name := range []string{"screenshot_id", "id"} {
		id := idText(object[name])
		if id != "" && (row.ScreenshotID == "" || row.ScreenshotID == id) {
			row.ScreenshotID = id
			delete(object, name)
		}
		if isNull(object[name]) { // no screenshot yet
			delete(object, name)
		}
	}
	batchRowFields.decode(&row, object)
	if len(object) > 0 {
		row.Extra = object
	}
	*r = row
	return nil
}

var batchRowFields = fieldReaders[BatchRow]{
	"url":    into(func(r *BatchRow) *string { return &r.URL }, readText),
	"status": into(func(r *BatchRow) *Status { return &r.Status }, readText),
	"error":  into(func(r *BatchRow) *string { return &r.Error }, readReason),
}

// decodeBatchRows reads the rows of a batch. It returns nil if the vendor sent
// none.
func decodeBatchRows(raw json.RawMessage) ([]BatchRow, error) {
	if isNull(raw) {
		return nil, nil
	}
	return decodeRows(raw, "screenshots", func(r *BatchRow, err *RowError) { r.ReadError = err })
}
