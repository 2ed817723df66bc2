package jobjson

import (
	"time"
	"unicode/utf8"

	"shotline/jobs"
)

// Delivery is a delivery in the inbox.
type Delivery struct {
	Place        int64     `json:"place"`
	State        string    `json:"state"` // waiting, applied, or its disposition
	ReceivedAt   time.Time `json:"received_at"`
	Event        string    `json:"event,omitempty"` // the vendor's name for it
	ScreenshotID string    `json:"screenshot_id,omitempty"`
	Outcome      string    `json:"outcome,omitempty"`
	ImageURL     string    `json:"image_url,omitempty"`
	Error        string    `json:"error,omitempty"`
	AsideError   string    `json:"aside_error,omitempty"` // why it could not be applied
	Body         *string   `json:"body,omitempty"`        // the raw body, if it is UTF-8
	BodyBase64   []byte    `json:"body_base64,omitempty"` // the raw body, if it is not
}

// FromDelivery returns the JSON form of a delivery. Deliveries after the cursor are
// not applied yet.
func FromDelivery(d jobs.KeptDelivery, cursor int64) Delivery {
	form := Delivery{
		Place: d.Seq, State: string(d.Disposition), ReceivedAt: d.ReceivedAt, Event: d.Event, ScreenshotID: d.ScreenshotID,
		Outcome: string(d.Outcome), ImageURL: d.ImageURL, Error: d.Error, AsideError: d.AsideError,
	}
	if d.Disposition == jobs.DispositionApplied {
		if form.State = "applied"; d.Seq > cursor {
			form.State = "waiting"
		}
	}
	switch {
	case d.Body == nil:
	case utf8.Valid(d.Body):
		body := string(d.Body)
		form.Body = &body
	default:
		form.BodyBase64 = d.Body
	}
	return form
}
