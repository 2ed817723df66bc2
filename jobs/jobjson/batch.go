package jobjson

import (
	"time"

	"shotline/jobs"
)

// Batch is a batch with its counts. All counts are present, even if they are
// zero.
type Batch struct {
	BatchID       string                    `json:"batch_id" example:"b7k2m9q4x1"`
	State         jobs.BatchState           `json:"state" enum:"importing,open,paused,finished"`
	PauseReason   string                    `json:"pause_reason,omitempty" doc:"The error that paused it"`
	Source        string                    `json:"source,omitempty"`
	RerunOf       string                    `json:"rerun_of,omitempty" example:"a4n8c1w6t0" doc:"The batch whose rows it repeats"`
	Rows          int64                     `json:"rows"`
	Queued        int64                     `json:"queued"`
	Submitting    int64                     `json:"submitting"`
	Pending       int64                     `json:"pending"`
	Done          int64                     `json:"done"`
	Failed        int64                     `json:"failed"`
	TimedOut      int64                     `json:"timed_out"`
	Canceled      int64                     `json:"canceled"`
	Duplicate     int64                     `json:"duplicate"`
	Rejected      int64                     `json:"rejected"`
	ClosedBy      map[jobs.Provenance]int64 `json:"closed_by" doc:"Ended jobs by provenance"`
	Late          int64                     `json:"late"`
	Corrected     int64                     `json:"corrected" doc:"Jobs whose first result was wrong, as the vendor confirmed"`
	DoubleCharged int64                     `json:"double_charged"`
	Cost          *float64                  `json:"cost,omitempty" doc:"Credits; absent if the vendor has not reported any"`
	Budget        *float64                  `json:"budget,omitempty" doc:"Credits that the batch may cost; absent if there is no limit"`
	Reserved      float64                   `json:"reserved,omitempty" doc:"Credits reserved for creates whose cost is not known yet"`
	APICalls      int64                     `json:"api_calls"`
	Revision      int                       `json:"revision" doc:"Increases when the batch finishes, and with late results and corrections"`
	CreatedAt     time.Time                 `json:"created_at,omitzero"`
	FinishedAt    time.Time                 `json:"finished_at,omitzero"`
}

// FromBatch returns the JSON form of a batch.
func FromBatch(b jobs.Batch) Batch {
	c := b.Counts
	closedBy := make(map[jobs.Provenance]int64, len(jobs.Provenances))
	for _, p := range jobs.Provenances {
		closedBy[p] = c.ByProvenance[p]
	}
	return Batch{
		BatchID:       b.ID,
		State:         b.State,
		PauseReason:   b.PauseReason,
		Source:        b.Source,
		RerunOf:       b.RerunOf,
		Rows:          c.Rows,
		Queued:        c.Of(jobs.Queued),
		Submitting:    c.Of(jobs.Submitting),
		Pending:       c.Of(jobs.Pending),
		Done:          c.Of(jobs.Done),
		Failed:        c.Of(jobs.Failed),
		TimedOut:      c.Of(jobs.TimedOut),
		Canceled:      c.Of(jobs.Canceled),
		Duplicate:     c.Of(jobs.Duplicate),
		Rejected:      c.Of(jobs.Rejected),
		ClosedBy:      closedBy,
		Late:          c.Late,
		Corrected:     c.Corrected,
		DoubleCharged: c.DoubleCharged,
		Cost:          c.Cost,
		Budget:        b.Budget,
		Reserved:      b.Reserved,
		APICalls:      c.APICalls,
		Revision:      b.Revision,
		CreatedAt:     b.CreatedAt,
		FinishedAt:    b.FinishedAt,
	}
}

// PastBatch is a batch in the message of an event, if the batch has changed since
// the event.
type PastBatch struct {
	BatchID  string          `json:"batch_id" example:"b7k2m9q4x1"`
	State    jobs.BatchState `json:"state" enum:"finished,paused"`
	Revision int             `json:"revision" doc:"The revision that the event is about"`
}

// Accepted counts the rows of an input by their result.
type Accepted struct {
	BatchID    string `json:"batch_id" example:"b7k2m9q4x1"`
	Rows       int64  `json:"rows"`
	Accepted   int64  `json:"accepted" doc:"Rows that became jobs"`
	Duplicates int64  `json:"duplicates" doc:"Rows that are equal to an earlier row and show its outcome"`
	Rejected   int64  `json:"rejected" doc:"Rows that cannot become jobs"`
	RerunOf    string `json:"rerun_of,omitempty" example:"a4n8c1w6t0" doc:"The batch whose rows it repeats"`

	Notes []string `json:"notes,omitempty" nullable:"false" doc:"What the columns of a CSV were taken for, and names that resemble a parameter"`
}

// AcceptedFrom returns the counts of a batch that was just opened, and the notes
// on its input.
func AcceptedFrom(b jobs.Batch, notes []string) Accepted {
	return Accepted{
		BatchID:    b.ID,
		RerunOf:    b.RerunOf,
		Rows:       b.Counts.Rows,
		Accepted:   b.Counts.Accepted(),
		Duplicates: b.Counts.Of(jobs.Duplicate),
		Rejected:   b.Counts.Of(jobs.Rejected),
		Notes:      notes,
	}
}
