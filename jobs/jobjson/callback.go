package jobjson

import (
	"time"

	"shotline/jobs"
)

// Callback is a callback without its body and without the fields that are only
// needed to deliver it.
type Callback struct {
	Seq       int64              `json:"seq"`
	EventID   string             `json:"event_id" doc:"The webhook-id of the callback"`
	Type      jobs.EventType     `json:"type" example:"job.done"`
	BatchID   string             `json:"batch_id,omitempty"`
	JobID     *jobs.ID           `json:"job_id,omitempty"`
	Sink      string             `json:"sink,omitempty" doc:"The sink's name"`
	URL       string             `json:"url,omitempty" doc:"The callback_url of the batch or job; over HTTP without its query"`
	State     jobs.CallbackState `json:"state" enum:"owed,delivered,dead"`
	Attempts  int                `json:"attempts" doc:"Attempts since the callback was created or replayed"`
	Status    int                `json:"status,omitempty" doc:"HTTP status of the last response"`
	Error     string             `json:"error,omitempty" doc:"Why the last attempt failed"`
	CreatedAt time.Time          `json:"created_at,omitzero"`
	FirstAt   time.Time          `json:"first_at,omitzero" doc:"Time of the first attempt"`
	DueAt     time.Time          `json:"due_at,omitzero" doc:"Time of the next attempt"`
	SettledAt time.Time          `json:"settled_at,omitzero" doc:"When the callback was delivered or became dead"`
}

// FromCallback returns the JSON form of a callback.
func FromCallback(c jobs.Callback) Callback {
	form := Callback{
		Seq:       c.Seq,
		EventID:   c.EventID,
		Type:      c.Type,
		BatchID:   c.Batch,
		Sink:      c.Target.Sink,
		URL:       c.Target.URL,
		State:     c.State,
		Attempts:  c.Attempts,
		Status:    c.Status,
		Error:     c.Error,
		CreatedAt: c.CreatedAt,
		FirstAt:   c.FirstAt,
		DueAt:     c.DueAt,
		SettledAt: c.SettledAt,
	}
	if !c.Job.IsZero() {
		form.JobID = &c.Job
	}
	return form
}
