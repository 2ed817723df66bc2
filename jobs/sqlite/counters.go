package sqlite

import (
	"strings"

	"shotline/jobs"
)

// counterChanges are changes of a batch's counters.
type counterChanges struct {
	states          map[jobs.State]int64
	provenances     map[jobs.Provenance]int64
	late, corrected int64
}

// move counts a row that leaves its state and loses its end.
func (c *counterChanges) move(row amendedRow, to jobs.State) {
	if c.states == nil {
		c.states, c.provenances = map[jobs.State]int64{}, map[jobs.Provenance]int64{}
	}
	c.states[row.state]--
	c.states[to]++
	if row.by != "" {
		c.provenances[row.by]--
	}
	c.late -= row.late
	c.corrected -= row.corrected
}

var addCounters = addCountersQuery()

func addCountersQuery() string {
	columns := []string{"late", "corrected"}
	for _, state := range jobs.States {
		columns = append(columns, string(state))
	}
	for _, by := range jobs.Provenances {
		columns = append(columns, "by_"+string(by))
	}
	sets := make([]string, len(columns))
	for i, column := range columns {
		sets[i] = column + " = " + column + " + ?"
	}
	return "UPDATE batches SET " + strings.Join(sets, ", ") + " WHERE seq = ?"
}

// apply adds the changes to the counters of a batch.
func (c *counterChanges) apply(t *tx, batchSeq int64) error {
	args := []any{c.late, c.corrected}
	for _, state := range jobs.States {
		args = append(args, c.states[state])
	}
	for _, by := range jobs.Provenances {
		args = append(args, c.provenances[by])
	}
	_, err := t.exec(addCounters, append(args, batchSeq)...)
	return err
}
