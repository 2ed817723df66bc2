package summary

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"shotline/jobs"
)

// maxReasons is the maximum number of reasons in a summary.
const maxReasons = 20

// Source is the source of a summary. Every jobs.Reader implements it.
type Source interface {
	Batch(ctx context.Context, id string) (jobs.Batch, error)
	Timings(ctx context.Context, batch string) (jobs.Timings, error)
	Reasons(ctx context.Context, batch string, limit int) ([]jobs.Reason, error)
}

// Summary contains the results of a batch as of ComputedAt. Its JSON has all
// fields of a jobs.Batch and more.
type Summary struct {
	BatchID         string                    `json:"batch_id"`
	State           jobs.BatchState           `json:"state"`
	PauseReason     string                    `json:"pause_reason,omitempty"`
	Source          string                    `json:"source,omitempty"`
	Rows            int64                     `json:"rows"`
	Queued          int64                     `json:"queued"`
	Submitting      int64                     `json:"submitting"`
	Pending         int64                     `json:"pending"`
	Done            int64                     `json:"done"`
	Failed          int64                     `json:"failed"`
	TimedOut        int64                     `json:"timed_out"`
	Canceled        int64                     `json:"canceled"`
	Duplicate       int64                     `json:"duplicate"`
	Rejected        int64                     `json:"rejected"`
	ClosedBy        map[jobs.Provenance]int64 `json:"closed_by"` // all provenances, including those with zero jobs
	Late            int64                     `json:"late"`
	Corrected       int64                     `json:"corrected"` // jobs whose first result was wrong
	DoubleCharged   int64                     `json:"double_charged"`
	Cost            *float64                  `json:"cost,omitempty"` // credits; nil if unknown
	APICalls        int64                     `json:"api_calls"`
	Revision        int                       `json:"revision"`
	CreatedAt       time.Time                 `json:"created_at,omitzero"`
	FinishedAt      time.Time                 `json:"finished_at,omitzero"`
	ComputedAt      time.Time                 `json:"computed_at,omitzero"`
	DurationSeconds float64                   `json:"duration_seconds"`  // from creation to finish, or to ComputedAt
	PerMinute       float64                   `json:"per_minute"`        // jobs ended per minute of that duration
	Timings         *Timings                  `json:"timings,omitempty"` // nil if no job is done
	Reasons         []Reason                  `json:"reasons"`           // at most 20, most frequent first
}

// Timings are seconds from submission to closure of done jobs.
type Timings struct {
	P50  float64 `json:"p50"`
	P95  float64 `json:"p95"`
	Mean float64 `json:"mean"`
	Min  float64 `json:"min"`
	Max  float64 `json:"max"`
}

// Reason is a group of rows that ended without an image in the same state and for
// the same reason.
type Reason struct {
	State    jobs.State `json:"state"`
	Error    string     `json:"error"`
	Count    int64      `json:"count"`
	FirstJob jobs.ID    `json:"first_job,omitzero"`
	Line     int        `json:"line,omitempty"` // of the first job, in the input
}

// Compute computes the summary of a batch in any state, as of at.
func Compute(ctx context.Context, src Source, batchID string, at time.Time) (Summary, error) {
	batch, err := src.Batch(ctx, batchID)
	if err != nil {
		return Summary{}, fmt.Errorf("summarize %s: %w", batchID, err)
	}
	timings, err := src.Timings(ctx, batchID)
	if err != nil {
		return Summary{}, fmt.Errorf("summarize %s: timings: %w", batchID, err)
	}
	reasons, err := src.Reasons(ctx, batchID, maxReasons)
	if err != nil {
		return Summary{}, fmt.Errorf("summarize %s: reasons: %w", batchID, err)
	}
	s := ofBatch(batch, at)
	if timings.Count > 0 {
		s.Timings = &Timings{
			P50: timings.P50.Seconds(), P95: timings.P95.Seconds(), Mean: timings.Mean.Seconds(),
			Min: timings.Min.Seconds(), Max: timings.Max.Seconds(),
		}
	}
	s.Reasons = make([]Reason, 0, len(reasons))
	for _, r := range reasons {
		s.Reasons = append(s.Reasons, Reason{State: r.State, Error: r.Error, Count: r.Count, FirstJob: r.First, Line: r.Line})
	}
	return s, nil
}

func ofBatch(b jobs.Batch, at time.Time) Summary {
	c := b.Counts
	s := Summary{
		BatchID: b.ID, State: b.State, PauseReason: b.PauseReason, Source: b.Source,
		Rows: c.Rows, Queued: c.Of(jobs.Queued), Submitting: c.Of(jobs.Submitting), Pending: c.Of(jobs.Pending),
		Done: c.Of(jobs.Done), Failed: c.Of(jobs.Failed), TimedOut: c.Of(jobs.TimedOut), Canceled: c.Of(jobs.Canceled),
		Duplicate: c.Of(jobs.Duplicate), Rejected: c.Of(jobs.Rejected),
		ClosedBy: make(map[jobs.Provenance]int64, len(jobs.Provenances)),
		Late:     c.Late, Corrected: c.Corrected, DoubleCharged: c.DoubleCharged, Cost: c.Cost, APICalls: c.APICalls,
		Revision: b.Revision, CreatedAt: b.CreatedAt, FinishedAt: b.FinishedAt, ComputedAt: at,
	}
	for _, p := range jobs.Provenances {
		s.ClosedBy[p] = c.ByProvenance[p]
	}
	end := b.FinishedAt
	if end.IsZero() {
		end = at
	}
	if lasted := end.Sub(b.CreatedAt); lasted > 0 && !b.CreatedAt.IsZero() {
		s.DurationSeconds = lasted.Seconds()
		s.PerMinute = float64(s.Done+s.Failed+s.TimedOut+s.Canceled) / lasted.Minutes()
	}
	return s
}

// Of returns the number of rows in a state.
func (s Summary) Of(state jobs.State) int64 {
	switch state {
	case jobs.Queued:
		return s.Queued
	case jobs.Submitting:
		return s.Submitting
	case jobs.Pending:
		return s.Pending
	case jobs.Done:
		return s.Done
	case jobs.Failed:
		return s.Failed
	case jobs.TimedOut:
		return s.TimedOut
	case jobs.Canceled:
		return s.Canceled
	case jobs.Duplicate:
		return s.Duplicate
	case jobs.Rejected:
		return s.Rejected
	}
	return 0
}

// Encode returns the summary as the store keeps it: one JSON object on one line.
func (s Summary) Encode() ([]byte, error) {
	data, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode summary of %s: %w", s.BatchID, err)
	}
	return data, nil
}

// Decode reads the result of Encode.
func Decode(data []byte) (Summary, error) {
	var s Summary
	if err := json.Unmarshal(data, &s); err != nil {
		return Summary{}, fmt.Errorf("decode summary: %w", err)
	}
	return s, nil
}
