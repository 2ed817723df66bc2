package api

import (
	"context"
	"errors"
	"time"
)

const (
	// longestWait is the longest that a request may wait: less than most proxies
	// allow for an answer.
	maxWait = time.Minute
	// mostWaits is how many requests may wait at once.
	maxWaits = 4096
)

// WaitQuery asks for the answer to come once something has ended.
type WaitQuery struct {
	Wait string `query:"wait" example:"30s" doc:"Respond when it has ended, or after this time with its current state; a Go duration of at most 1m"`
}

// time is zero when the answer is to come at once.
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

// waited is what await returns when it has ended, or when the time is up; kind and
// id say what is waited for.
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
