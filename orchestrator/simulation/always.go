package simulation

import (
	"fmt"
	"strings"

	"shotline/jobs"
)

// rule is a promise that holds after every commit: its query finds no row, or
// the names of what breaks it. Its parameter is the newest event of the last time.
type rule struct{ promise, what, query string }

var rules = []rule{
	{"P6", "has counters that its rows do not bear out", counters()},
	{"P6", "has finished with open jobs, or is open without any", `SELECT id FROM batches b WHERE state <> 'importing' AND (state = 'finished') =
		EXISTS (SELECT 1 FROM jobs j WHERE j.seq >> 32 = b.seq AND j.state IN ('queued', 'submitting', 'pending'))`},
	{"P5", "counts as summed up without its summary", `SELECT id FROM batches b WHERE summarized > 0 AND NOT EXISTS
		(SELECT 1 FROM summaries s WHERE s.batch_seq = b.seq AND s.revision = b.summarized)`},
	{"P2", "lies behind the cursor and was not applied", `SELECT 'delivery ' || i.seq FROM inbox i JOIN submissions s ON s.screenshot_id = i.screenshot_id
		WHERE i.seq <= (SELECT place FROM cursors WHERE name = 'inbox') AND i.disposition = '' AND i.outcome IN ('done', 'failed') AND s.outcome IS NULL`},
	{"P2", "ended in spite of a webhook that was there before", `SELECT b.id || '-' || (e.job_seq & 4294967295) FROM events e
		JOIN batches b ON b.seq = e.batch_seq JOIN submissions s ON s.job_seq = e.job_seq AND s.attempt = e.attempt
		JOIN inbox i ON i.screenshot_id = s.screenshot_id AND i.outcome IN ('done', 'failed')
		WHERE e.seq > ?1 AND e.type IN ('job.timed_out', 'job.canceled') AND i.seq > (SELECT place FROM cursors WHERE name = 'inbox')`},
	{"P5", "was paused by an error that no event tells of", `SELECT id FROM batches b WHERE pause_reason <> '' AND NOT EXISTS
		(SELECT 1 FROM events e WHERE e.batch_seq = b.seq AND e.type = 'batch.paused')`},
	{"P1", "timed out before its time", fmt.Sprintf(`SELECT b.id || '-' || (j.seq & 4294967295) FROM jobs j JOIN batches b ON b.seq = j.seq >> 32
		WHERE j.state = 'timed_out' AND closed_at - submitted_at < CASE timeout_ms WHEN 0 THEN %d ELSE timeout_ms END + %d`,
		jobTimeout.Milliseconds(), deadlineGrace.Milliseconds())},
}

// counters compares each counter with a count over the rows, the costs aside:
// they are the submissions'.
func counters() string {
	var said, counted []string
	add := func(column, count string) {
		said, counted = append(said, "b."+column), append(counted, "coalesce(sum("+count+"), 0)")
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
		HAVING (` + strings.Join(said, ", ") + `) IS NOT (` + strings.Join(counted, ", ") + `)`
}

// always is all rules in one statement.
var always = func() string {
	parts := make([]string, len(rules))
	for i, r := range rules {
		parts[i] = fmt.Sprintf("SELECT %d, * FROM (%s)", i, r.query)
	}
	return strings.Join(parts, " UNION ALL ")
}()

// hold checks the rules.
func (b *books) hold() {
	b.each(func(scan func(...any)) {
		var i int
		var subject string
		scan(&i, &subject)
		b.w.fail(rules[i].promise, "%s %s", subject, rules[i].what)
	}, always, b.w.event)
	b.w.event = b.number(`SELECT coalesce(max(seq), 0) FROM events`)
}
