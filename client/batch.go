package client

import (
	"encoding/json"
	"errors"
	"time"
)

// BatchStatus is the progress of a vendor batch. The vendor might add values.
type BatchStatus string

// The statuses in the vendor's documents and SDKs. If a batch fails as a whole,
// some of them call it "error" and others "failed". Failed rows do not make a
// batch fail: it still ends as finished.
const (
	BatchPending    BatchStatus = "pending"
	BatchProcessing BatchStatus = "processing"
	BatchFinished   BatchStatus = "finished"
	BatchError      BatchStatus = "error"
	BatchFailed     BatchStatus = "failed"
)

// Ended reports whether a batch with that status has ended, successfully or not.
func (s BatchStatus) Ended() bool {
	return s == BatchFinished || s == BatchError || s == BatchFailed
}

// Batch is the vendor's batch object: a list of pages that the vendor processes
// on its own. A field is zero if the vendor did not send it.
type Batch struct {
	ID        string      `json:"id"` // a number or a string, as text; empty only if ReadError is set
	Status    BatchStatus `json:"status"`
	Error     string      `json:"error,omitempty"` // why the batch failed as a whole
	Started   time.Time   `json:"started,omitzero"`
	Finished  time.Time   `json:"finished,omitzero"`
	Count     int         `json:"count"`             // rows
	Processed int         `json:"processed"`         // ended rows, including failed ones
	Failed    int         `json:"failed"`            // rows that failed
	ZipURL    string      `json:"zip_url,omitempty"` // archive of the images; empty until the batch has ended
	// Rows are the screenshots of the batch. It is nil if the vendor did not list
	// them.
	Rows []BatchRow `json:"screenshots,omitempty"`
	// Extra holds fields that have no counterpart above, and fields whose value
	// does not fit the type above.
	Extra map[string]json.RawMessage `json:"-"`
	// ReadError is set only in listings, if the batch could not be read. All other fields
	// are then zero, including ID.
	ReadError *RowError `json:"-"`
}

// UnmarshalJSON reads the vendor's object. The id can be named "id" or, as on the
// help page, "batch_id"; it is an error if both are missing. Other fields with an
// unexpected value go to Extra.
func (b *Batch) UnmarshalJSON(data []byte) error {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil || object == nil {
		return errors.New("the batch is not an object")
	}
	batch := Batch{ID: idText(object["id"])}
	if batch.ID == "" {
		batch.ID = idText(object["batch_id"])
	}
	if batch.ID == "" {
		return errors.New("the batch has no id")
	}
	delete(object, "id")
	delete(object, "batch_id")

	if rows, err := decodeBatchRows(object["screenshots"]); err == nil {
		batch.Rows = rows
		delete(object, "screenshots")
	}
	batchFields.decode(&batch, object)
	if len(object) > 0 {
		batch.Extra = object
	}
	*b = batch
	return nil
}

var batchFields = fieldReaders[Batch]{
	"status":    into(func(b *Batch) *BatchStatus { return &b.Status }, readText),
	"error":     into(func(b *Batch) *string { return &b.Error }, readReason),
	"started":   into(func(b *Batch) *time.Time { return &b.Started }, readTime),
	"finished":  into(func(b *Batch) *time.Time { return &b.Finished }, readTime),
	"count":     into(func(b *Batch) *int { return &b.Count }, readInt),
	"processed": into(func(b *Batch) *int { return &b.Processed }, readInt),
	"failed":    into(func(b *Batch) *int { return &b.Failed }, readInt),
	"zip_url":   into(func(b *Batch) *string { return &b.ZipURL }, readText),
}

func decodeBatches(payload json.RawMessage) ([]Batch, error) {
	return decodeRows(payload, "batches", func(b *Batch, err *RowError) { b.ReadError = err })
}
