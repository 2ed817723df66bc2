package client

import (
	"encoding/json"
	"errors"
	"time"
)

// BatchStatus is how far a vendor batch has come. The vendor may add others.
type BatchStatus string

// The statuses that the vendor's documents and SDKs show. A batch that failed
// as a whole is "error" in some of them and "failed" in others; rows that
// failed leave a batch finished.
const (
	BatchPending    BatchStatus = "pending"
	BatchProcessing BatchStatus = "processing"
	BatchFinished   BatchStatus = "finished"
	BatchError      BatchStatus = "error"
	BatchFailed     BatchStatus = "failed"
)

// Ended tells whether a batch with that status is over, well or not.
func (s BatchStatus) Ended() bool {
	return s == BatchFinished || s == BatchError || s == BatchFailed
}

// Batch is the vendor's batch object: a list of pages that the vendor itself
// works through. Fields that the vendor did not send are zero.
type Batch struct {
	ID        string      `json:"id"` // text; empty only if Odd is set
	Status    BatchStatus `json:"status"`
	Error     string      `json:"error,omitempty"` // why it failed as a whole
	Started   time.Time   `json:"started,omitzero"`
	Finished  time.Time   `json:"finished,omitzero"`
	Count     int         `json:"count"`             // rows
	Processed int         `json:"processed"`         // rows that have ended, failed ones included
	Failed    int         `json:"failed"`            // rows that failed
	ZipURL    string      `json:"zip_url,omitempty"` // where the pictures are, once it has ended
	// Rows are the batch's screenshots, if the vendor listed them.
	Rows []BatchRow `json:"screenshots,omitempty"`
	// Extra holds what has no field here, and any field above whose value came
	// in a form that its type cannot hold.
	Extra map[string]json.RawMessage `json:"-"`
	// Odd is set in a listing if this batch could not be read. Then all other
	// fields are zero, ID included.
	Odd *RowError `json:"-"`
}

// UnmarshalJSON reads the vendor's object. The id may be called batch_id, as
// the help page has it; without one it fails. About the rest it is lenient: an
// unexpected form goes to Extra.
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
	batchFields.take(&batch, object)
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
	return decodeRows(payload, "batches", func(b *Batch, err *RowError) { b.Odd = err })
}
