package jobjson

import (
	"time"

	"shotline/jobs"
)

// Job is a job.
type Job struct {
	ID           jobs.ID         `json:"id" example:"b7k2m9q4x1-17" doc:"BATCH-ROW"`
	BatchID      string          `json:"batch_id"`
	URL          string          `json:"url" doc:"The normalized URL"`
	State        jobs.State      `json:"state" enum:"queued,submitting,pending,done,failed,timed_out,canceled,duplicate,rejected"`
	Attempt      int             `json:"attempt" doc:"Number of submissions, including the current one"`
	Row          int64           `json:"row" doc:"Number of the row in the batch, from 1"`
	Line         int             `json:"line,omitempty" doc:"Line of the input that the row begins at, from 1"`
	ScreenshotID string          `json:"screenshot_id,omitempty"`
	ImageURL     string          `json:"image_url,omitempty"`
	Error        string          `json:"error,omitempty" doc:"Why there is no image"`
	ClosedBy     jobs.Provenance `json:"closed_by,omitempty" enum:"webhook,poll,create,deadline,submit,cancel"`
	Cost         *float64        `json:"cost,omitempty" doc:"Credits; absent if the vendor has not reported them"`
	Late         bool            `json:"late" doc:"Closed by a result that arrived after the job had ended"`
	DoubleCharge int             `json:"double_charged,omitempty" doc:"Screenshots that were charged beyond the wanted one"`
	Conflicts    int             `json:"conflicts,omitempty" doc:"Results that contradicted the recorded one"`
	FirstResult  jobs.Outcome    `json:"first_result,omitempty" enum:"done,failed" doc:"After a conflict: the result that was recorded first"`
	VendorSays   jobs.Outcome    `json:"vendor_says,omitempty" enum:"processing,done,failed,unknown" doc:"After a conflict: the vendor's result; unknown if the vendor does not know the screenshot"`
	Corrected    bool            `json:"corrected,omitempty" doc:"The first result was wrong; the state is the result that the vendor confirmed"`
	DuplicateOf  *jobs.ID        `json:"duplicate_of,omitempty" doc:"The job whose outcome this row shows"`
	Params       jobs.Params     `json:"params,omitempty"`
	Tags         []string        `json:"tags,omitempty"`
	Metadata     jobs.Metadata   `json:"metadata,omitempty"`
	CreatedAt    time.Time       `json:"created_at,omitzero"`
	SubmittedAt  time.Time       `json:"submitted_at,omitzero" doc:"When the create of the current attempt was answered"`
	ClosedAt     time.Time       `json:"closed_at,omitzero"`
	CancelAsked  time.Time       `json:"cancel_asked_at,omitzero" doc:"When cancellation was requested; the job is canceled when its create is settled"`
}

// FromJob returns the JSON form of a job.
func FromJob(j jobs.Job) Job {
	form := Job{
		ID:           j.ID,
		BatchID:      j.ID.Batch,
		URL:          j.URL,
		State:        j.State,
		Attempt:      j.Attempt,
		Row:          j.ID.Row,
		Line:         j.Line,
		ScreenshotID: j.ScreenshotID,
		ImageURL:     j.ImageURL,
		Error:        j.Error,
		ClosedBy:     j.ClosedBy,
		Cost:         j.Cost,
		Late:         j.Late,
		DoubleCharge: j.DoubleCharged,
		Conflicts:    j.Conflicts,
		FirstResult:  j.FirstResult,
		VendorSays:   j.VendorSays,
		Corrected:    j.Corrected,
		Params:       j.Params,
		Tags:         j.Tags,
		Metadata:     j.Metadata,
		CreatedAt:    j.CreatedAt,
		SubmittedAt:  j.SubmittedAt,
		ClosedAt:     j.ClosedAt,
		CancelAsked:  j.CancelAskedAt,
	}
	if j.DuplicateOf > 0 {
		form.DuplicateOf = &jobs.ID{Batch: j.ID.Batch, Row: j.DuplicateOf}
	}
	return form
}
