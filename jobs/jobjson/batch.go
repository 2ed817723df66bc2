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
	BatchID    string `json:"batch_id,omitempty" example:"b7k2m9q4x1" doc:"Absent in a dry run"`
	Rows       int64  `json:"rows"`
	Accepted   int64  `json:"accepted" doc:"Rows that became jobs"`
	Duplicates int64  `json:"duplicates" doc:"Rows that are equal to an earlier row and show its outcome"`
	Rejected   int64  `json:"rejected" doc:"Rows that cannot become jobs"`
	RerunOf    string `json:"rerun_of,omitempty" example:"a4n8c1w6t0" doc:"The batch whose rows it repeats"`

	DryRun *DryRun `json:"dry_run,omitempty" doc:"What a dry run found; otherwise absent"`

	Notes []string `json:"notes,omitempty" nullable:"false" doc:"What the columns of a CSV were taken for, and names that resemble a parameter"`
}

// DryRun is what a dry run found. Nothing was stored or sent.
type DryRun struct {
	Rejected []RejectReason `json:"rejected" nullable:"false" doc:"Why rows would be rejected, the most frequent reason first"`
	Credits  float64        `json:"credits" doc:"Estimated cost of the creates with a history, at the mean cost of earlier creates with such parameters"`
	Most     float64        `json:"most" doc:"The same at the highest cost"`
	Unknown  int64          `json:"unknown" doc:"Creates without a history: no earlier create with such parameters has a known cost"`
	Balance  *float64       `json:"balance,omitempty" doc:"Credits of the account; absent if it is not known"`
}

// RejectReason is a reason for which rows are rejected.
type RejectReason struct {
	Reason string `json:"reason"`
	Rows   int64  `json:"rows"`
	Row    int64  `json:"row" doc:"The first of the rows, counted from 1"`
	Line   int    `json:"line,omitempty" doc:"The line of the input where that row begins"`
}

// maxReasons is the number of reasons in a DryRun.
const maxReasons = 100

// Previewed returns the counts of a dry run, and the notes on its input.
func Previewed(p jobs.Preview, notes []string, balance *float64) Accepted {
	run := DryRun{Rejected: []RejectReason{}, Credits: p.Credits, Most: p.Most, Unknown: p.Unknown, Balance: balance}
	for _, r := range p.Reasons[:min(len(p.Reasons), maxReasons)] {
		run.Rejected = append(run.Rejected, RejectReason{r.Text, r.Count, r.Row, r.Line})
	}
	return Accepted{Rows: p.Rows, Accepted: p.Accepted, Duplicates: p.Duplicates, Rejected: p.Rejected, DryRun: &run, Notes: notes}
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
