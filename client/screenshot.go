package client

import (
	"encoding/json"
	"errors"
	"time"
)

// Status is the progress of a screenshot. The vendor might add values.
type Status string

// The documented statuses.
const (
	StatusProcessing Status = "processing"
	StatusFinished   Status = "finished"
	StatusError      Status = "error"
)

// Screenshot is the vendor's screenshot object. A field is zero if the vendor did
// not send it.
type Screenshot struct {
	ID         string    `json:"id"` // a number or a string, as text; empty only if ReadError is set
	Status     Status    `json:"status"`
	URL        string    `json:"url"` // as normalized by the vendor
	FinalURL   string    `json:"final_url,omitempty"`
	Error      string    `json:"error,omitempty"` // why the screenshot failed
	Cost       *float64  `json:"cost,omitempty"`  // credits; nil if the vendor did not send it
	Tags       []string  `json:"tag,omitempty"`
	CreatedAt  time.Time `json:"created_at,omitzero"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
	Country    string    `json:"country,omitempty"`
	Region     string    `json:"region,omitempty"`
	Language   string    `json:"language,omitempty"`
	Timezone   string    `json:"timezone,omitempty"`
	Size       string    `json:"size,omitempty"` // "screen" or "page"
	Shots      int       `json:"shots,omitempty"`
	HTML       bool      `json:"html,omitempty"` // whether the create requested it
	PDF        bool      `json:"pdf,omitempty"`
	Video      bool      `json:"video,omitempty"`
	HasHTML    bool      `json:"has_html,omitempty"` // whether it was captured
	HasPDF     bool      `json:"has_pdf,omitempty"`
	HasVideo   bool      `json:"has_video,omitempty"`
	ImageURL   string    `json:"image_url,omitempty"`
	StorageURL string    `json:"storage_url,omitempty"`
	// Extra holds fields that have no counterpart above, and fields whose value
	// does not fit the type above.
	Extra map[string]json.RawMessage `json:"-"`
	// ReadError is set only in listings, if the row could not be read. All other fields
	// are then zero, including ID.
	ReadError *RowError `json:"-"`
}

var (
	errNoID = errors.New("the screenshot has no id")
	errTags = errors.New("the screenshot's tag is neither a text nor a list of texts")
)

// UnmarshalJSON reads the vendor's object. It is strict about the id and the
// tags, because decisions about money depend on them. Other fields with an
// unexpected value go to Extra, so that one of them does not make a whole listing
// unreadable.
func (s *Screenshot) UnmarshalJSON(data []byte) error {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(data, &object); err != nil || object == nil {
		return errors.New("the screenshot is not an object")
	}
	shot := Screenshot{ID: idText(object["id"])}
	if shot.ID == "" {
		return errNoID
	}
	if !isNull(object["tag"]) {
		if shot.Tags = texts(object["tag"]); shot.Tags == nil {
			return errTags
		}
	}
	delete(object, "id")
	delete(object, "tag")

	screenshotFields.decode(&shot, object)
	if len(object) > 0 {
		shot.Extra = object
	}
	*s = shot
	return nil
}

var screenshotFields = fieldReaders[Screenshot]{
	"status":      into(func(s *Screenshot) *Status { return &s.Status }, readText),
	"url":         into(func(s *Screenshot) *string { return &s.URL }, readText),
	"final_url":   into(func(s *Screenshot) *string { return &s.FinalURL }, readText),
	"error":       into(func(s *Screenshot) *string { return &s.Error }, readReason),
	"cost":        into(func(s *Screenshot) **float64 { return &s.Cost }, readAmount),
	"created_at":  into(func(s *Screenshot) *time.Time { return &s.CreatedAt }, readTime),
	"finished_at": into(func(s *Screenshot) *time.Time { return &s.FinishedAt }, readTime),
	"country":     into(func(s *Screenshot) *string { return &s.Country }, readText),
	"region":      into(func(s *Screenshot) *string { return &s.Region }, readText),
	"language":    into(func(s *Screenshot) *string { return &s.Language }, readText),
	"timezone":    into(func(s *Screenshot) *string { return &s.Timezone }, readText),
	"size":        into(func(s *Screenshot) *string { return &s.Size }, readText),
	"shots":       into(func(s *Screenshot) *int { return &s.Shots }, readInt),
	"html":        into(func(s *Screenshot) *bool { return &s.HTML }, readBool),
	"pdf":         into(func(s *Screenshot) *bool { return &s.PDF }, readBool),
	"video":       into(func(s *Screenshot) *bool { return &s.Video }, readBool),
	"has_html":    into(func(s *Screenshot) *bool { return &s.HasHTML }, readBool),
	"has_pdf":     into(func(s *Screenshot) *bool { return &s.HasPDF }, readBool),
	"has_video":   into(func(s *Screenshot) *bool { return &s.HasVideo }, readBool),
	"image_url":   into(func(s *Screenshot) *string { return &s.ImageURL }, readText),
	"storage_url": into(func(s *Screenshot) *string { return &s.StorageURL }, readText),
}

func decodeScreenshot(payload json.RawMessage) (Screenshot, error) {
	var shot Screenshot
	err := shot.UnmarshalJSON(payload)
	return shot, err
}

func decodeScreenshots(payload json.RawMessage) ([]Screenshot, error) {
	return decodeRows(payload, "screenshots", func(s *Screenshot, err *RowError) { s.ReadError = err })
}
