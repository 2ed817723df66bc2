package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"shotline/client"
	"shotline/jobs"
)

// fetch requests an output from the vendor. If the job has just ended and
// requested the output, but the vendor does not have it ready, fetch tries again
// for a while.
func (s *server) fetch(ctx context.Context, j jobs.Job, kind output) (*client.Download, error) {
	for attempt := 1; ; attempt++ {
		body, err := kind.fetch(ctx, s.Outputs, j.ScreenshotID)
		if !errors.Is(err, client.ErrNotReady) || !s.outputExpected(ctx, j, kind) {
			return body, err
		}
		delay, again := s.outputRetry.Next(err, attempt)
		if !again {
			return nil, err
		}
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("wait for the %s of job %s: %w", kind.name, j.ID, ctx.Err())
		}
	}
}

// outputExpected reports whether an output that is missing might still become
// available, because the job has just ended and had requested it.
func (s *server) outputExpected(ctx context.Context, j jobs.Job, kind output) bool {
	if s.Now().Sub(j.ClosedAt) > client.OutputGrace {
		return false
	}
	if kind.param == "" {
		return true
	}
	value, given := j.Params[kind.param]
	if !given {
		b, err := s.Store.Batch(ctx, j.ID.Batch)
		if err != nil {
			return false // then the response is the same as for a job without this output
		}
		value = b.Params[kind.param]
	}
	switch fmt.Sprint(value) {
	case "<nil>", "", "0", "false":
		return false
	}
	return true
}
