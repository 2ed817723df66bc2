package callback

import (
	"net/http"
	"strconv"
	"time"
)

// The intervals between attempts triple from the first to the longest.
const (
	firstInterval   = 5 * time.Second
	longestInterval = 2 * time.Hour
	jitter          = 0.2 // part of an interval, in both directions
)

// interval returns how long to wait after this number of attempts. Random is in
// [0,1).
func interval(attempts int, random float64) time.Duration {
	wait := firstInterval
	for n := 1; n < attempts && wait < longestInterval; n++ {
		wait *= 3
	}
	wait = min(wait, longestInterval)
	return time.Duration(float64(wait) * (1 - jitter + 2*jitter*random))
}

// retryAfter returns the Retry-After of a 429 or 503, at most longestInterval. It
// returns 0 if there is none.
func retryAfter(response *http.Response, now time.Time) time.Duration {
	if response.StatusCode != http.StatusTooManyRequests && response.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	value := response.Header.Get("Retry-After")
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		return time.Duration(min(max(seconds, 0), int64(longestInterval/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(value); err == nil {
		return min(max(at.Sub(now), 0), longestInterval)
	}
	return 0
}
