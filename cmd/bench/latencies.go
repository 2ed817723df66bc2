package main

import (
	"fmt"
	"slices"
	"time"
)

// latencies are sorted durations.
type latencies []time.Duration

// since returns the times from each answer to its notification. The time is 0 if
// the client was notified before the vendor read the answer.
func since(answered, notified []time.Time) latencies {
	took := make(latencies, len(notified))
	for i := range notified {
		took[i] = max(0, notified[i].Sub(answered[i]))
	}
	slices.Sort(took)
	return took
}

// at returns the quantile for part (0 to 1), in milliseconds.
func (l latencies) at(part float64) float64 {
	last := len(l) - 1
	return l[min(last, int(part*float64(len(l))))].Seconds() * 1000
}

// mean returns the mean in milliseconds.
func (l latencies) mean() float64 {
	var sum time.Duration
	for _, took := range l {
		sum += took
	}
	return sum.Seconds() * 1000 / float64(len(l))
}

// figures returns the quantiles as figures, the median and the 99th percentile
// with targets.
func (l latencies) figures(label string, p50, p99 *target) []figure {
	from := fmt.Sprintf("%d times", len(l))
	return []figure{
		{What: label + ", p50", Value: l.at(0.5), Unit: "ms", Target: p50, From: from},
		{What: label + ", p90", Value: l.at(0.9), Unit: "ms", From: from},
		{What: label + ", p99", Value: l.at(0.99), Unit: "ms", Target: p99, From: from},
		{What: label + ", longest", Value: l.at(1), Unit: "ms", From: from},
	}
}
