package main

import (
	"fmt"
	"slices"
	"time"
)

// latencies are sorted.
type latencies []time.Duration

// since are the times between, 0 where somebody heard before the vendor did.
func since(answered, heard []time.Time) latencies {
	took := make(latencies, len(heard))
	for i := range heard {
		took[i] = max(0, heard[i].Sub(answered[i]))
	}
	slices.Sort(took)
	return took
}

// at is the time in milliseconds within which that part of all were done.
func (l latencies) at(part float64) float64 {
	last := len(l) - 1
	return l[min(last, int(part*float64(len(l))))].Seconds() * 1000
}

// mean is in milliseconds.
func (l latencies) mean() float64 {
	var sum time.Duration
	for _, took := range l {
		sum += took
	}
	return sum.Seconds() * 1000 / float64(len(l))
}

// figures are four of them, the median and the 99th percentile with targets.
func (l latencies) figures(whose string, p50, p99 *target) []figure {
	from := fmt.Sprintf("%d times", len(l))
	return []figure{
		{What: whose + ", p50", Value: l.at(0.5), Unit: "ms", Target: p50, From: from},
		{What: whose + ", p90", Value: l.at(0.9), Unit: "ms", From: from},
		{What: whose + ", p99", Value: l.at(0.99), Unit: "ms", Target: p99, From: from},
		{What: whose + ", longest", Value: l.at(1), Unit: "ms", From: from},
	}
}
