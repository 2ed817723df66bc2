package client

import (
	"encoding/json"
	"errors"
)

// BatchRow is one page of a vendor batch, as the help page says that
// /batch/info lists it. Fields that the vendor did not send are zero.
type BatchRow struct {
	ScreenshotID string `json:"screenshot_id,omitempty"` // for Info and Thumbnail; empty while the row has no screenshot
	URL          string `json:"url,omitempty"`
	Status       Status `json:"status,omitempty"`
	Error        string `json:"error,omitempty"` // why it failed
	// Extra holds what has no field here, and any field above whose value came
	// in a form that its type cannot hold.
	Extra map[string]json.RawMessage `json:"-"`
	// Odd is set if this row could not be read. Then all other fields are zero.
	Odd *RowError `json:"-"`
}

// UnmarshalJSON reads the vendor's object, or a bare screenshot id. The id may
// be called screenshot_id, as the help page has it, or id.
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
	batchRowFields.take(&row, object)
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

// decodeBatchRows reads the rows of a batch; none if the vendor sent none.
func decodeBatchRows(raw json.RawMessage) ([]BatchRow, error) {
	if isNull(raw) {
		return nil, nil
	}
	return decodeRows(raw, "screenshots", func(r *BatchRow, err *RowError) { r.Odd = err })
}
