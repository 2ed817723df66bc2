package client

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// RetryPolicy says whether a call that changes nothing is worth repeating, and
// when. It neither sleeps nor sends, and the client itself never uses it. It
// must not decide about a create alone; it always refuses an InDoubtError.
type RetryPolicy struct {
	Attempts int            // how many attempts are made in all; below 2 there is no retry
	Base     time.Duration  // the delay after the first attempt, doubled after each further one
	Max      time.Duration  // the longest delay of its own; 0 means no limit
	Rand     func() float64 // jitter from [0,1); nil means none
}

// OutputGrace is how long after its end a screenshot may have no output yet. A
// NotReadyError that comes later means that there is none.
const OutputGrace = time.Minute

// OutputRetryPolicy is for pictures and other outputs, which the vendor may hand
// out only a while after it called the screenshot finished: six attempts within
// some fifteen seconds.
func OutputRetryPolicy(rand func() float64) RetryPolicy {
	return RetryPolicy{Attempts: 6, Base: 500 * time.Millisecond, Max: 10 * time.Second, Rand: rand}
}

// DefaultRetryPolicy makes four attempts within some four seconds; rand gives
// the jitter from [0,1), nil means none.
func DefaultRetryPolicy(rand func() float64) RetryPolicy {
	return RetryPolicy{Attempts: 4, Base: 500 * time.Millisecond, Max: 10 * time.Second, Rand: rand}
}

// Next decides after the given attempt, counted from 1, failed with err. The
// delay is between half and all of the exponential step; a delay that the
// vendor asked for is never undercut, even where it exceeds Max.
func (p RetryPolicy) Next(err error, attempt int) (delay time.Duration, again bool) {
	if err == nil || attempt < 1 || attempt >= p.Attempts || !worthRepeating(err) {
		return 0, false
	}
	step := p.Base
	for range attempt - 1 {
		if p.Max > 0 && step >= p.Max || step > time.Hour {
			break
		}
		step *= 2
	}
	if p.Max > 0 {
		step = min(step, p.Max)
	}
	delay = step
	if p.Rand != nil {
		delay = step/2 + time.Duration(p.Rand()*float64(step-step/2))
	}
	var limited *RateLimitError
	if errors.As(err, &limited) {
		delay = max(delay, limited.Delay)
	}
	return delay, true
}

func worthRepeating(err error) bool {
	var (
		inDoubt *InDoubtError
		limited *RateLimitError
		api     *APIError
		notSent *NotSentError
		failed  *CallError
	)
	switch {
	case errors.As(err, &inDoubt), errors.Is(err, context.Canceled):
		return false
	case errors.As(err, &limited), errors.Is(err, ErrNotReady):
		return true
	case errors.As(err, &api):
		return api.Status >= 500 || api.Status == http.StatusRequestTimeout
	}
	return errors.As(err, &notSent) || errors.As(err, &failed)
}
