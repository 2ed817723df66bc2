package orchestrator

import (
	"maps"

	"shotline/jobs"
)

// changes counts the effects of transactions. The zero value means no effects.
type changes struct {
	closed    map[jobs.State]int // jobs, by the state they ended in
	late      int                // results of jobs that had ended
	corrected int                // jobs whose first result was false
	flawed    int                // closed and corrected jobs without an image
	adopted   int                // creates without an answer that were found
	resent    int                // creates without an effect, queued again
	double    int                // screenshots that were charged beyond the wanted ones
}

// changesOf counts the effects of one transaction.
func changesOf(e jobs.Effects) changes {
	c := changes{adopted: e.Adopted, double: len(e.DoubleCharged)}
	for _, closed := range e.Closed {
		switch {
		case closed.Corrected:
			c.corrected++
			if closed.State != jobs.Done {
				c.flawed++
			}
			continue
		case closed.Late:
			c.late++
			continue
		case closed.State != jobs.Done:
			c.flawed++
		}
		c.addClosed(closed.State, 1)
	}
	return c
}

func (c *changes) addClosed(state jobs.State, n int) {
	if c.closed == nil {
		c.closed = map[jobs.State]int{}
	}
	c.closed[state] += n
}

// plus returns the sum of c and d.
func (c changes) plus(d changes) changes {
	c.closed = maps.Clone(c.closed)
	for state, n := range d.closed {
		c.addClosed(state, n)
	}
	c.late += d.late
	c.corrected += d.corrected
	c.flawed += d.flawed
	c.adopted += d.adopted
	c.resent += d.resent
	c.double += d.double
	return c
}
