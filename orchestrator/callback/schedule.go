package callback

import (
	"net/http"
	"strconv"
	"time"
)

// The intervals between attempts: they triple from the first to the longest.
const (
	firstInterval   = 5 * time.Second
	longestInterval = 2 * time.Hour
	jitter          = 0.2 // of an interval, to either side
)

// interval is how long to wait after so many attempts; random is between 0 and 1.
func interval(attempts int, random float64) time.Duration {
	wait := firstInterval
	for n := 1; n < attempts && wait < longestInterval; n++ {
		wait *= 3
	}
	wait = min(wait, longestInterval)
	return time.Duration(float64(wait) * (1 - jitter + 2*jitter*random))
}

// retryAfter is how long a target asks to be left alone, 0 when it does not. It
// is heard up to the longest interval.
func retryAfter(answer *http.Response, now time.Time) time.Duration {
	if answer.StatusCode != http.StatusTooManyRequests && answer.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	value := answer.Header.Get("Retry-After")
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		return time.Duration(min(max(seconds, 0), int64(longestInterval/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), longestInterval)
	}
	return 0
}
