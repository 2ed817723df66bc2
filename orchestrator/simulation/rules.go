package simulation

import (
	"fmt"
	"strings"

	"shotline/jobs"
)

// rule is a condition that must hold after every commit. Its query returns the
// names of the violations, or no row if the promise holds. The query's parameter
// is the newest event at the previous check.
type rule struct{ promise, problem, query string }

var rules = []rule{
	{"P6", "has counters that differ from a count of its rows", counterQuery()},
	{"P6", "has finished with open jobs, or is open without any", `SELECT id FROM batches b WHERE state <> 'importing' AND (state = 'finished') =
		EXISTS (SELECT 1 FROM jobs j WHERE j.seq >> 32 = b.seq AND j.state IN ('queued', 'submitting', 'pending'))`},
	{"P5", "has no summary of its summarized revision", `SELECT id FROM batches b WHERE summarized > 0 AND NOT EXISTS
		(SELECT 1 FROM summaries s WHERE s.batch_seq = b.seq AND s.revision = b.summarized)`},
	{"P2", "is before the cursor and was not applied", `SELECT 'delivery ' || i.seq FROM inbox i JOIN submissions s ON s.screenshot_id = i.screenshot_id
		WHERE i.seq <= (SELECT place FROM cursors WHERE name = 'inbox') AND i.disposition = '' AND i.outcome IN ('done', 'failed') AND s.outcome IS NULL`},
	{"P2", "ended although a webhook had arrived before", `SELECT b.id || '-' || (e.job_seq & 4294967295) FROM events e
		JOIN batches b ON b.seq = e.batch_seq JOIN submissions s ON s.job_seq = e.job_seq AND s.attempt = e.attempt
		JOIN inbox i ON i.screenshot_id = s.screenshot_id AND i.outcome IN ('done', 'failed')
		WHERE e.seq > ?1 AND e.type IN ('job.timed_out', 'job.canceled') AND i.seq > (SELECT place FROM cursors WHERE name = 'inbox')`},
	{"P5", "was paused by an error without an event", `SELECT id FROM batches b WHERE pause_reason <> '' AND NOT EXISTS
		(SELECT 1 FROM events e WHERE e.batch_seq = b.seq AND e.type = 'batch.paused')`},
	{"P1", "timed out before its deadline", fmt.Sprintf(`SELECT b.id || '-' || (j.seq & 4294967295) FROM jobs j JOIN batches b ON b.seq = j.seq >> 32
		WHERE j.state = 'timed_out' AND closed_at - submitted_at < CASE timeout_ms WHEN 0 THEN %d ELSE timeout_ms END + %d`,
		jobTimeout.Milliseconds(), deadlineGrace.Milliseconds())},
}

// counterQuery returns a query that compares each counter of a batch with a count
// of its rows. Costs are left out, because they belong to the submissions.
func counterQuery() string {
	var stored, counted []string
	add := func(column, count string) {
		stored, counted = append(stored, "b."+column), append(counted, "coalesce(sum("+count+"), 0)")
	}
	for _, state := range jobs.States {
		add(string(state), "j.state = '"+string(state)+"'")
	}
	for _, by := range jobs.Provenances {
		add("by_"+string(by), "j.closed_by = '"+string(by)+"'")
	}
	add("late", "j.late")
	add("corrected", "j.corrected")
	add("double_charged", "j.double_charged")
	return `SELECT b.id FROM batches b LEFT JOIN jobs j ON j.seq >> 32 = b.seq GROUP BY b.seq
		HAVING (` + strings.Join(stored, ", ") + `) IS NOT (` + strings.Join(counted, ", ") + `)`
}

// allRules is one statement with all rules.
var allRules = func() string {
	parts := make([]string, len(rules))
	for i, r := range rules {
		parts[i] = fmt.Sprintf("SELECT %d, * FROM (%s)", i, r.query)
	}
	return strings.Join(parts, " UNION ALL ")
}()

// checkRules checks all rules.
func (c *checker) checkRules() {
	c.each(func(scan func(...any)) {
		var i int
		var subject string
		scan(&i, &subject)
		c.w.fail(rules[i].promise, "%s %s", subject, rules[i].problem)
	}, allRules, c.w.checkedEvent)
	c.w.checkedEvent = c.number(`SELECT coalesce(max(seq), 0) FROM events`)
}
