package jobs

import "time"

// JobForm is how a job is written in JSON, by the HTTP interface as by
// `list --json`: RFC 3339 times, what is not known is absent. The doc and enum
// tags describe it in the interface's contract.
type JobForm struct {
	ID           ID         `json:"id" example:"b7k2m9q4x1-17" doc:"BATCH-ROW"`
	BatchID      string     `json:"batch_id"`
	URL          string     `json:"url" doc:"Normalised"`
	State        State      `json:"state" enum:"queued,submitting,pending,done,failed,timed_out,canceled,duplicate,rejected"`
	Attempt      int        `json:"attempt" doc:"Submissions begun, the current one included"`
	Line         int        `json:"line,omitempty" doc:"In the input, from 1"`
	ScreenshotID string     `json:"screenshot_id,omitempty"`
	ImageURL     string     `json:"image_url,omitempty"`
	Error        string     `json:"error,omitempty" doc:"Why there is no picture"`
	ClosedBy     Provenance `json:"closed_by,omitempty" enum:"webhook,poll,create,deadline,submit,cancel"`
	Cost         *float64   `json:"cost,omitempty" doc:"Credits, absent while the vendor has not told"`
	Late         bool       `json:"late" doc:"Closed by a result that came after the job had ended"`
	DoubleCharge int        `json:"double_charged,omitempty" doc:"Screenshots paid for beyond the wanted one"`
	Conflicts    int        `json:"conflicts,omitempty" doc:"Results that contradicted the recorded one"`
	FirstResult  Outcome    `json:"first_result,omitempty" enum:"done,failed" doc:"After a conflict: the result that was recorded first"`
	VendorSays   Outcome    `json:"vendor_says,omitempty" enum:"processing,done,failed,unknown" doc:"After a conflict: what the vendor answered; unknown: it does not know the screenshot"`
	Corrected    bool       `json:"corrected,omitempty" doc:"The first result was false; the state is what the vendor says"`
	DuplicateOf  *ID        `json:"duplicate_of,omitempty" doc:"The job whose outcome this row shows"`
	Params       Params     `json:"params,omitempty"`
	Tags         []string   `json:"tags,omitempty"`
	Metadata     Metadata   `json:"metadata,omitempty"`
	CreatedAt    time.Time  `json:"created_at,omitzero"`
	SubmittedAt  time.Time  `json:"submitted_at,omitzero" doc:"When the current attempt's create was answered"`
	ClosedAt     time.Time  `json:"closed_at,omitzero"`
	CancelAsked  time.Time  `json:"cancel_asked_at,omitzero" doc:"Canceled as soon as its create is settled"`
}

// Form is the job as it is written in JSON.
func (j Job) Form() JobForm {
	form := JobForm{
		j.ID, j.ID.Batch, j.URL, j.State, j.Attempt, j.Line, j.ScreenshotID, j.ImageURL, j.Error, j.ClosedBy,
		j.Cost, j.Late, j.DoubleCharged, j.Conflicts, j.FirstResult, j.VendorSays, j.Corrected, nil,
		j.Params, j.Tags, j.Metadata, j.CreatedAt, j.SubmittedAt, j.ClosedAt, j.CancelAskedAt,
	}
	if j.DuplicateOf > 0 {
		form.DuplicateOf = &ID{Batch: j.ID.Batch, Row: j.DuplicateOf}
	}
	return form
}

// BatchForm is how a batch is written in JSON, by the HTTP interface as by
// `status --json`.
type BatchForm struct {
	BatchID       string               `json:"batch_id" example:"b7k2m9q4x1"`
	State         BatchState           `json:"state" enum:"importing,open,paused,finished"`
	PauseReason   string               `json:"pause_reason,omitempty" doc:"The error that paused it"`
	Source        string               `json:"source,omitempty"`
	Rows          int64                `json:"rows"`
	Queued        int64                `json:"queued"`
	Submitting    int64                `json:"submitting"`
	Pending       int64                `json:"pending"`
	Done          int64                `json:"done"`
	Failed        int64                `json:"failed"`
	TimedOut      int64                `json:"timed_out"`
	Canceled      int64                `json:"canceled"`
	Duplicate     int64                `json:"duplicate"`
	Rejected      int64                `json:"rejected"`
	ClosedBy      map[Provenance]int64 `json:"closed_by" doc:"Jobs by the way to their end"`
	Late          int64                `json:"late"`
	Corrected     int64                `json:"corrected" doc:"Jobs whose first result was false, as the vendor says"`
	DoubleCharged int64                `json:"double_charged"`
	Cost          *float64             `json:"cost,omitempty" doc:"Credits, absent while the vendor told none"`
	APICalls      int64                `json:"api_calls"`
	Revision      int                  `json:"revision" doc:"Grows whenever the batch finishes, and with late results and corrections"`
	CreatedAt     time.Time            `json:"created_at,omitzero"`
	FinishedAt    time.Time            `json:"finished_at,omitzero"`
}

