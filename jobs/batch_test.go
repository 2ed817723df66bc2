package jobs_test

import (
	"testing"

	"shotline/jobs"
)

func TestCounts(t *testing.T) {
	c := jobs.Counts{Rows: 511, ByState: map[jobs.State]int64{}}
	for i, s := range jobs.States {
		c.ByState[s] = 1 << i
	}
	for name, pair := range map[string][2]int64{
		"open":     {c.Open(), 1 + 2 + 4},
		"accepted": {c.Accepted(), 511 - 128 - 256},
		"flawed":   {c.Flawed(), 16 + 32 + 64 + 256},
		"done":     {c.Of(jobs.Done), 8},
		"zero":     {jobs.Counts{}.Of(jobs.Done), 0},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s: %d, want %d", name, pair[0], pair[1])
		}
	}
}
