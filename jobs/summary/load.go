package summary

import (
	"context"
	"time"

	"shotline/jobs"
)

// Summaries is where summaries are kept; every jobs.Reader is one.
type Summaries interface {
	Source
	Summary(ctx context.Context, batch string) (revision int, data []byte, err error)
}

// Load returns the stored summary of a batch's newest revision; of a batch that
// has none yet, one of how it stands now, at.
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
