package jobjson

import (
	"encoding/json"
	"time"

	"shotline/jobs"
)

// Message is an event in the form that callbacks and the event stream send.
type Message struct {
	Type      jobs.EventType `json:"type"`
	Timestamp time.Time      `json:"timestamp"`
	Data      any            `json:"data"` // a Job, a Batch, a PastBatch or a Foreign
}

// FromMessage returns the JSON form of a message.
func FromMessage(m jobs.Message) Message {
	form := Message{Type: m.Type, Timestamp: m.Timestamp}
	switch data := m.Data.(type) {
	case jobs.Job:
		form.Data = FromJob(data)
	case jobs.Batch:
		form.Data = FromBatch(data)
	case jobs.PastBatch:
		form.Data = PastBatch{BatchID: data.ID, State: data.State, Revision: data.Revision}
	case jobs.Delivery:
		form.Data = fromForeign(data)
	}
	return form
}

// Foreign is a foreign delivery. All its fields are absent if the delivery was
// pruned.
type Foreign struct {
	ScreenshotID string          `json:"screenshot_id,omitempty"`
	Event        string          `json:"event,omitempty"` // the vendor's name for the event
	Outcome      jobs.Outcome    `json:"outcome,omitempty"`
	ImageURL     string          `json:"image_url,omitempty"`
	Error        string          `json:"error,omitempty"`
	ReceivedAt   time.Time       `json:"received_at,omitzero"`
	Payload      json.RawMessage `json:"payload,omitempty"` // the vendor's body, unchanged; absent if it is not JSON
}

// fromForeign returns the JSON form of a foreign delivery.
func fromForeign(d jobs.Delivery) Foreign {
	form := Foreign{
		ScreenshotID: d.ScreenshotID,
		Event:        d.Event,
		Outcome:      d.Outcome,
		ImageURL:     d.ImageURL,
		Error:        d.Error,
		ReceivedAt:   d.ReceivedAt.UTC(),
	}
	if json.Valid(d.Body) {
		form.Payload = d.Body
	}
	return form
}
