package summary

import (
	"context"
	"time"

	"shotline/jobs"
)

// Summaries is a store of summaries. Every jobs.Reader implements it.
type Summaries interface {
	Source
	Summary(ctx context.Context, batch string) (revision int, data []byte, err error)
}

// Load returns the stored summary of a batch's newest revision. If there is none
// yet, it computes one of the current state, as of at.
func Load(ctx context.Context, src Summaries, batch string, at time.Time) (Summary, error) {
	b, err := src.Batch(ctx, batch)
	if err != nil {
		return Summary{}, err
	}
	if b.State == jobs.BatchFinished && b.Summarized == b.Revision {
		_, data, err := src.Summary(ctx, batch)
		if err != nil {
			return Summary{}, err
		}
		return Decode(data)
	}
	return Compute(ctx, src, batch, at)
}