// Form is the batch as it is written in JSON.
func (b Batch) Form() BatchForm {
	by := make(map[Provenance]int64, len(Provenances))
	for _, p := range Provenances {
		by[p] = b.Counts.ByProvenance[p]
	}
	c := b.Counts
	return BatchForm{
		b.ID, b.State, b.PauseReason, b.Source, c.Rows,
		c.Of(Queued), c.Of(Submitting), c.Of(Pending), c.Of(Done), c.Of(Failed), c.Of(TimedOut), c.Of(Canceled),
		c.Of(Duplicate), c.Of(Rejected), by, c.Late, c.Corrected, c.DoubleCharged, c.Cost, c.APICalls, b.Revision, b.CreatedAt, b.FinishedAt,
	}
}

// AcceptedForm is what became of the rows of an input, as `submit --json` and the
// HTTP interface write it.
type AcceptedForm struct {
	BatchID    string `json:"batch_id" example:"b7k2m9q4x1"`
	Rows       int64  `json:"rows"`
	Accepted   int64  `json:"accepted" doc:"Rows that became jobs"`
	Duplicates int64  `json:"duplicates" doc:"Rows equal to an earlier one, which show its outcome"`
	Rejected   int64  `json:"rejected" doc:"Rows that cannot become jobs"`
}

// AcceptedForm tells what became of the batch's rows when they came in.
func (b Batch) AcceptedForm() AcceptedForm {
	return AcceptedForm{b.ID, b.Counts.Rows, b.Counts.Accepted(), b.Counts.Of(Duplicate), b.Counts.Of(Rejected)}
}

// CallbackForm is how a callback is written in JSON, by the HTTP interface as by
// `callbacks --json`: without its body and what serves its delivery alone.
type CallbackForm struct {
	Seq       int64         `json:"seq"`
	EventID   string        `json:"event_id" doc:"The webhook-id"`
	Type      EventType     `json:"type" example:"job.done"`
	BatchID   string        `json:"batch_id,omitempty"`
	JobID     *ID           `json:"job_id,omitempty"`
	Sink      string        `json:"sink,omitempty" doc:"The sink's name"`
	URL       string        `json:"url,omitempty" doc:"That came with the batch or job; over HTTP without its query"`
	State     CallbackState `json:"state" enum:"owed,delivered,dead"`
	Attempts  int           `json:"attempts" doc:"Since it became owed or was replayed"`
	Status    int           `json:"status,omitempty" doc:"HTTP status of the last answer"`
	Error     string        `json:"error,omitempty" doc:"Why the last attempt failed"`
	CreatedAt time.Time     `json:"created_at,omitzero"`
	FirstAt   time.Time     `json:"first_at,omitzero" doc:"The first attempt"`
	DueAt     time.Time     `json:"due_at,omitzero" doc:"The next attempt"`
	SettledAt time.Time     `json:"settled_at,omitzero" doc:"When it was delivered or given up"`
}

// Form is the callback as it is written in JSON.
func (c Callback) Form() CallbackForm {
	form := CallbackForm{
		c.Seq, c.EventID, c.Type, c.Batch, nil, c.Target.Sink, c.Target.URL, c.State, c.Attempts, c.Status, c.Error,
		c.CreatedAt, c.FirstAt, c.DueAt, c.SettledAt,
	}
	if !c.Job.IsZero() {
		form.JobID = &c.Job
	}
	return form
}
