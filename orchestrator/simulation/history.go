package simulation

import (
	"cmp"
	"slices"
	"strings"

	"shotline/jobs"
)

// auditLog checks that each end of a job or batch has one event, and each
// revision one summary.
func (c *checker) auditLog() {
	for _, j := range c.jobs {
		if j.state != jobs.Duplicate && j.state != jobs.Rejected {
			c.auditHistory(j)
		}
	}
	c.each(func(scan func(...any)) {
		var id string
		var revision, summarized, ends, summaries int
		scan(&id, &revision, &summarized, &ends, &summaries)
		if ends != revision || summarized != revision || summaries < 1 || summaries > revision {
			c.w.fail("P5", "batch %s has revision %d, but %d events of ends, and %d summaries up to revision %d", id, revision, ends, summaries, summarized)
		}
	}, `SELECT id, revision, summarized, (SELECT count(*) FROM events WHERE batch_seq = b.seq AND job_seq IS NULL AND type <> 'batch.paused'),
		(SELECT count(*) FROM summaries WHERE batch_seq = b.seq) FROM batches b WHERE state <> 'importing'`)
	c.auditSummaries()
	if n := c.number(`SELECT count(*) FROM batches b WHERE state = 'finished' AND NOT EXISTS
		(SELECT 1 FROM summaries s WHERE s.batch_seq = b.seq AND s.revision = b.revision)`); n > 0 {
		c.w.fail("P5", "%d batches lack the summary of their newest revision", n)
	}
}

// auditSummaries checks that each summary is about a finished batch, and that the
// newest one agrees with the rows.
func (c *checker) auditSummaries() {
	c.each(func(scan func(...any)) {
		var id, state string
		var revision, rows, recorded, open, done, recordedDone int
		scan(&id, &revision, &state, &rows, &recorded, &open, &done, &recordedDone)
		if state != string(jobs.BatchFinished) || recorded != rows || open > 0 || recordedDone != done {
			c.w.fail("P5", "summary %d of batch %s has state %s, %d rows (want %d), %d of them open, %d done (want %d)",
				revision, id, state, recorded, rows, open, recordedDone, done)
		}
	}, `SELECT b.id, s.revision, s.data ->> 'state', b.rows, s.data ->> 'rows', (s.data ->> 'queued') + (s.data ->> 'submitting') + (s.data ->> 'pending'),
		CASE s.revision WHEN b.revision THEN b.done ELSE s.data ->> 'done' END, s.data ->> 'done'
		FROM summaries s JOIN batches b ON b.seq = s.batch_seq`)
}

// auditHistory checks that each attempt ended once. A late result or one
// correction per screenshot may follow. The last event must agree with the state
// of the job.
func (c *checker) auditHistory(j jobEntry) {
	var ends [][]string
	var last []string
	begun, attempt := 0, 0 // attempts that a retry began
	var state string       // in the last event
	c.each(func(scan func(...any)) {
		var kind string
		var of int
		if scan(&kind, &of, &state); kind == "job.retried" {
			ends, last = append(ends, last), nil
			if of > attempt { // otherwise it waits again for its earlier screenshot
				begun++
			}
			attempt = of
			return
		}
		if kind == "job.amended" {
			if len(last) > 0 {
				ends, last = append(ends, last), nil
			}
			attempt = of
			return
		}
		attempt = max(attempt, of)
		last = append(last, strings.TrimPrefix(kind, "job."))
		state = cmp.Or(state, last[len(last)-1])
	}, `SELECT type, attempt, state FROM events WHERE job_seq = ? ORDER BY seq`, j.seq)
	ends = append(ends, last)
	corrections := 0
	for i, end := range ends {
		newest := i == len(ends)-1
		corrected := slices.Contains(end, "corrected")
		for _, kind := range end {
			if kind == "corrected" {
				corrections++
			}
		}
		ok := len(end) == 1 || len(end) == 2 && end[0] != "late" && end[1] == "late" ||
			i > 0 && slices.Equal(end, []string{"timed_out", "late", "late"}) // a failure, then an older attempt's image
		if corrected {
			ok = end[0] != "corrected" && corrections <= j.attempt
			for _, kind := range end[1:] {
				ok = ok && (kind == "late" || kind == "corrected")
			}
		}
		if newest {
			ok = ok && state == string(j.state) && corrected == j.corrected && (corrected || (end[len(end)-1] == "late") == j.late)
		}
		if !ok || j.attempt < begun { // a job that was canceled unsent is retried as attempt 1
			c.w.fail("P1", "job %s is %s, late %v, attempt %d, with the history %v", j.name(), j.state, j.late, j.attempt, ends)
			return
		}
	}
}
