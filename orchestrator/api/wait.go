package api

import (
	"context"
	"errors"
	"time"
)

const (
	// maxWait is the longest time that a request may wait. Most proxies allow more
	// than that for a response.
	maxWait = time.Minute
	// maxWaits is the number of requests that may wait at once.
	maxWaits = 4096
)

// WaitQuery delays a response until the job or the batch has ended.
type WaitQuery struct {
	Wait string `query:"wait" example:"30s" doc:"Respond when it has ended, or after this time with its current state; a Go duration of at most 1m"`
}

// time returns how long the request may wait. It returns 0 if the request does
// not wait.
func (q WaitQuery) time() (time.Duration, error) {
	if q.Wait == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(q.Wait)
	if err != nil || d < 0 || d > maxWait {
		return 0, invalid("query.wait", errors.New("wait: want a duration of at most 1m, such as 30s"))
	}
	return d, nil
}

// waitFor calls await and returns its result. If the time limit is reached
// before, the result is the current state. Kind and id name the job or batch in
// logs.
func waitFor[T any](ctx context.Context, s *server, limit time.Duration, kind, id string, await func(context.Context) (T, error)) (got T, err error) {
	release, err := s.waits.acquire(ctx)
	if err != nil {
		return got, err
	}
	defer release()
	liftWriteDeadline(ctx)
	defer setWriteDeadline(ctx)
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	got, err = await(limited)
	if err == nil || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return got, nil
	}
	return got, s.failed(ctx, "wait for "+kind+" "+id, err, kind, id)
}
