package client

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// RetryPolicy decides whether and when to repeat a call that changes nothing. It
// neither sleeps nor sends; the client itself does not use it. Do not use it
// alone to decide about a create. It never repeats after an InDoubtError.
type RetryPolicy struct {
	Attempts int            // maximum number of attempts, including the first; there is no retry if it is below 2
	Base     time.Duration  // delay after the first attempt; it doubles after each further one
	Max      time.Duration  // maximum delay; 0 means no limit
	Rand     func() float64 // jitter in [0,1); nil means none
}

// OutputGrace is how long the outputs of a screenshot might be missing after it
// has ended. A NotReadyError after that means that the output does not exist.
const OutputGrace = time.Minute

// OutputRetryPolicy is for images and other outputs, because they might become
// available some time after the vendor reports the screenshot as finished. It
// makes six attempts within about 15 seconds.
func OutputRetryPolicy(rand func() float64) RetryPolicy {
	return RetryPolicy{Attempts: 6, Base: 500 * time.Millisecond, Max: 10 * time.Second, Rand: rand}
}

// DefaultRetryPolicy makes four attempts within about 4 seconds. The function
// rand returns the jitter in [0,1); if it is nil, there is no jitter.
func DefaultRetryPolicy(rand func() float64) RetryPolicy {
	return RetryPolicy{Attempts: 4, Base: 500 * time.Millisecond, Max: 10 * time.Second, Rand: rand}
}

// Next returns whether to repeat a call and after which delay, if the given
// attempt, counted from 1, failed with err. The delay is between half and all of
// the exponential step. If the vendor requested a longer delay, Next returns that
// delay, even if it exceeds Max.
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
