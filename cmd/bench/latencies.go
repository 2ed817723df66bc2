package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// latencies are the times from the answer of a webhook until each of those who
// waited for its job has heard.
type latencies struct {
	load
	waited, told []time.Duration // sorted
}

func (a *awaiting) latencies() *latencies {
	l := &latencies{load: a.load, waited: since(a.answered, a.waited)}
	for _, stream := range a.told {
		l.told = append(l.told, since(a.answered, stream)...)
	}
	slices.Sort(l.waited)
	slices.Sort(l.told)
	return l
}

// since are the times between, 0 where somebody heard before the vendor did.
func since(answered, heard []time.Time) []time.Duration {
	took := make([]time.Duration, len(heard))
	for i := range heard {
		took[i] = max(0, heard[i].Sub(answered[i]))
	}
	return took
}

// print writes a table in Markdown.
func (l *latencies) print(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%d webhooks, %d a second\n\n| who waits | heard | p50 | p90 | p99 | longest |\n| --- | --- | --- | --- | --- | --- |\n", l.waits, l.rate)
	for _, row := range []struct {
		who  string
		took []time.Duration
	}{{fmt.Sprintf("%d requests with `wait`", l.waits), l.waited}, {fmt.Sprintf("%d event streams", l.streams), l.told}} {
		if err == nil && len(row.took) > 0 {
			_, err = fmt.Fprintf(w, "| %s | %d | %s | %s | %s | %s |\n", row.who, len(row.took),
				at(row.took, 0.5), at(row.took, 0.9), at(row.took, 0.99), at(row.took, 1))
		}
	}
	return err
}

// at is the time within which that part of all had heard.
func at(sorted []time.Duration, part float64) string {
	last := len(sorted) - 1
	return fmt.Sprintf("%.1f ms", sorted[min(last, int(part*float64(len(sorted))))].Seconds()*1000)
}
